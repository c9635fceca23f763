package config

import (
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/netip"
	"os/user"
	"slices"
	"strconv"
	"time"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/listener"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/tomlfile"
)

// resolver turns what is written into what is meant and collects what has no meaning.
type resolver struct {
	c        *Config
	problems tomlfile.Problems
}

func (r *resolver) problem(key, value, what, remedy string) {
	r.problems = append(r.problems, r.c.Problem(key, value, what, remedy))
}

func (r *resolver) listeners() {
	c, f := r.c, &r.c.raw
	if len(f.Listen) == 0 {
		r.problem("listen", "", "is empty", "name at least one address, such as "+strconv.Quote(DefaultListen))
	}
	for i, s := range f.Listen {
		key := fmt.Sprintf("listen[%d]", i)
		a, err := listener.Parse(s)
		switch {
		case err != nil:
			r.problem(key, tomlfile.Quote(s), err.Error(), `use "unix:/path/to/socket" or "tcp:host:port"`)
		case slices.Contains(c.Listen, a):
			r.problem(key, tomlfile.Quote(s), "is listed twice", "remove one of them")
		default:
			c.Listen = append(c.Listen, a)
		}
	}
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

func (r *resolver) http() {
	c, f := r.c, &r.c.raw
	c.HTTP, c.HTTPChosen = f.HTTP, c.flags.HTTP != "" || c.doc.Has("http")
	if c.HTTP == "" {
		return
	}
	host, port, err := net.SplitHostPort(c.HTTP)
	ip, _ := netip.ParseAddr(host)
	if _, perr := strconv.ParseUint(port, 10, 16); err != nil || perr != nil {
		r.problem("http", tomlfile.Quote(c.HTTP), "is not host:port", `use an address such as "127.0.0.1:8767", or "" for none`)
	} else if host != "localhost" && !ip.IsLoopback() {
		r.problem("http", tomlfile.Quote(c.HTTP), "is not a loopback address, and metrics are served to whoever asks",
			"use 127.0.0.1 and let a proxy with access control stand in front")
	}
}

func (r *resolver) log() {
	c, f := r.c, &r.c.raw.Log
	if err := c.LogLevel.UnmarshalText([]byte(f.Level)); err != nil || !slices.Contains([]string{"debug", "info", "warn", "error"}, f.Level) {
		r.problem("log.level", tomlfile.Quote(f.Level), "is not a level", `use "debug", "info", "warn" or "error"`)
		c.LogLevel = slog.LevelInfo
	}
	if c.LogFormat = f.Format; f.Format != FormatLogfmt && f.Format != FormatJSON {
		r.problem("log.format", tomlfile.Quote(f.Format), "is not a format", `use "logfmt" or "json"`)
	}
	if c.SummaryInterval = f.SummaryInterval; f.SummaryInterval < time.Second {
		r.problem("log.summary_interval", f.SummaryInterval.String(), "is too short", `use "1s" or more`)
	}
}
