package main

import (
	"context"
	"io"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Ctrl-C ends commands that wait for the standard input or for a FIFO, of which nothing comes.
func TestInterruptedWhileNothingComes(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "log")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Skip(err)
	}
	for _, args := range []string{"report --log -", "report --log " + fifo, "backtest --domain example.com -"} {
		silent, end := io.Pipe()
		ctx, cancel := context.WithCancel(t.Context())
		var stdout, stderr lockedBuffer
		a := newWorld(t).app(&stdout, &stderr)
		a.stdin = silent
		done := make(chan int, 1)
		go func() { done <- a.run(ctx, strings.Fields(args)) }()
		time.AfterFunc(50*time.Millisecond, cancel)
		select {
		case status := <-done:
			if status != 1 {
				t.Errorf("%s: status %d, %s", args, status, stderr.String())
			}
		case <-time.After(time.Minute):
			t.Fatalf("%s: is not interrupted", args)
		}
		_ = end.Close()
	}
	if f, err := syscall.Open(fifo, syscall.O_WRONLY|syscall.O_NONBLOCK, 0); err == nil { // which lets the reader end
		_ = syscall.Close(f)
	}
}
