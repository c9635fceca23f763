package logline

import (
	"bytes"
	"context"
	"log/slog"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/config"
)

func TestLinesForTheJournal(t *testing.T) {
	for _, c := range []struct {
		form Form
		want []string // the beginnings of lines of each level
	}{
		{Form{config.FormatLogfmt, true}, []string{`<7>level=DEBUG msg=`, `<6>level=INFO msg=`, `<4>level=WARN msg=`, `<3>level=ERROR msg=`}},
		{Form{config.FormatJSON, true}, []string{`<7>{"level":"DEBUG","msg":`, `<6>{"level":"INFO","msg":`, `<4>{"level":"WARN","msg":`, `<3>{"level":"ERROR","msg":`}},
		{Form{config.FormatLogfmt, false}, []string{`time=20`, `time=20`, `time=20`, `time=20`}},
		{Form{config.FormatJSON, false}, []string{`{"time":"20`, `{"time":"20`, `{"time":"20`, `{"time":"20`}},
	} {
		var b bytes.Buffer
		log := New(&b, c.form, slog.HandlerOptions{Level: slog.LevelDebug})
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
		New(&b, c.form, slog.HandlerOptions{Level: slog.LevelWarn}).Info("not written")
		b.Write(Dropped(c.form)(7))
		if s := b.String(); !strings.HasPrefix(s, c.want[2]) || strings.Count(s, "\n") != 1 || !strings.Contains(s, "lines") || !strings.Contains(s, "7") {
			t.Errorf("%+v: the line about dropped ones: %q", c.form, s)
		}
	}
}

// Addresses are quoted whether they need it or not, and what is quoted is read as what it was.
func TestAddressesAreQuotedAlike(t *testing.T) {
	var b bytes.Buffer
	log := New(&b, Form{Format: config.FormatLogfmt, Journal: true}, slog.HandlerOptions{})
	for _, address := range []string{
		"<>", "<user@example.com>", "<prvs=178773a1ad=user@example.com>", `<"a\" x=<b>"@example.com>`, `<a\b@example.com>`, "<\u00fcser@ex\u00e4mple.com>", "<a\nb>", "<\xff>",
	} {
		b.Reset()
		log.Info("a=<b> c", "sender", address, "count", 3, "empty", "", "remedy", "say x=<y>", "last", address)
		quoted := strconv.Quote(address)
		if want := `<6>level=INFO msg="a=<b> c" sender=` + quoted + ` count=3 empty="" remedy="say x=<y>" last=` + quoted + "\n"; b.String() != want {
			t.Errorf("got  %swant %s", b.String(), want)
		}
	}
}

// Whatever is in a line: what is quoted anew is read as before.
func FuzzQuoted(f *testing.F) {
	f.Add("sender", "<user@example.com>")
	f.Add("x=<y>", `say "x=<y>" \`)
	f.Fuzz(func(t *testing.T, first, second string) {
		if !utf8.ValidString(first) || !utf8.ValidString(second) {
			t.Skip("package slog replaces it")
		}
		var line bytes.Buffer
		slog.New(slog.NewTextHandler(&line, nil)).Info("x", "k", first, "l", second)
		quoted := appendQuoted(nil, line.Bytes())
		rest := quoted[bytes.Index(quoted, []byte(" k="))+len(" k="):]
		for _, want := range []string{first, second} {
			n := valueLen(rest)
			got := string(rest[:n])
			if strings.HasPrefix(got, `"`) {
				var err error
				if got, err = strconv.Unquote(got); err != nil {
					t.Fatalf("%s: %v", quoted, err)
				}
			} else if strings.HasPrefix(got, "<") {
				t.Fatalf("not quoted: %s", quoted)
			}
			if got != want {
				t.Fatalf("%q is read as %q from %s", want, got, quoted)
			}
			rest = bytes.TrimPrefix(rest[n:], []byte(" l="))
		}
		if string(rest) != "\n" {
			t.Fatalf("%q is left of %s", rest, quoted)
		}
	})
}
