package daemon

import (
	"bytes"
	"io"
	"log/slog"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/config"
)

// NewLogger returns a logger in one of the two formats. Both write one line for each event and quote what is not plain
// text.
func NewLogger(w io.Writer, format string, level slog.Leveler) *slog.Logger {
	if format == config.FormatJSON {
		return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level, ReplaceAttr: durationsInWords}))
	}
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: level}))
}

// durationsInWords writes a duration in JSON as logfmt has it, 1.5ms, and not as a number of nanoseconds.
func durationsInWords(_ []string, a slog.Attr) slog.Attr {
	if a.Value.Kind() == slog.KindDuration {
		a.Value = slog.StringValue(a.Value.Duration().String())
	}
	return a
}

// DroppedLines returns what makes the line of a log in a format that says how many lines were dropped; see [logqueue.New].
func DroppedLines(format string) func(n uint64) []byte {
	return func(n uint64) []byte {
		var line bytes.Buffer
		NewLogger(&line, format, slog.LevelWarn).Warn("log lines were dropped: the standard error did not take them in time", "lines", n)
		return line.Bytes()
	}
}
