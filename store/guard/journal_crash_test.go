package guard_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/bouncefilter/bouncefilter/store"
	"github.com/bouncefilter/bouncefilter/store/guard"
)

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// A process that is killed at any time leaves all that it had acknowledged to the next one.
func TestJournalSurvivesACrash(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFlaky()
		s.fail(errDown, "")
		path := journalPath(t)
		g, _ := newJournalGuard(t, s, path, 0)
		defer g.Close()
		var sent []store.Record
		for i := range 30 {
			message := []store.Record{counted(i), {Key: store.Key{byte(i), 1}, Expires: today() + 30}}
			mustRecord(t, g, []string{"example.com", "example.net", ""}[i%3], message...)
			sent = append(sent, message[0])

			crashed := journalPath(t)
			copyFile(t, path, crashed)
			next := newFlaky()
			g, l := newJournalGuard(t, next, crashed, 0)
			if !g.Available() || g.Gap() || len(next.incomplete()) > 0 || g.Journal().Entries != 0 {
				t.Errorf("after %d: available %t, gap %t, marked incomplete %v, %+v\n%s", i, g.Available(), g.Gap(), next.incomplete(), g.Journal(), &l.buf)
			}
			for j, c := range counts(t, g.Store(), sent...) {
				if c != 1 {
					t.Errorf("after %d: record %d counted %d", i, j, c)
				}
			}
			if err := g.Close(); err != nil {
				t.Error(err)
			}
		}
	})
}

// outageJournal returns a journal with n messages, its contents, and where each of them ends in it.
func outageJournal(t *testing.T, n int) (path string, whole []byte, ends []int64) {
	t.Helper()
	s := newFlaky()
	s.fail(errDown, "")
	path = journalPath(t)
	g, _ := newJournalGuard(t, s, path, 0)
	ends = append(ends, 4096)
	for i := range n {
		mustRecord(t, g, "example.com", counted(i), counted(i+100))
		ends = append(ends, 4096+g.Journal().Octets)
	}
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return path, whole, ends
}

// reopened opens a journal with these contents, with a store that answers, and returns what this counts of n messages.
func reopened(t *testing.T, dir string, contents []byte, n int) (found []uint32, gap bool) {
	t.Helper()
	path := filepath.Join(dir, "store.journal")
	if err := os.WriteFile(path, contents, 0o600); err != nil {
		t.Fatal(err)
	}
	s := newFlaky()
	g := guard.New(s, guard.Options{JournalFile: path, Logger: slog.New(slog.DiscardHandler)})
	defer g.Close()
	if !g.Available() || g.Gap() || gapMarked(path) {
		t.Errorf("available %t, gap %t, mark %t", g.Available(), g.Gap(), gapMarked(path))
	}
	rs := make([]store.Record, n)
	for i := range rs {
		rs[i] = counted(i)
	}
	return counts(t, s.Store, rs...), len(s.incomplete()) > 0
}

func TestJournalWithATornTail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, whole, ends := outageJournal(t, 4)
		dir := t.TempDir()
		for cut := ends[3]; cut <= ends[4]; cut++ {
			last := uint32(0)
			if cut == ends[4] {
				last = 1
			}
			want := []uint32{1, 1, 1, last}
			zeroed := append(slices.Clone(whole[:cut]), make([]byte, int64(len(whole))-cut)...)
			for name, contents := range map[string][]byte{"cut": whole[:cut], "zero": zeroed} {
				if found, gap := reopened(t, dir, contents, 4); !slices.Equal(found, want) || gap {
					t.Errorf("%s after %d octets: found %v, gap %t", name, cut-ends[3], found, gap)
				}
			}
		}
	})
}

// Of a long entry, sectors may get onto disk in any order.
func TestJournalWithATornSector(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFlaky()
		s.fail(errDown, "")
		path := journalPath(t)
		g, _ := newJournalGuard(t, s, path, 0)
		mustRecord(t, g, "example.com", counted(0))
		start := 4096 + g.Journal().Octets
		long := make([]store.Record, 100)
		for i := range long {
			long[i] = counted(1 + i)
		}
		mustRecord(t, g, "example.com", long...)
		end := 4096 + g.Journal().Octets
		if err := g.Close(); err != nil {
			t.Fatal(err)
		}
		whole, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for sector := start / 512 * 512; sector < end; sector += 512 {
			contents := slices.Clone(whole)
			clear(contents[max(start, sector):min(end, sector+512)])
			if found, gap := reopened(t, t.TempDir(), contents, 2); !slices.Equal(found, []uint32{1, 0}) || gap {
				t.Errorf("without the sector at %d: found %v, gap %t", sector, found, gap)
			}
		}
	})
}

// What was on disk and cannot be read any more is a gap, wherever it is. All else is found.
func TestJournalWithADamagedEntry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, whole, ends := outageJournal(t, 4)
		dir := t.TempDir()
		for _, damaged := range []int{1, 3} { // in the middle and at the end
			for at := ends[damaged]; at < ends[damaged+1]; at++ {
				contents := slices.Clone(whole)
				contents[at] ^= 0x10
				found, gap := reopened(t, dir, contents, 4)
				want := []uint32{1, 1, 1, 1}
				want[damaged] = found[damaged] // Padding may be damaged and the entry be readable.
				if !slices.Equal(found, want) || found[damaged] == 0 && !gap {
					t.Errorf("octet %d of entry %d: found %v, gap %t", at-ends[damaged], damaged, found, gap)
				}
			}
		}
	})
}

// The mark of a gap survives, and no damage of the first block hides a gap or an entry.
func TestJournalWithADamagedFirstBlock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, whole, _ := outageJournal(t, 2)
		for _, at := range []int64{0, 5, 20, 64} {
			path := journalPath(t)
			contents := slices.Clone(whole)
			contents[at] ^= 0x10
			if err := os.WriteFile(path, contents, 0o600); err != nil {
				t.Fatal(err)
			}
			s := newFlaky()
			g, l := newJournalGuard(t, s, path, 0)
			if len(s.incomplete()) != 1 || !g.Available() {
				t.Errorf("octet %d: marked incomplete %v, available %t", at, s.incomplete(), g.Available())
			}
			if l.count("cannot be used") != map[bool]int{true: 1}[at < 64] {
				t.Errorf("octet %d: log:\n%s", at, &l.buf)
			}
			if now, _ := os.ReadFile(path); at < 64 && !slices.Equal(now, contents) {
				t.Errorf("octet %d: a file that cannot be read was changed", at)
			}
			if err := g.Close(); err != nil {
				t.Error(err)
			}
		}
	})
}

func TestJournalOfAProcessThatWasKilledAtItsFirstStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, size := range []int{0, 100, 4096, 1 << 20} {
			if found, gap := reopened(t, t.TempDir(), make([]byte, size), 1); found[0] != 0 || gap {
				t.Errorf("%d octets: found %v, gap %t", size, found, gap)
			}
		}
	})
}
