package config

import (
	"log/slog"
	"slices"
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
