package config

import (
	"fmt"
	"io/fs"
	"os/user"
	"slices"
	"strconv"
	"strings"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/listener"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/tomlfile"
	"github.com/bouncefilter/bouncefilter/filter/policy"
)

// listenerTable is a listener with a role of its own.
type listenerTable struct {
	Address string `toml:"address"`
	Role    string `toml:"role"`
}

// Listener is one address on which the MTA finds the milter, and what the milter does for mail that comes there.
type Listener struct {
	Address listener.Address
	Role    policy.Role
	Key     string // its place in the file: "listen[0]", "listener[1].address"
}

// ofTable says whether the listener is of a table [[listener]].
func (l Listener) ofTable() bool { return strings.HasPrefix(l.Key, "listener[") }

// addressRemedy is the remedy for what is no address.
const addressRemedy = `use "unix:/path/to/socket" or "tcp:host:port"`

// listeners resolves where the MTA finds the milter and the lookup service, and which users may use their unix sockets. listen
// has its default only if no address at all is named.
func (r *resolver) listeners() {
	c, f := r.c, &r.c.raw
	if len(f.Listener) > 0 && !c.doc.Has("listen") && len(c.flags.Listen) == 0 {
		f.Listen = nil
	}
	if len(f.Listen)+len(f.Listener) == 0 {
		r.problem("listen", "", "is empty", "name at least one address, such as "+strconv.Quote(DefaultListen))
	}
	for i, s := range f.Listen {
		r.listener(fmt.Sprintf("listen[%d]", i), s, policy.RoleBoth)
	}
	for i, l := range f.Listener {
		key := fmt.Sprintf("listener[%d]", i)
		role := policy.RoleBoth
		if l.Role != "" {
			var err error
			if role, err = policy.ParseRole(l.Role); err != nil {
				r.problem(key+".role", tomlfile.Quote(l.Role), "is not a role", `use "sign" for mail that goes out, "verify" for mail that comes in, or "both"`)
			}
		}
		r.listener(key+".address", l.Address, role)
	}
	r.socketmap()
	// A mode without read and write for the owner would lock out the daemon's own administrator, one with other bits
	// means nothing for a socket.
	mode, err := strconv.ParseUint(f.SocketMode, 8, 16)
	if err != nil || mode&^0o777 != 0 || mode&0o600 != 0o600 {
		r.problem("socket_mode", tomlfile.Quote(f.SocketMode), "is not a file mode for a socket", `use octal digits in quotes, such as "0660"`)
	}
	c.SocketMode = fs.FileMode(mode)
	c.SocketGroup = -1
	if f.SocketGroup != "" {
		c.SocketGroup = r.group(f.SocketGroup)
	}
}

// listener adds one listener of the milter.
func (r *resolver) listener(key, s string, role policy.Role) {
	a, err := listener.Parse(s)
	if err != nil {
		r.problem(key, tomlfile.Quote(s), err.Error(), addressRemedy)
		return
	}
	same := func(l Listener) bool { return l.Address == a }
	if i := slices.IndexFunc(r.c.Listeners, same); i >= 0 {
		r.problem(key, tomlfile.Quote(s), "is already listed in "+r.c.Listeners[i].Key, "remove one of them: an address has one role")
		return
	}
	r.c.Listeners = append(r.c.Listeners, Listener{a, role, key})
}

// socketmap resolves where Postfix finds the lookup service.
func (r *resolver) socketmap() {
	const key = "socketmap.listen"
	s := r.c.raw.Socketmap.Listen
	if s == "" {
		return
	}
	a, err := listener.Parse(s)
	if err != nil {
		r.problem(key, tomlfile.Quote(s), err.Error(), addressRemedy+`, or "" for nowhere`)
		return
	}
	for _, l := range r.c.Listeners {
		if l.Address == a {
			r.problem(key, tomlfile.Quote(s), "is already listed in "+l.Key, "use another port or path: the milter speaks another protocol")
			return
		}
	}
	r.c.Socketmap = a
}

// sameListeners says whether those that ofTable chooses are the same.
func sameListeners(running, next []Listener, ofTable bool) bool {
	chosen := func(ls []Listener) []Listener {
		var c []Listener
		for _, l := range ls {
			if l.ofTable() == ofTable {
				l.Key = ""
				c = append(c, l)
			}
		}
		return c
	}
	return slices.Equal(chosen(running), chosen(next))
}

func (r *resolver) group(name string) int {
	if n, err := strconv.ParseUint(name, 10, 31); err == nil {
		return int(n)
	}
	g, err := user.LookupGroup(name)
	if err == nil {
		var n int
		if n, err = strconv.Atoi(g.Gid); err == nil {
			return n
		}
	}
	r.problem("socket_group", tomlfile.Quote(name), "is not a group of this host", "create the group or name another one")
	return -1
}
