package events

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func fileText(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// A file that is renamed, removed or cut is no reason to stop, and the daemon need not be told.
func TestAFileIsRotated(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events.jsonl")
	f := &fileSink{path: path}
	defer f.close()
	deliver := func(from, to int) {
		t.Helper()
		if n, err := f.deliver(t.Context(), numbered(from, to)); n != to-from || err != nil {
			t.Fatalf("%d, %v", n, err)
		}
	}
	deliver(0, 2)
	if info, err := os.Stat(path); err != nil || info.Mode().Perm()&^0o640 != 0 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	deliver(2, 3)
	if got := fileText(t, path+".1"); got != text(numbered(0, 2)) {
		t.Errorf("the former file: %q", got)
	}
	if got := fileText(t, path); got != text(numbered(2, 3)) {
		t.Errorf("the next file: %q", got)
	}
	if err := os.Truncate(path, 0); err != nil { // copytruncate
		t.Fatal(err)
	}
	deliver(3, 4)
	if got := fileText(t, path); got != text(numbered(3, 4)) {
		t.Errorf("after it was cut: %q", got)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	deliver(4, 5)
	if got := fileText(t, path); got != text(numbered(4, 5)) {
		t.Errorf("after it was removed: %q", got)
	}
	// Another file in the way, one that would let the daemon wait.
	if err := errors.Join(os.Remove(path), syscall.Mkfifo(path, 0o600)); err != nil {
		t.Fatal(err)
	}
	if n, err := f.deliver(t.Context(), numbered(5, 6)); n != 0 || err == nil || !strings.Contains(err.Error(), "is no file") {
		t.Errorf("a FIFO: %d, %v", n, err)
	}
}

// smallDisk returns a folder on a file system of 64 KiB.
func smallDisk(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=64k"); err != nil {
		if os.Getenv("BOUNCEFILTER_REQUIRE_SERVERS") != "" {
			t.Fatal("cannot mount a small file system: ", err)
		}
		t.Skip("cannot mount a small file system: ", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// fill leaves no room on a small disk, and returns how to give it back.
func fill(t *testing.T, dir string) func() {
	t.Helper()
	path := filepath.Join(dir, "other")
	if err := os.WriteFile(path, bytes.Repeat([]byte("x"), 1<<20), 0o600); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("the disk is not full: %v", err)
	}
	return func() {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
}

// On a full disk no reader finds half of a line, and each event is written once when there is room.
func TestAFileOnAFullDisk(t *testing.T) {
	dir := smallDisk(t)
	f := &fileSink{path: filepath.Join(dir, "events.jsonl")}
	defer f.close()
	if _, err := f.deliver(t.Context(), numbered(0, 10)); err != nil {
		t.Fatal(err)
	}
	free := fill(t, dir)
	many := numbered(10, 1000) // more than a page, so that a part of it is written
	if n, err := f.deliver(t.Context(), many); n != 0 || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("%d, %v", n, err)
	}
	if got := fileText(t, f.path); got != text(numbered(0, 10)) {
		t.Errorf("on the full disk: ...%q", got[max(0, len(got)-60):])
	}
	free()
	if n, err := f.deliver(t.Context(), many); n != len(many) || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if got := fileText(t, f.path); got != text(numbered(0, 1000)) {
		t.Errorf("with room again: %d octets", len(got))
	}
}

// Likewise for a spool.
func TestASpoolOnAFullDisk(t *testing.T) {
	dir := smallDisk(t)
	path := filepath.Join(dir, "s")
	s := testSpool(t, path, 10_000)
	defer s.close() // before the disk is gone
	mustAdd(t, s, numbered(0, 10))
	free := fill(t, dir)
	many := numbered(10, 1000)
	if n, err := s.add(many); n != 0 || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("%d, %v", n, err)
	}
	again := testSpool(t, path, 10_000)
	if again.length() != 10 {
		t.Errorf("%d wait after a kill on the full disk", again.length())
	}
	if err := again.close(); err != nil {
		t.Fatal(err)
	}
	free()
	mustAdd(t, s, many)
	if got := drain(t, s, 100); got != text(numbered(0, 1000)) {
		t.Errorf("with room again: %d octets", len(got))
	}
}
