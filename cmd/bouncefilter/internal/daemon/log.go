package daemon

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"time"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/config"
)

// LogForm is how lines of the log are written.
type LogForm struct {
	Format string // config.FormatLogfmt or config.FormatJSON
	// Journal says that the journal of systemd takes the lines. Each then begins with its severity in angle brackets (sd-daemon(3)), which
	// journald removes and keeps as PRIORITY, and has no time, for journald adds one.
	Journal bool
}

// NewLogger returns a logger. It writes one line for each event, and quotes what is not plain text.
func NewLogger(w io.Writer, form LogForm, level slog.Leveler) *slog.Logger {
	if !form.Journal {
		return slog.New(newHandler(w, form.Format, level))
	}
	h := &journalHandler{}
	for i, prefix := range severities {
		h.handlers[i] = newHandler(&prefixed{w: w, prefix: prefix}, form.Format, level)
	}
	return slog.New(h)
}

func newHandler(w io.Writer, format string, level slog.Leveler) slog.Handler {
	if format == config.FormatJSON {
		return slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level, ReplaceAttr: durationsInWords})
	}
	return slog.NewTextHandler(w, &slog.HandlerOptions{Level: level})
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

// prefixed writes lines with a prefix, each in one call. One handler uses it, and those derived from that: they share a lock.
type prefixed struct {
	w      io.Writer
	prefix string
	line   []byte
}

// Write implements [io.Writer].
func (p *prefixed) Write(line []byte) (int, error) {
	p.line = append(append(p.line[:0], p.prefix...), line...)
	if _, err := p.w.Write(p.line); err != nil {
		return 0, err
	}
	return len(line), nil
}

// DroppedLines returns what makes the line of a log which says how many lines were dropped; see [logqueue.New].
func DroppedLines(form LogForm) func(n uint64) []byte {
	return func(n uint64) []byte {
		var line bytes.Buffer
		NewLogger(&line, form, slog.LevelWarn).Warn("log lines were dropped: the standard error did not take them in time", "lines", n)
		return line.Bytes()
	}
}
