package bolt

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"
	"testing"
)

func TestOffsetsThatNoFileHas(t *testing.T) {
	write := func(err error) error {
		return fmt.Errorf("grow: %w", &fs.PathError{Op: "write", Path: "state.db", Err: err})
	}
	for _, tt := range []struct {
		name string
		err  error
		want bool
	}{
		{"bbolt notices", write(errors.New("negative offset")), true},
		{"beyond the largest file", write(syscall.EFBIG), !sizeIsLimited()},
		{"the disk is full", write(syscall.ENOSPC), false},
		{"the disk fails", write(syscall.EIO), false},
		{"not of a file", errors.New("database not open"), false},
	} {
		if got := isNonsense(tt.err); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}
