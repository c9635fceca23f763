package config

import (
	"fmt"
	"log/slog"
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
