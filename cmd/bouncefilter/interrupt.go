package main

import (
	"context"
	"fmt"
	"io"
	"os"
)

// interruptible returns what open opens, as a reader that ends with an error once ctx is done: a terminal, a pipe and a FIFO may keep a read
// waiting for ever, and so may opening a FIFO. close must be called; what still waits then ends with the process.
func interruptible(ctx context.Context, open func() (io.ReadCloser, error)) (r io.Reader, close func()) {
	out, in := io.Pipe()
	stop := context.AfterFunc(ctx, func() { _ = in.CloseWithError(fmt.Errorf("interrupted: %w", context.Cause(ctx))) })
	go func() {
		f, err := open()
		if err == nil {
			_, err = io.CopyBuffer(struct{ io.Writer }{in}, struct{ io.Reader }{f}, make([]byte, 256<<10))
			_ = f.Close() // it was only read
		}
		_ = in.CloseWithError(err) // which is never an error
	}()
	return out, func() {
		stop()
		_ = out.Close() // likewise
	}
}

// interruptibleInput is interruptible of the standard input, which is not closed.
func (a *app) interruptibleInput(ctx context.Context) (r io.Reader, close func()) {
	return interruptible(ctx, func() (io.ReadCloser, error) { return io.NopCloser(a.stdin), nil })
}

// interruptibleFile is interruptible of a file.
func interruptibleFile(ctx context.Context, path string) (r io.Reader, close func()) {
	return interruptible(ctx, func() (io.ReadCloser, error) { return os.Open(path) })
}
