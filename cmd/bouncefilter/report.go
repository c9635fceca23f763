package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/control"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/gunzip"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/logfile"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/report"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/site"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/status"
	"github.com/bouncefilter/bouncefilter/filter/figures"
	"github.com/bouncefilter/bouncefilter/filter/view"
	"github.com/bouncefilter/bouncefilter/store"
)

// reportCmd says what the milter did, and whether it is safe to enforce.
type reportCmd struct {
	siteFlags
	Log      []string `placeholder:"FILE" help:"Read this log of the daemon instead of the store; - for the standard input. May be repeated, in any order."`
	Since    ago      `placeholder:"TIME" help:"From when on: a date (2026-11-23), or so many weeks, days or hours (8w, 7d, 12h; hours up to 48h). The default is 7d; of a log, all."`
	Until    string   `placeholder:"DATE" help:"The last day (default: today)."`
	Domain   string   `placeholder:"NAME" help:"Only this domain, as it is configured."`
	Node     string   `placeholder:"NAME" help:"Only what this node counted."`
	By       string   `placeholder:"WHAT" help:"A table by hour, day, domain, reason, source, reporter, destination, status, node or family."`
	Failures bool     `help:"Why own mail came back: by status and destination, what became worse, and what fails because of the tag."`
	Samples  int      `placeholder:"N" help:"The last N refusals and would-be refusals, with the addresses masked."`
	Next     bool     `help:"All that speaks against enforcing, and all that is to be done, with lines to paste."`
	JSON     bool     `name:"json" help:"Print a JSON object that has everything."`
	CSV      bool     `name:"csv" help:"Print the table of --by (default: day) as CSV."`
}

// Help is shown by report --help.
func (reportCmd) Help() string {
	return `Without flags, one screen says whether it is safe to enforce, what was signed, accepted and refused, what would have been refused and
whether it may be genuine, and what to do next. Days and hours are those of UTC.

The running daemon is asked, over its control socket, or the store, which has what all nodes counted: days for 400 days, hours for
48. With --log, a log is read that the daemon has written, in any form in which syslog, containers or journalctl keep it. It does not say
whether the record of sent mail is complete.`
}

// Run implements the command.
func (cmd *reportCmd) Run(ctx context.Context, a *app) error {
	in := report.Input{Now: a.now(), Domain: cmd.Domain, Node: cmd.Node, Samples: cmd.Samples, Config: cmd.unusual(a), LogFiles: cmd.Log}
	if err := cmd.checkFlags(); err != nil {
		return usageError{err}
	}
	if err := cmd.span(&in); err != nil {
		return usageError{err}
	}
	read := cmd.readStore
	if len(cmd.Log) > 0 {
		read = cmd.readLog
	}
	if err := read(ctx, a, &in); err != nil {
		return err
	}
	r := report.Build(in)
	switch {
	case cmd.JSON:
		return printJSON(a.stdout, r)
	case cmd.CSV:
		return report.WriteCSV(a.stdout, r, cmp.Or(cmd.By, "day"))
	}
	return report.Print(a.stdout, r, report.View{By: cmd.By, Failures: cmd.Failures, Samples: cmd.Samples > 0, Next: cmd.Next})
}

// checkFlags returns what is wrong with flags that have no time.
func (cmd *reportCmd) checkFlags() error {
	if cmd.By != "" && !slices.Contains(report.Tables(), cmd.By) {
		return fmt.Errorf("--by: %q is no table; use one of %s", cut(cmd.By), strings.Join(report.Tables(), ", "))
	}
	if cmd.Samples < 0 || cmd.Samples > 2*store.MaxNotes {
		return fmt.Errorf("--samples: %d is not from 0 to %d", cmd.Samples, 2*store.MaxNotes)
	}
	if cmd.JSON && cmd.CSV {
		return errors.New("--json and --csv: choose one")
	}
	views := 0
	for _, chosen := range []bool{cmd.By != "" || cmd.CSV, cmd.Failures, cmd.Samples > 0 && !cmd.JSON, cmd.Next} {
		if chosen {
			views++
		}
	}
	if views > 1 {
		return errors.New("--by, --csv, --failures, --samples and --next print different things: choose one; --json has everything")
	}
	return nil
}

// defaultSpan is how many days a report is about by default, today included.
const defaultSpan = 7

// span sets the time of the report. That of a log is left open where no flag sets it.
func (cmd *reportCmd) span(in *report.Input) error {
	today := store.DayOf(in.Now)
	since, until := cmd.Since, (today + 1).Time()
	if cmd.Until != "" {
		last, err := time.Parse(time.DateOnly, cmd.Until)
		if err != nil {
			return fmt.Errorf("--until: %q is not a date; use %s", cut(cmd.Until), today)
		}
		if until = last.AddDate(0, 0, 1); until.After((today + 1).Time()) {
			return fmt.Errorf("--until: %s is in the future; use %s, or leave it out", cut(cmd.Until), today)
		}
	}
	ofLog := len(cmd.Log) > 0
	if since == (ago{}) && !ofLog {
		since = ago{hours: defaultSpan * 24}
	}
	if !ofLog || cmd.Until != "" {
		in.Until = until
	}
	switch {
	case since == ago{}:
		return nil
	case !since.time.IsZero():
		in.From = store.DayOf(since.time).Time()
	case since.fine:
		if since.hours > store.HourRetention || cmd.Until != "" || ofLog {
			return fmt.Errorf("--since: figures of hours are kept for %d hours, and belong to no --until and no --log; use days, such as %dd", store.HourRetention, since.days())
		}
		in.ByHour = true
		in.Until = in.Now.UTC().Truncate(time.Hour).Add(time.Hour)
		in.From = since.before(in.Until)
	default:
		in.From = until.AddDate(0, 0, -min(since.days(), store.CounterRetention))
	}
	if !in.From.Before(until) {
		return fmt.Errorf("--since %s is after --until %s", store.DayOf(in.From), until.AddDate(0, 0, -1).Format(time.DateOnly))
	}
	if !ofLog && store.DayOf(in.From) < today-store.CounterRetention {
		return fmt.Errorf("--since: figures are kept for %d days, since %s", store.CounterRetention, today-store.CounterRetention)
	}
	return nil
}

// defaultLifetime is the lifetime of tags, in days, of a log whose site is not known.
const defaultLifetime = 7

// readLog reads logs. The configuration is not needed.
func (cmd *reportCmd) readLog(ctx context.Context, a *app, in *report.Input) error {
	in.Lifetime = defaultLifetime
	if cmd.Config != "" {
		c, problems := cmd.load(a)
		if len(problems) > 0 {
			return problems
		}
		in.Lifetime = c.Ring.ValidDays()
	}
	var logs []io.Reader
	for _, path := range cmd.Log {
		var log io.Reader
		var done func()
		if path == stdinName {
			log, done = a.interruptibleInput(ctx)
		} else if _, err := os.Stat(path); err != nil {
			return usageError{fmt.Errorf("--log: %w", err)}
		} else {
			log, done = interruptibleFile(ctx, path)
		}
		defer done()
		logs = append(logs, gunzip.Stream(log), strings.NewReader("\n"))
	}
	return in.ReadLog(ctx, io.MultiReader(logs...), logfile.Clock{Now: a.now(), Zone: time.Local})
}

// readStore asks the running daemon, or the store.
func (cmd *reportCmd) readStore(ctx context.Context, a *app, in *report.Input) (err error) {
	c, problems := cmd.load(a)
	if c.Unread() {
		return problems
	}
	s, problems := site.Load(c, append(problems, c.NeedDomain()...))
	if len(problems) > 0 {
		return problems
	}
	in.Lifetime = c.Ring.ValidDays()
	if cmd.Domain != "" && !hasDomain(s, cmd.Domain) {
		return usageError{fmt.Errorf("--domain: %q is none of the domains of %s", cut(cmd.Domain), c.Path)}
	}
	st, err := control.Open(ctx, c, a.openStore, a.now)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, reportTimeout)
	defer cancel()
	return errors.Join(in.ReadStore(ctx, &reportSource{st, s, a.now()}), st.Close())
}

// reportTimeout bounds what a report waits for a store, which has a year of figures.
const reportTimeout = 30 * time.Second

func hasDomain(s *site.Site, name string) bool {
	for known := range s.Policy.Domains() {
		if known == name {
			return true
		}
	}
	return false
}

// reportSource is the store of a site, as a report reads it.
type reportSource struct {
	control.Store
	site *site.Site
	now  time.Time
}

// Figures implements [report.Source].
func (s *reportSource) Figures(ctx context.Context, by store.Resolution, from, until time.Time) ([]figures.Figure, error) {
	return figures.Read(ctx, s.Store, by, from, until)
}

// Notes implements [report.Source].
func (s *reportSource) Notes(ctx context.Context) ([]figures.Note, error) {
	hasher, problems := site.Hasher(s.site.Config)
	if len(problems) > 0 {
		return nil, problems
	}
	return figures.Notes(ctx, s.Store, hasher)
}

// Status implements [report.Source].
func (s *reportSource) Status(ctx context.Context) (*status.Status, error) {
	if daemon, asked := s.Store.(*control.Client); asked {
		return daemon.Status(ctx)
	}
	history, err := view.LoadHistory(s.site.Config.HistoryFile())
	if err != nil {
		history = view.History{} // the user may not be allowed to read it
	}
	return status.New(ctx, s.site.Policy, s.Store, history, s.now)
}
