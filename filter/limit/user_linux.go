package limit

import (
	"net"
	"strconv"
	"syscall"
)

// user returns the user of the process that connected to a unix socket (SO_PEERCRED, unix(7)).
func user(c net.Conn) string {
	name := "unknown"
	sc, ok := c.(syscall.Conn)
	if !ok {
		return name
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return name
	}
	_ = raw.Control(func(fd uintptr) { // fails if the connection is closed
		if cred, err := syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED); err == nil {
			name = "uid " + strconv.FormatUint(uint64(cred.Uid), 10)
		}
	})
	return name
}
