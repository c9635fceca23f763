package filter

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bouncefilter/bouncefilter/filter/policy"
	"github.com/bouncefilter/bouncefilter/store"
	"github.com/bouncefilter/bouncefilter/store/memory"
	"github.com/bouncefilter/bouncefilter/store/storetest"
)

// The store is wiped while the daemon is down. In mode enforce, a reply to mail that was sent before is not refused.
func TestStoreThatWasWipedWhileNoDaemonRanIsNoNewOne(t *testing.T) {
	file := filepath.Join(t.TempDir(), "history.json")
	run := func(st store.Store, day int) (f *fixture) {
		f = startWith(t, st, nil, func(o *Options) { o.HistoryFile = file })
		f.setClock(testDay.AddDate(0, 0, day))
		f.server.Prepare(t.Context())
		return f
	}
	reply := func(f *fixture, id string) string {
		from := len(f.log.String())
		f.outsideMTA().deliver("<>", "<user@example.com>", strings.ReplaceAll(awayText, "%s", id))
		return f.log.String()[from:]
	}
	first := run(memory.NewWithClock(func() time.Time { return testDay }), 0)
	first.sendMail("<user@example.com>", "<friend@example.org>", sentText)
	first.server.view.RefreshRecord(t.Context())
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("the file of first days: %v, %v", info, err)
	}

	wiped := run(memory.NewWithClock(func() time.Time { return testDay.AddDate(0, 0, 10) }), 10)
	wiped.sendMailNow("<user@example.com>", "<friend@example.org>", strings.ReplaceAll(sentText, sentID, "after-"+sentID))
	if log := reply(wiped, sentID); !strings.Contains(log, "reason=grace action=accept would_be=untagged") {
		t.Errorf("reply to mail sent before the store was wiped:\n%s", log)
	}
	if err := os.WriteFile(file, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	damaged := run(memory.New(), 10)
	wantLog(t, damaged, "cannot read since when domains have been signing")
}

// The store is wiped. A host that comes to know it later takes the first day in it for the first of all, but for what the hosts that
// remember have marked in the store.
func TestAWipedStoreIsNoNewOneForANewHost(t *testing.T) {
	dir := t.TempDir()
	run := func(st store.Store, name string, day int) *fixture {
		f := startWith(t, st, func(s *policy.Settings) { s.Domains[0].Mode = policy.ModeEnforce }, func(o *Options) { o.HistoryFile = filepath.Join(dir, name) })
		f.setClock(testDay.AddDate(0, 0, day))
		f.server.Prepare(t.Context())
		return f
	}
	run(memory.NewWithClock(func() time.Time { return testDay }), "old", 0).sendMail("<user@example.com>", "<friend@example.org>", sentText)
	history := fmt.Sprintf(`{"first_signed":{"example.com":%d}}`, store.DayOf(testDay))
	if err := os.WriteFile(filepath.Join(dir, "old"), []byte(history), 0o600); err != nil {
		t.Fatal(err)
	}

	now := testDay.AddDate(0, 0, 10)
	wiped := memory.NewWithClock(func() time.Time { return now })
	old := run(wiped, "old", 10)
	old.sendMailNow("<user@example.com>", "<friend@example.org>", strings.ReplaceAll(sentText, sentID, "after-"+sentID))
	for range 2 {
		old.server.view.RefreshRecord(t.Context())
	}
	if n := strings.Count(old.log.String(), "the store has begun anew"); n != 1 {
		t.Errorf("it was logged %d times:\n%s", n, old.log)
	}

	now = testDay.AddDate(0, 0, 20)
	f := run(wiped, "new", 20)
	from := len(f.log.String())
	f.outsideMTA().deliver("<>", "<user@example.com>", strings.ReplaceAll(awayText, "%s", sentID))
	if log := f.log.String()[from:]; !strings.Contains(log, "reason=grace action=accept would_be=untagged") {
		t.Errorf("reply to mail sent before the store was wiped:\n%s", log)
	}
}

// The store is wiped an hour after it was first used: days do not distinguish that from a store that began then.
func TestStoreThatWasWipedOnItsFirstDay(t *testing.T) {
	for _, restart := range []bool{false, true} {
		file := filepath.Join(t.TempDir(), "history.json")
		st := &storetest.Fake{Answer: storetest.NothingFound(testDay), First: map[string]store.Day{"example.com": store.DayOf(testDay)}}
		run := func() *fixture {
			f := startWith(t, st, nil, func(o *Options) { o.HistoryFile = file })
			f.server.view.RefreshRecord(t.Context())
			f.server.view.RefreshRecord(t.Context())
			f.server.view.RefreshRecord(t.Context())
			return f
		}
		f := run()
		reply := func(want string) {
			t.Helper()
			from := len(f.log.String())
			f.outsideMTA().deliver("<>", "<user@example.com>", strings.ReplaceAll(awayText, "%s", sentID))
			if log := f.log.String()[from:]; !strings.Contains(log, want) {
				t.Errorf("restart %t: want %q, got:\n%s", restart, want, log)
			}
		}
		reply("reason=untagged action=reject")
		st.Answer.Complete.Since = testDay.Add(time.Hour)
		if restart {
			f = run()
		} else {
			f.server.view.RefreshRecord(t.Context())
		}
		reply("reason=grace action=accept would_be=untagged")
		wantLog(t, f, "the record of signed mail may lack what was sent before")
	}
}
