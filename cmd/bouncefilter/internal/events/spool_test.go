package events

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// testSpool opens a spool that is closed after the test.
func testSpool(t testing.TB, path string, most int) *spool {
	t.Helper()
	s, err := openSpool(path, most)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.close() }) // some are closed already
	return s
}

func numbered(from, to int) (lines [][]byte) {
	for i := from; i < to; i++ {
		lines = append(lines, fmt.Appendf(nil, `{"id":"evt_%d"}`+"\n", i))
	}
	return lines
}

func mustAdd(t testing.TB, s *spool, lines [][]byte) {
	t.Helper()
	if n, err := s.add(lines); n != len(lines) || err != nil {
		t.Fatalf("%d of %d added, %v", n, len(lines), err)
	}
}

// drain takes all that waits, some at a time.
func drain(t testing.TB, s *spool, some int) string {
	t.Helper()
	var all []byte
	for {
		lines, err := s.next(some)
		if err != nil {
			t.Fatal(err)
		}
		if len(lines) == 0 {
			break
		}
		all = append(all, bytes.Join(lines, nil)...)
		if err := s.done(lines); err != nil {
			t.Fatal(err)
		}
	}
	if n := s.length(); n != 0 {
		t.Errorf("%d wait in an empty spool", n)
	}
	return string(all)
}

func text(lines [][]byte) string { return string(bytes.Join(lines, nil)) }

// What waits is there after a restart, in its order, and what was taken is not.
func TestSpoolOutlivesTheProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	s := testSpool(t, path, 100)
	mustAdd(t, s, numbered(0, 10))
	first, err := s.next(4)
	if err != nil || text(first) != text(numbered(0, 4)) {
		t.Fatalf("%q, %v", first, err)
	}
	if err := s.done(first[:3]); err != nil {
		t.Fatal(err)
	}
	// The process is killed: the file is not closed.
	again := testSpool(t, path, 100)
	if again.length() != 7 {
		t.Errorf("%d wait", again.length())
	}
	mustAdd(t, again, numbered(10, 12))
	if got, want := drain(t, again, 5), text(numbered(3, 12)); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if info, err := os.Stat(path); err != nil || info.Size() != spoolHeader || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
}

// Wherever the process is killed, a spool opens, has each whole event, and takes more.
func TestSpoolOpensAfterAKill(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	s := testSpool(t, path, 100)
	mustAdd(t, s, numbered(0, 3))
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for size := range len(whole) + 1 {
		if err := os.WriteFile(path, whole[:size], 0o600); err != nil {
			t.Fatal(err)
		}
		again := testSpool(t, path, 100)
		events := 0
		if size > int(spoolHeader) {
			events = bytes.Count(whole[spoolHeader:size], []byte("\n"))
		}
		mustAdd(t, again, numbered(9, 10))
		if got, want := drain(t, again, 2), text(numbered(0, events))+text(numbered(9, 10)); got != want {
			t.Errorf("cut to %d octets: got %q, want %q", size, got, want)
		}
	}
	// Killed when it was emptied: the offset is behind the end.
	if err := os.WriteFile(path, header(5000), 0o600); err != nil {
		t.Fatal(err)
	}
	again := testSpool(t, path, 100)
	mustAdd(t, again, numbered(9, 10))
	if got := drain(t, again, 2); got != text(numbered(9, 10)) {
		t.Errorf("got %q", got)
	}
	if err := os.WriteFile(path, []byte("# my notes, which are not to be overwritten\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := openSpool(path, 1); err == nil || !strings.Contains(err.Error(), "no spool") {
		t.Errorf("another file: %v", err)
	}
}

// The limit of what waits: at it, and one past it.
func TestSpoolIsBounded(t *testing.T) {
	s := testSpool(t, filepath.Join(t.TempDir(), "s"), 5)
	mustAdd(t, s, numbered(0, 5))
	if n, err := s.add(numbered(5, 6)); n != 0 || err != nil {
		t.Errorf("one past the limit: %d, %v", n, err)
	}
	lines, err := s.next(2)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.done(lines); err != nil {
		t.Fatal(err)
	}
	if n, err := s.add(numbered(6, 9)); n != 2 || err != nil {
		t.Errorf("room for two: %d, %v", n, err)
	}
	if got, want := drain(t, s, 9), text(numbered(2, 5))+text(numbered(6, 8)); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// A spool that is never empty does not grow for that.
func TestSpoolGivesSpaceBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	s := testSpool(t, path, 1000)
	long := [][]byte{[]byte(strings.Repeat("x", 64<<10-1) + "\n")}
	mustAdd(t, s, long)
	for range 100 {
		mustAdd(t, s, long)
		lines, err := s.next(1)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.done(lines); err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(path); err != nil || info.Size() > spoolHeader+2*spoolSlack {
			t.Fatalf("%d octets, %v", info.Size(), err)
		}
	}
	again := testSpool(t, path, 1000)
	if got := drain(t, again, 9); got != string(long[0]) {
		t.Errorf("%d octets wait", len(got))
	}
	left, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(left) != 1 {
		t.Errorf("files: %v, %v", left, err)
	}
}

// Whatever is in the file: it does not open, or it takes an event and ends with that.
func FuzzSpool(f *testing.F) {
	f.Add([]byte{})
	f.Add(append(header(spoolHeader), "{}\n{}\n{"...))
	f.Add(append(header(spoolHeader+3), "{}\n{}\n"...))
	f.Add(append(header(7), "\n\n"...))
	f.Add([]byte("bouncefilter-events 1 -0000000000000000001\nx"))
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(t.TempDir(), "s")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := openSpool(path, 1<<20)
		if err != nil {
			return
		}
		mustAdd(t, s, numbered(1, 2))
		if err := s.close(); err != nil {
			t.Fatal(err)
		}
		if got := drain(t, testSpool(t, path, 1<<20), 3); !strings.HasSuffix(got, text(numbered(1, 2))) || len(got) > len(data)+len(numbered(1, 2)[0]) {
			t.Errorf("got %q of %q", got, data)
		}
	})
}

// A disk that has no room for a shorter file keeps no event from its sink.
func TestSpoolThatCannotBeMadeShorter(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	s := testSpool(t, filepath.Join(dir, "events.spool"), 200_000)
	lines := numbered(0, 200_000)
	mustAdd(t, s, lines)
	if s.tail < spoolHeader+2*spoolSlack {
		t.Fatalf("%d octets are too few", s.tail)
	}
	if err := os.RemoveAll(dir); err != nil { // where no file can be made then
		t.Fatal(err)
	}
	if got := drain(t, s, 1000); got != text(lines) {
		t.Errorf("%d octets of %d", len(got), len(text(lines)))
	}
}
