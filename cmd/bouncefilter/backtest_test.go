package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/backtest"
)

// The line of progress is written again at most so often, and removed at the end.
func TestProgressLine(t *testing.T) {
	var b bytes.Buffer
	at := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	p := progressLine{w: &b, now: func() time.Time { return at }}
	p.clear()
	for i := range 100 {
		p.show(backtest.Progress{Messages: i, Lines: 7})
		at = at.Add(progressInterval / 10)
	}
	p.show(backtest.Progress{Judging: true, Messages: 3, Of: 9})
	p.clear()
	text := b.String()
	if n := strings.Count(text, "\r\x1b[Kreading: "); n != 10 {
		t.Errorf("%d times: %q", n, text)
	}
	if !strings.HasPrefix(text, "\r\x1b[Kreading: 0 messages, 7 lines of logs\r") || !strings.HasSuffix(text, "judging: 3 of 9 messages that may be bounces\r\x1b[K") || strings.Contains(text, "\n") {
		t.Errorf("%q", text)
	}
}

// Progress is for terminals alone.
func TestIsTerminal(t *testing.T) {
	pipe, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer pipe.Close()
	defer w.Close()
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	if isTerminal(w) || isTerminal(null) || isTerminal(&bytes.Buffer{}) {
		t.Error("a pipe, the null device or a buffer is a terminal")
	}
	terminal, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skipf("no terminal can be made here: %v", err)
	}
	defer terminal.Close()
	if !isTerminal(terminal) {
		t.Error("a terminal is none")
	}
}

// The commands in the documents run.
func TestBacktestCommandsOfTheDocuments(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"Sent":     "From - Mon Nov 23 10:00:00 2026\nFrom: user@example.com\nMessage-ID: <m1@example.com>\nDate: Mon, 23 Nov 2026 10:00:00 +0000\n\nHello\n",
		"mail.log": "Nov 23 10:00:00 mx postfix/qmgr[1]: 4AAAAA1: from=<user@example.com>, size=1, nrcpt=1 (queue active)\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	commands := regexp.MustCompile(`(?m)^.*bouncefilter backtest (--domain .*)$`)
	found := 0
	for _, path := range []string{"../../README.md", "../../deploy/manual.md"} {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range commands.FindAllStringSubmatch(string(text), -1) {
			found++
			args := strings.Fields(strings.NewReplacer("/var/vmail", dir, "/var/log/mail.log*", filepath.Join(dir, "mail.log")).Replace(m[1]))
			var stdout, stderr bytes.Buffer
			if status := run(t.Context(), append([]string{"backtest"}, args...), strings.NewReader(""), &stdout, &stderr); status != exitYes || !strings.Contains(stdout.String(), "Domains  example.com\n") {
				t.Errorf("%s: %q: %d\n%s%s", path, m[0], status, &stdout, &stderr)
			}
		}
	}
	if found != 2 {
		t.Errorf("%d commands", found)
	}
}
