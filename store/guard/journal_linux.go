package guard

import (
	"errors"
	"os"
	"syscall"
)

// syncData returns once what was written to f is on disk.
func syncData(f *os.File) error {
	for {
		if err := syscall.Fdatasync(int(f.Fd())); !errors.Is(err, syscall.EINTR) {
			return os.NewSyscallError("fdatasync", err)
		}
	}
}

// allocate reserves space for f, which grows to size. What is not written yet is zero.
func allocate(f *os.File, from, size int64) error {
	for {
		err := syscall.Fallocate(int(f.Fd()), 0, from, size-from)
		switch {
		case errors.Is(err, syscall.EINTR):
		case errors.Is(err, syscall.EOPNOTSUPP), errors.Is(err, syscall.ENOSYS):
			return fill(f, from, size)
		default:
			return os.NewSyscallError("fallocate", err)
		}
	}
}
