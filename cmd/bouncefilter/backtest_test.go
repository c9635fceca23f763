package main

import (
	"bytes"
	"os"
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
