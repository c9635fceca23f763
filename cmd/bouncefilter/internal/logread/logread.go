// Package logread reads the verdicts in a log of the daemon: [Read] calls a function with each of them, in the order of the log. It takes
// what the daemon writes, logfmt and JSON, in each form of a log that package logfile reads. Lines of other programs are skipped, and
// nothing is kept of a line.
//
// Logfmt is read here and not with go-logfmt, since log/slog quotes values as Go does (strconv.Quote), with escapes such as \x00 that
// go-logfmt, which unquotes as JSON does, takes for an error. Outsiders choose what is quoted.
package logread

import (
	"fmt"
	"io"
	"time"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/logfile"
	"github.com/bouncefilter/bouncefilter/filter/figures"
)

// Stats say what a log had.
type Stats struct {
	Lines      int64     `json:"lines"`          // lines, or entries of a journal
	Verdicts   int64     `json:"verdicts"`       // that were read
	Tests      int64     `json:"tests"`          // verdicts about mail of check --live and try, which are left out
	Others     int64     `json:"others"`         // lines of other programs, and of bouncefilter about something else
	Unreadable int64     `json:"unreadable"`     // lines of bouncefilter that cannot be read: cut off, without a time, or of a time to come
	First      time.Time `json:"first,omitzero"` // of the verdicts
	Last       time.Time `json:"last,omitzero"`
}

// Read calls verdict with each verdict. The observation is valid during the call.
func Read(in io.Reader, clock logfile.Clock, verdict func(*figures.Observation)) (Stats, error) {
	r := &reader{limit: clock.Limit(), verdict: verdict}
	err := logfile.Read(in, clock, func(l logfile.Line) bool {
		r.line(l)
		return true
	})
	if err != nil {
		err = fmt.Errorf("read the log: %w", err)
	}
	return r.stats, err
}

type reader struct {
	limit   time.Time // of verdicts: a wrong clock has written later ones
	verdict func(*figures.Observation)
	stats   Stats
}

func (r *reader) line(l logfile.Line) {
	r.stats.Lines++
	switch a, what := parse(l.Text); {
	case l.Cut || what == broken:
		r.stats.Unreadable++
	case what == other:
		r.stats.Others++
	default:
		r.attributes(a, l.Time)
	}
}

// attributes reads the attributes of a line of the daemon.
func (r *reader) attributes(a attrs, at time.Time) {
	if !a.isVerdict() {
		r.stats.Others++
		return
	}
	if text, has := a["time"]; has {
		at, _ = time.Parse(time.RFC3339, text) // the zero time is unreadable
	}
	o, err := a.observation(at)
	switch {
	case a["test"] == "true":
		r.stats.Tests++
	case err != nil, at.After(r.limit):
		r.stats.Unreadable++
	default:
		r.stats.Verdicts++
		if r.stats.First.IsZero() || at.Before(r.stats.First) {
			r.stats.First = at.UTC()
		}
		if at.After(r.stats.Last) {
			r.stats.Last = at.UTC()
		}
		r.verdict(o)
	}
}
