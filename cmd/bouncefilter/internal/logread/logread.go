// Package logread reads the verdicts in a log of the daemon: [Read] calls a function with each of them, in the order of the log. It takes
// what the daemon writes, logfmt and JSON; the same with what syslog or a container puts in front of each line; and what journalctl
// writes with -o export, json, short and its variants. Lines of other programs are skipped. It streams: a line has a bounded length, and
// nothing is kept of it.
//
// Logfmt is read here and not with go-logfmt, since log/slog quotes values as Go does (strconv.Quote), with escapes such as \x00 that
// go-logfmt, which unquotes as JSON does, takes for an error. Outsiders choose what is quoted.
package logread

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/bouncefilter/bouncefilter/filter/figures"
)

// maxLine is how long a line or a field of the journal is at most, in octets: ten times as long as the longest verdict. The rest of a
// longer one is skipped, and it counts as unreadable.
const maxLine = 256 << 10

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

// Clock says what a time without a year or a zone means.
type Clock struct {
	Now  time.Time      // a time without a year is the last such time before the day after; a later one was written by a wrong clock
	Zone *time.Location // of times without one
}

// Read calls verdict with each verdict. The observation is valid during the call.
func Read(in io.Reader, clock Clock, verdict func(*figures.Observation)) (Stats, error) {
	r := &reader{in: bufio.NewReaderSize(in, maxLine), clock: clock, verdict: verdict}
	for {
		line, whole, err := r.line()
		if err == io.EOF {
			return r.stats, nil
		}
		if err != nil {
			return r.stats, fmt.Errorf("read the log: %w", err)
		}
		switch {
		case isExport(line):
			if err := r.export(line, whole); err != nil {
				return r.stats, fmt.Errorf("read the log: %w", err)
			}
		case len(bytes.TrimSpace(line)) == 0:
		case !whole:
			r.stats.Lines++
			r.stats.Unreadable++
		default:
			r.stats.Lines++
			r.text(string(line), time.Time{})
		}
	}
}

type reader struct {
	in      *bufio.Reader
	clock   Clock
	verdict func(*figures.Observation)
	stats   Stats
}

// line returns the next line without its end. If it is not whole, its rest was skipped.
func (r *reader) line() (line []byte, whole bool, err error) {
	line, err = r.in.ReadSlice('\n')
	whole = true
	if errors.Is(err, bufio.ErrBufferFull) {
		line, whole = bytes.Clone(line), false
		for errors.Is(err, bufio.ErrBufferFull) {
			_, err = r.in.ReadSlice('\n')
		}
	}
	if err == io.EOF && len(line) > 0 {
		err = nil
	}
	if err != nil {
		return nil, false, err
	}
	return bytes.TrimRight(line, "\r\n"), whole, nil
}

// text reads a line, or the message of a journal, with the time that is known of it from elsewhere: the zero time for none.
func (r *reader) text(line string, at time.Time) {
	prefixed, rest := r.clock.prefix(line)
	if at.IsZero() {
		at = prefixed
	}
	switch a, what := parse(rest); what {
	case journalEntry:
		r.text(a["MESSAGE"], a.realtime())
	case attributes:
		r.attributes(a, at)
	case broken:
		r.stats.Unreadable++
	default:
		r.stats.Others++
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
	case err != nil, at.After(r.clock.limit()):
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
