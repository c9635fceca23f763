//go:build !linux

package guard

import "os"

// syncData returns once what was written to f is on disk.
func syncData(f *os.File) error { return f.Sync() }

// allocate reserves space for f, which grows to size. What is not written yet is zero.
func allocate(f *os.File, from, size int64) error { return fill(f, from, size) }
