package config

import (
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/tomlfile"
)

// resolver turns the text of options into values and collects the problems.
type resolver struct {
	c        *Config
	problems tomlfile.Problems
}

func (r *resolver) problem(key, value, what, remedy string) {
	r.problems = append(r.problems, r.c.Problem(key, value, what, remedy))
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
		r.problem("http", tomlfile.Quote(c.HTTP), "is not a loopback address, and metrics are served to every client",
			"use 127.0.0.1, and a proxy with access control in front of it")
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
