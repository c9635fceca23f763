// Package logline writes the lines of a log: [New] makes a logger, [Dropped] the line which says that lines are missing. A line is logfmt
// or JSON, and for the journal of systemd it begins with its severity.
package logline

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"strconv"
	"time"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/config"
)

// Form is how lines are written.
type Form struct {
	Format string // config.FormatLogfmt or config.FormatJSON
	// Journal says that the journal of systemd takes the lines. Each then begins with its severity in angle brackets (sd-daemon(3)), which
	// journald removes and keeps as PRIORITY, and has no time, for journald adds one.
	Journal bool
}

// New returns a logger. It writes one line for each event in one call of w, and quotes what is not plain text.
func New(w io.Writer, form Form, o slog.HandlerOptions) *slog.Logger {
	if !form.Journal {
		return slog.New(newHandler(w, form.Format, "", o))
	}
	h := &journalHandler{}
	for i, prefix := range severities {
		h.handlers[i] = newHandler(w, form.Format, prefix, o)
	}
	return slog.New(h)
}

func newHandler(w io.Writer, format, prefix string, o slog.HandlerOptions) slog.Handler {
	if format == config.FormatJSON {
		o.ReplaceAttr = durationsInWords
		return slog.NewJSONHandler(&writer{w: w, prefix: prefix}, &o)
	}
	return slog.NewTextHandler(&writer{w: w, prefix: prefix, logfmt: true}, &o)
}

// durationsInWords writes a duration in JSON as logfmt has it, 1.5ms, and not as a number of nanoseconds.
func durationsInWords(_ []string, a slog.Attr) slog.Attr {
	if a.Value.Kind() == slog.KindDuration {
		a.Value = slog.StringValue(a.Value.Duration().String())
	}
	return a
}

// ErrorPrefix begins a line about an error that the journal takes.
const ErrorPrefix = "<3>"

// severities are the prefixes of debug, info, warning and error.
var severities = [...]string{"<7>", "<6>", "<4>", ErrorPrefix}

// severity returns the index of the prefix of a level.
func severity(l slog.Level) int {
	switch {
	case l >= slog.LevelError:
		return 3
	case l >= slog.LevelWarn:
		return 2
	case l >= slog.LevelInfo:
		return 1
	}
	return 0
}

// journalHandler writes lines as the journal wants them. It has a handler for each severity, which differ in the prefix of their lines.
type journalHandler struct{ handlers [len(severities)]slog.Handler }

// Enabled implements [slog.Handler].
func (h *journalHandler) Enabled(ctx context.Context, l slog.Level) bool {
	return h.handlers[severity(l)].Enabled(ctx, l)
}

// Handle implements [slog.Handler].
func (h *journalHandler) Handle(ctx context.Context, r slog.Record) error {
	r.Time = time.Time{} // which leaves it out
	return h.handlers[severity(r.Level)].Handle(ctx, r)
}

// WithAttrs implements [slog.Handler].
func (h *journalHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return h.each(func(of slog.Handler) slog.Handler { return of.WithAttrs(attrs) })
}

// WithGroup implements [slog.Handler].
func (h *journalHandler) WithGroup(name string) slog.Handler {
	return h.each(func(of slog.Handler) slog.Handler { return of.WithGroup(name) })
}

func (h *journalHandler) each(f func(slog.Handler) slog.Handler) *journalHandler {
	changed := &journalHandler{}
	for i, of := range h.handlers {
		changed.handlers[i] = f(of)
	}
	return changed
}

// writer completes the lines of one handler, and of those derived from it: they share a lock.
type writer struct {
	w      io.Writer
	prefix string
	logfmt bool
	line   []byte
}

// Write implements [io.Writer].
func (w *writer) Write(line []byte) (int, error) {
	w.line = append(w.line[:0], w.prefix...)
	if w.logfmt {
		w.line = appendQuoted(w.line, line)
	} else {
		w.line = append(w.line, line...)
	}
	if _, err := w.w.Write(w.line); err != nil {
		return 0, err
	}
	return len(line), nil
}

// appendQuoted appends a line of logfmt, with all addresses in quotes. Package slog quotes what it must: an address with a tag, which has an
// equals sign, and no other, so that a search for an address would have to know whether it has a tag.
func appendQuoted(to, line []byte) []byte {
	for {
		equals := bytes.IndexByte(line, '=')
		if equals < 0 {
			return append(to, line...)
		}
		to, line = append(to, line[:equals+1]...), line[equals+1:]
		n := valueLen(line)
		switch value := line[:n]; {
		case n == 0 || value[0] != '<':
			to = append(to, value...)
		case bytes.IndexByte(value, '\\') < 0: // of what needs an escape, slog quotes all but a backslash
			to = append(append(append(to, '"'), value...), '"')
		default:
			to = strconv.AppendQuote(to, string(value))
		}
		line = line[n:]
	}
}

// valueLen returns the length of the value, quoted or not, with which text begins.
func valueLen(text []byte) int {
	if len(text) == 0 || text[0] != '"' {
		for i, c := range text {
			if c == ' ' || c == '\n' {
				return i
			}
		}
		return len(text)
	}
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(text)
}

// Dropped returns what makes the line of a log which says how many lines were dropped; see package logqueue.
func Dropped(form Form) func(n uint64) []byte {
	return func(n uint64) []byte {
		var line bytes.Buffer
		New(&line, form, slog.HandlerOptions{}).Warn("log lines were dropped: the standard error did not take them in time", "lines", n)
		return line.Bytes()
	}
}
