package config

import (
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/tomlfile"
	"github.com/bouncefilter/bouncefilter/store"
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

// report resolves what is kept for reports.
func (r *resolver) report() {
	if r.c.Notes = r.c.raw.Report.Notes; r.c.Notes < 0 || r.c.Notes > store.MaxNotes {
		r.problem("report.notes", strconv.Itoa(r.c.Notes), fmt.Sprintf("is not from 0 to %d", store.MaxNotes), "use 200, or 0 to keep none")
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
