//go:build !linux

package limit

import "net"

// user returns the user of the process that connected to a unix socket, which this system does not tell.
func user(net.Conn) string { return "unknown" }
