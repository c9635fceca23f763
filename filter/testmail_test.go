package filter

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/bouncefilter/bouncefilter/filter/policy"
	"github.com/bouncefilter/bouncefilter/store"
)

// playTests plays one message of each sort with parameters of MAIL.
func (f *fixture) playTests(params string) {
	f.t.Helper()
	bounce := func(to string) {
		m := f.outsideMTA()
		m.mail("<>", params)
		if r := m.rcpt(to); r.continues() {
			m.data()
			m.content(namelessBounce)
		}
	}
	for _, to := range []string{forged, "<user@example.com>", signedUser, "<prvs=0000=user@example.com>"} {
		bounce(to)
	}
	m := f.outsideMTA() // ordinary mail to a tag
	m.mail("<friend@example.org>", params)
	m.rcpt(signedUser)
	m.data()
	m.end()
	m = f.dial() // mail that is signed
	m.auth = "user"
	m.connect(outsider, 40123)
	m.mail("<user@example.com>", params)
	m.rcpt("<friend@example.org>")
	m.data()
	m.header("Message-ID", "<letter.1@example.com>")
	if r := m.end(); r.code != 'a' || len(r.mods) != 1 {
		f.t.Errorf("%s: mail is not signed: %c %v", params, r.code, r.mods)
	}
}

// traces returns what the server has counted, noted and recorded, but for the log.
func (f *fixture) traces() (n int) {
	f.t.Helper()
	s := f.server
	n = len(s.stats.verdicts.all()) + len(s.stats.would.all()) + len(s.stats.reported.all()) + len(s.Sources()) + len(s.OtherRoutes())
	n += int(s.guesses.Count("user@example.com", mustPrefix(outsider+"/32").Addr(), store.DayOf(f.now())))
	if err := s.figures.Flush(f.t.Context(), f.store, f.now()); err != nil {
		f.t.Fatal(err)
	}
	counters, err := f.store.Counters(f.t.Context(), store.ByHour, store.HourOf(f.now()), store.HourOf(f.now()))
	if err != nil {
		f.t.Fatal(err)
	}
	n += len(counters)
	key := s.hasher.Tag("user@example.com", store.DayOf(testDay)+7, 1)
	a, err := f.store.Lookup(f.t.Context(), store.DayOf(testDay), store.AnyDay(key))
	if err != nil {
		f.t.Fatal(err)
	}
	if a.Found[0] {
		n++
	}
	return n
}

// A message that is a test is judged and logged like mail, and leaves nothing behind. Whoever does not have the mark sends no test.
func TestTestsAreLoggedAndNotCounted(t *testing.T) {
	enforce := func(s *policy.Settings) { s.AddMessageID = false }
	f := start(t, enforce)
	mark, err := f.server.BeginTest()
	if err != nil || len(mark) < 26 {
		t.Fatalf("the mark is %q, %v", mark, err)
	}
	f.playTests("ENVID=" + mark)
	log := f.log.String()
	if n := strings.Count(log, " test=true "); n < 6 || n != strings.Count(log, " duration=") {
		t.Errorf("%d lines are marked:\n%s", n, log)
	}
	for _, reason := range []string{"reason=bad-signature ", "reason=untagged ", "reason=untag ", "reason=signed "} {
		if !strings.Contains(log, reason) {
			t.Errorf("no line has %s:\n%s", reason, log)
		}
	}
	if strings.Contains(log, mark) {
		t.Error("the log shows the mark")
	}
	if n := f.traces(); n != 0 {
		t.Errorf("tests have left %d traces", n)
	}
	for _, tt := range []struct {
		name, params string
		before       func()
	}{
		{"no mark", "SIZE=1000", nil},
		{"an empty mark", "ENVID=", nil},
		{"another mark", "ENVID=" + strings.Repeat("A", len(mark)), nil},
		{"part of the mark", "ENVID=" + mark[1:], nil},
		{"the mark elsewhere", "AUTH=ENVID=" + mark, nil},
		{"a mark that has ended", "ENVID=" + mark, func() { f.server.EndTest(mark) }},
	} {
		f = start(t, enforce)
		f.server.testMarks.ends = map[string]time.Time{mark: testDay.Add(testMarkLifetime)}
		if tt.before != nil {
			tt.before()
		}
		f.playTests(tt.params)
		if log := f.log.String(); strings.Contains(log, "test=") || f.traces() < 6 {
			t.Errorf("%s: %d traces:\n%s", tt.name, f.traces(), log)
		}
	}
}

func TestMarksEndAndAreFew(t *testing.T) {
	f := start(t, nil)
	marks := map[string]bool{}
	for range maxTestMarks {
		mark, err := f.server.BeginTest()
		if err != nil || marks[mark] {
			t.Fatalf("%q, %v", mark, err)
		}
		marks[mark] = true
	}
	if _, err := f.server.BeginTest(); !errors.Is(err, ErrTooManyTests) {
		t.Errorf("one more: %v", err)
	}
	for mark := range marks {
		for after, want := range map[time.Duration]bool{0: true, testMarkLifetime - 1: true, testMarkLifetime: false} {
			if got := f.server.testMarks.marks("SIZE=1 ENVID="+mark, testDay.Add(after)); got != want {
				t.Errorf("after %s the mark is good: %v", after, got)
			}
		}
	}
	f.setClock(testDay.Add(testMarkLifetime))
	if _, err := f.server.BeginTest(); err != nil || len(f.server.testMarks.ends) != 1 {
		t.Errorf("after their end %d are held: %v", len(f.server.testMarks.ends), err)
	}
}
