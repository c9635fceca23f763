package events

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
)

// fileSink appends events to a file. Before each batch it looks whether the file at the path is still the one that is open: a program
// that rotates logs may rename it, and need not tell the daemon.
type fileSink struct {
	path string
	file *os.File // nil before the first batch, and after a failure
}

// fileMode admits the group, so that another service can read the file. The umask may say less (UMask= in the systemd unit).
const fileMode = 0o640

func (f *fileSink) batch() int { return 1000 }

func (f *fileSink) deliver(_ context.Context, lines [][]byte) (int, error) {
	if err := f.open(); err != nil {
		return 0, err
	}
	before, err := f.file.Stat()
	if err != nil {
		return 0, errors.Join(fmt.Errorf("write events: %w", err), f.close())
	}
	_, err = f.file.Write(bytes.Join(lines, nil))
	if err == nil {
		err = f.file.Sync()
	}
	if err != nil {
		// No reader gets half of a line, and none gets one twice, unless the file cannot be cut either.
		return 0, errors.Join(fmt.Errorf("write events: %w", err), f.file.Truncate(before.Size()), f.close())
	}
	return len(lines), nil
}

// open opens the file at the path, unless it is open already.
func (f *fileSink) open() error {
	at, err := os.Stat(f.path)
	if err == nil && !at.Mode().IsRegular() {
		return fmt.Errorf("write events: %s is no file", f.path) // opening a FIFO would wait
	}
	if f.file != nil {
		if open, openErr := f.file.Stat(); err == nil && openErr == nil && os.SameFile(at, open) {
			return nil
		}
		if err := f.close(); err != nil {
			return err
		}
	}
	file, err := os.OpenFile(f.path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, fileMode)
	if err != nil {
		return fmt.Errorf("write events: %w", err)
	}
	f.file = file
	return nil
}

func (f *fileSink) close() error {
	if f.file == nil {
		return nil
	}
	err := f.file.Close()
	f.file = nil
	if err != nil {
		return fmt.Errorf("close the file of events: %w", err)
	}
	return nil
}
