package postfix

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
)

// probe looks at a socket as Postfix will use it. Nothing is sent.
func (c *Config) probe(ctx context.Context, address string) Socket {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	network, where, _ := strings.Cut(address, ":")
	if network == "inet" {
		return Socket{Exists: true, IsSocket: true, Dead: !answers(ctx, "tcp", where)}
	}
	info, err := os.Stat(where)
	if errors.Is(err, fs.ErrNotExist) {
		return Socket{}
	}
	s := Socket{Exists: true, IsSocket: err != nil || info.Mode()&fs.ModeSocket != 0}
	if s.IsSocket {
		s.Closed = obstacle(where, c.option(nil, "mail_owner"))
		// A user who may not connect cannot find out.
		s.Dead = s.Closed == "" && !answers(ctx, "unix", where)
	}
	return s
}

func answers(ctx context.Context, network, address string) bool {
	var d net.Dialer
	conn, err := d.DialContext(ctx, network, address)
	if err != nil {
		return errors.Is(err, fs.ErrPermission)
	}
	_ = conn.Close() // nothing was sent
	return true
}

// obstacle says what denies a user access to a socket: its own mode or that of a folder above it; "" if the user has access.
func obstacle(path, owner string) string {
	u, err := user.Lookup(owner)
	if err != nil {
		return "" // not a Postfix that runs here
	}
	uid, _ := strconv.Atoi(u.Uid)
	groups, _ := u.GroupIds()
	may := func(path string, bit fs.FileMode) string {
		info, err := os.Stat(path)
		if err != nil {
			return ""
		}
		st := info.Sys().(*syscall.Stat_t)
		mode, who := info.Mode().Perm(), "others"
		granted := mode&bit != 0
		switch {
		case int(st.Uid) == uid:
			granted, who = mode&(bit<<6) != 0, "its owner"
		case slices.Contains(groups, strconv.Itoa(int(st.Gid))):
			granted, who = mode&(bit<<3) != 0, "its group"
		}
		if granted {
			return ""
		}
		return fmt.Sprintf("%s has mode %04o, owner %s and group %s, which gives %s (as %s) no access", path, mode, userName(st.Uid), groupName(st.Gid), owner, who)
	}
	for dir := filepath.Dir(path); ; dir = filepath.Dir(dir) {
		if reason := may(dir, 1); reason != "" {
			return reason
		}
		if dir == "/" {
			break
		}
	}
	return may(path, 2)
}

func userName(id uint32) string {
	if u, err := user.LookupId(strconv.Itoa(int(id))); err == nil {
		return u.Username
	}
	return strconv.Itoa(int(id))
}

func groupName(id uint32) string {
	if g, err := user.LookupGroupId(strconv.Itoa(int(id))); err == nil {
		return g.Name
	}
	return strconv.Itoa(int(id))
}
