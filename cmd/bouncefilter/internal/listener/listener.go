// Package listener opens the sockets on which the MTA reaches the milter.
//
// [Parse] reads an address as the configuration has it, [Address.Listen] opens it, [Address.Postfix] returns it in the notation of
// Postfix. A socket file on which a process listens is never replaced; one on which none listens was left by a killed process, and is.
package listener

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unicode"
)

// maxSocketPath is the longest path of a unix socket on Linux, in octets (sun_path of unix(7), without its final NUL).
const maxSocketPath = 107

// backlog is how many connections may wait to be accepted; the kernel lowers it to net.core.somaxconn. Go asks /proc/sys for that number,
// and takes 128 where a service manager hides it (ProcSubset= of systemd.exec(5)).
const backlog = 4096

// ErrGroup says that a unix socket could not be given to the group that is asked for.
var ErrGroup = errors.New("cannot give the socket to the group")

// postfixQueue is where Postfix on Debian and most other systems has its queue, to which its chrooted processes are
// confined.
const postfixQueue = "/var/spool/postfix/"

// Address is where to listen: a unix socket or a TCP port. Addresses can be compared.
type Address struct {
	network string // "unix" or "tcp"
	address string // path, or host:port
}

// Parse reads "unix:/path/to/socket" or "tcp:host:port". "inet:" means the same as "tcp:", because main.cf calls it so.
func Parse(s string) (Address, error) {
	network, rest, _ := strings.Cut(s, ":")
	switch network {
	case "unix":
		switch {
		case !filepath.IsAbs(rest):
			return Address{}, errors.New("has no absolute path")
		case len(rest) > maxSocketPath:
			return Address{}, fmt.Errorf("has a path of more than %d octets, which no unix socket may have", maxSocketPath)
		case strings.ContainsFunc(rest, separates):
			return Address{}, errors.New("has a path with white space, a comma or a brace, which main.cf and sendmail.cf cannot hold")
		}
		return Address{"unix", filepath.Clean(rest)}, nil
	case "tcp", "inet":
		host, port, err := net.SplitHostPort(rest)
		if err != nil {
			return Address{}, errors.New("is not host:port")
		}
		if n, err := strconv.ParseUint(port, 10, 16); err != nil {
			return Address{}, errors.New("has no port number from 0 to 65535")
		} else if strings.ContainsAny(host, "/@") || strings.ContainsFunc(host, separates) {
			return Address{}, errors.New("has no host name or IP address")
		} else {
			port = strconv.FormatUint(n, 10)
		}
		return Address{"tcp", net.JoinHostPort(host, port)}, nil
	}
	return Address{}, errors.New("is not an address to listen on")
}

// separates says whether a character ends an address in main.cf or sendmail.cf.
func separates(r rune) bool {
	return unicode.IsSpace(r) || unicode.IsControl(r) || strings.ContainsRune(",{}", r)
}

// IsZero says whether a is the zero Address, which [Parse] never returns.
func (a Address) IsZero() bool { return a == Address{} }

// String returns the address as [Parse] reads it.
func (a Address) String() string { return a.network + ":" + a.address }

// Loopback says whether only this host can connect. The milter protocol has no authentication: every client that can
// connect can have any address signed.
func (a Address) Loopback() bool {
	if a.network == "unix" {
		return true
	}
	host, _, _ := net.SplitHostPort(a.address)
	return LoopbackHost(host)
}

// LoopbackHost says whether the host of an address or a URL is this one alone.
func LoopbackHost(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// Target returns network and address for a client on this host, as net.Dial takes them.
func (a Address) Target() (network, address string) {
	if host, port, err := net.SplitHostPort(a.address); a.network == "tcp" && err == nil {
		if ip, err := netip.ParseAddr(host); host == "" || err == nil && ip.IsUnspecified() {
			return a.network, net.JoinHostPort("localhost", port)
		}
	}
	return a.network, a.address
}

// Postfix returns the address as it is written in smtpd_milters. A socket within Postfix' queue directory is given
// relative to it, which holds for processes with and without chroot.
func (a Address) Postfix() string {
	if a.network == "tcp" {
		return "inet:" + a.address
	}
	if rest, ok := strings.CutPrefix(a.address, postfixQueue); ok {
		return "unix:" + rest
	}
	return "unix:" + a.address
}

// Options are the access rights of unix sockets. Group is a group ID, -1 for the process's own.
type Options struct {
	Mode  fs.FileMode
	Group int
}

// Listen opens the address. The socket file of a unix socket is removed when the listener is closed.
func (a Address) Listen(o Options) (net.Listener, error) {
	var l net.Listener
	var err error
	if a.network == "tcp" {
		l, err = a.listenTCP()
	} else {
		l, err = a.listenUnix(o)
	}
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", a, err)
	}
	return l, nil
}

func (a Address) listenTCP() (net.Listener, error) {
	l, err := net.Listen("tcp", a.address)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, errors.New("another process listens there")
	case err != nil:
		return nil, err
	}
	if err := lengthen(l.(*net.TCPListener)); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// lengthen sets the backlog of a listening socket (listen(2), which may be called again).
func lengthen(l syscall.Conn) error {
	raw, err := l.SyscallConn()
	if err != nil {
		return err
	}
	var listenErr error
	err = raw.Control(func(fd uintptr) { listenErr = syscall.Listen(int(fd), backlog) })
	return errors.Join(err, listenErr)
}

func (a Address) listenUnix(o Options) (net.Listener, error) {
	// Only the last folder is made: one that is missing higher up is a mistake in the path.
	if err := os.Mkdir(filepath.Dir(a.address), 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	if err := removeStale(a.address); err != nil {
		return nil, err
	}
	l, err := net.Listen("unix", a.address)
	if err != nil {
		return nil, err
	}
	// The umask leaves a new socket to its owner alone in all usual settings; the group comes before the mode that
	// lets it in.
	if o.Group >= 0 {
		if chownErr := os.Chown(a.address, -1, o.Group); chownErr != nil {
			err = fmt.Errorf("%w: %w", ErrGroup, chownErr)
		}
	}
	if err == nil {
		err = lengthen(l.(*net.UnixListener))
	}
	if err == nil {
		err = os.Chmod(a.address, o.Mode)
	}
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	made, err := os.Lstat(a.address)
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	return &unixListener{l, a.address, made}, nil
}

// unixListener removes its socket file when it is closed, and not one that another process has put in its place.
type unixListener struct {
	net.Listener
	path string
	made fs.FileInfo
}

func (l *unixListener) Close() error {
	err := l.Listener.Close()
	if now, statErr := os.Lstat(l.path); err == nil && statErr == nil && os.SameFile(l.made, now) && now.ModTime().Equal(l.made.ModTime()) {
		err = os.Remove(l.path)
	}
	return err
}

// removeStale removes a socket file on which no process listens.
func removeStale(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode()&fs.ModeSocket == 0:
		return errors.New("there is a file that is no socket")
	}
	// A full backlog would make a connect wait: then a process listens.
	const patience = time.Second
	c, err := net.DialTimeout("unix", path, patience)
	switch {
	case err == nil:
		_ = c.Close() // nothing was sent
		return errors.New("another process listens there")
	case errors.Is(err, syscall.ECONNREFUSED):
		return os.Remove(path)
	}
	return fmt.Errorf("cannot find out whether another process listens there: %w", err)
}
