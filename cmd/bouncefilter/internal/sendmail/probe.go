package sendmail

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"

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
	return s
}

// answers also says yes if this user may not connect himself.
func answers(ctx context.Context, network, address string) bool {
	var d net.Dialer
	conn, err := d.DialContext(ctx, network, address)
	if err != nil {
		return errors.Is(err, fs.ErrPermission)
	}
	_ = conn.Close() // nothing was sent
	return true
}

// unsafe says why Sendmail refuses a path: a link, or a folder above it that others can write to.
func (c *Config) unsafe(path string) string {
	if info, err := os.Lstat(path); err == nil && info.Mode()&fs.ModeSymlink != 0 {
		return path + " is a symbolic link"
	}
	blamed := strings.ToLower(c.option("DontBlameSendmail").Value)
	forbidden := fs.FileMode(0o022)
	if strings.Contains(blamed, "groupwritabledirpathsafe") {
		forbidden = 0o002
	}
	for dir := filepath.Dir(path); ; dir = filepath.Dir(dir) {
		if info, err := os.Stat(dir); err == nil && info.Mode().Perm()&forbidden != 0 {
			return fmt.Sprintf("others than its owner can write to the folder %s (mode %04o)", dir, info.Mode().Perm())
		}
		if dir == filepath.Dir(dir) {
			return ""
		}
	}
}
