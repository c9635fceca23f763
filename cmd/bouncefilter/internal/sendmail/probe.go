package sendmail

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/mta"
)

// probe looks at a socket as Sendmail will use it. Nothing is sent.
func (c *Config) probe(ctx context.Context, l mta.Listener) Socket {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	network, address, _ := strings.Cut(l.Address.String(), ":")
	if network == "tcp" {
		return Socket{Exists: true, IsSocket: true, Dead: !answers(ctx, network, address)}
	}
	info, err := os.Lstat(address)
	if errors.Is(err, fs.ErrNotExist) {
		return Socket{}
	}
	s := Socket{Exists: true}
	if s.Unsafe = c.unsafe(address); s.Unsafe != "" {
		s.IsSocket = true
		return s
	}
	if s.IsSocket = err != nil || info.Mode()&fs.ModeSocket != 0; s.IsSocket {
		s.Dead = !answers(ctx, network, address)
	}
	if s.IsSocket && err == nil {
		s.Closed = c.closed(info)
	}
	return s
}

// closed says why the user that Sendmail runs as may not connect to a socket. Without RunAsUser that is root.
func (c *Config) closed(socket fs.FileInfo) string {
	name, _, _ := strings.Cut(c.option("RunAsUser").Value, ":")
	u, err := user.Lookup(name)
	if err != nil || u.Uid == "0" {
		return ""
	}
	groups, err := u.GroupIds()
	if err != nil {
		return ""
	}
	owner := socket.Sys().(*syscall.Stat_t)
	write := fs.FileMode(0o002)
	switch {
	case strconv.Itoa(int(owner.Uid)) == u.Uid:
		write = 0o200
	case slices.Contains(groups, strconv.Itoa(int(owner.Gid))):
		write = 0o020
	}
	if socket.Mode()&write != 0 {
		return ""
	}
	return fmt.Sprintf("Sendmail runs as %s (RunAsUser), and the socket has mode %04o, owner %d and group %d", name, socket.Mode().Perm(), owner.Uid, owner.Gid)
}

// answers also says yes if the user who runs check may not connect.
func answers(ctx context.Context, network, address string) bool {
	var d net.Dialer
	conn, err := d.DialContext(ctx, network, address)
	if err != nil {
		return errors.Is(err, fs.ErrPermission)
	}
	_ = conn.Close() // nothing was sent
	return true
}

// unsafe says why Sendmail refuses a path: a link, or a folder above it that others can write to, unless DontBlameSendmail
// allows a folder that its group can write to, or one with a sticky bit.
func (c *Config) unsafe(path string) string {
	if info, err := os.Lstat(path); err == nil && info.Mode()&fs.ModeSymlink != 0 {
		return path + " is a symbolic link"
	}
	blamed := strings.ToLower(c.option("DontBlameSendmail").Value)
	forbidden := fs.FileMode(0o022)
	if strings.Contains(blamed, "groupwritabledirpathsafe") {
		forbidden = 0o002
	}
	sticky := strings.Contains(blamed, "truststickybit")
	for dir := filepath.Dir(path); ; dir = filepath.Dir(dir) {
		if info, err := os.Stat(dir); err == nil && info.Mode().Perm()&forbidden != 0 && !(sticky && info.Mode()&fs.ModeSticky != 0) {
			return fmt.Sprintf("users other than its owner can write to the folder %s (mode %04o)", dir, info.Mode().Perm())
		}
		if dir == filepath.Dir(dir) {
			return ""
		}
	}
}
