package daemon

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/config"
)

func TestLinesForTheJournal(t *testing.T) {
	for _, c := range []struct {
		form LogForm
		want []string // the beginnings of lines of each level
	}{
		{LogForm{config.FormatLogfmt, true}, []string{`<7>level=DEBUG msg=`, `<6>level=INFO msg=`, `<4>level=WARN msg=`, `<3>level=ERROR msg=`}},
		{LogForm{config.FormatJSON, true}, []string{`<7>{"level":"DEBUG","msg":`, `<6>{"level":"INFO","msg":`, `<4>{"level":"WARN","msg":`, `<3>{"level":"ERROR","msg":`}},
		{LogForm{config.FormatLogfmt, false}, []string{`time=20`, `time=20`, `time=20`, `time=20`}},
		{LogForm{config.FormatJSON, false}, []string{`{"time":"20`, `{"time":"20`, `{"time":"20`, `{"time":"20`}},
	} {
		var b bytes.Buffer
		log := NewLogger(&b, c.form, slog.LevelDebug)
		for _, l := range []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError} {
			log.With("domain", "example.com").Log(context.Background(), l, "a line\n<0>and no other", "duration", time.Millisecond, "time", "kept")
		}
		lines := strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
		if len(lines) != len(c.want) {
			t.Fatalf("%+v: %d lines:\n%s", c.form, len(lines), &b)
		}
		for i, line := range lines {
			if !strings.HasPrefix(line, c.want[i]) || !strings.Contains(line, "example.com") || !strings.Contains(line, "1ms") || !strings.Contains(line, "kept") {
				t.Errorf("%+v: %s", c.form, line)
			}
		}
		b.Reset()
		NewLogger(&b, c.form, slog.LevelWarn).Info("not written")
		b.Write(DroppedLines(c.form)(7))
		if s := b.String(); !strings.HasPrefix(s, c.want[2]) || strings.Count(s, "\n") != 1 || !strings.Contains(s, "lines") || !strings.Contains(s, "7") {
			t.Errorf("%+v: the line about dropped ones: %q", c.form, s)
		}
	}
}
