package filter

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/bouncefilter/bouncefilter/filter/limit"
	"github.com/bouncefilter/bouncefilter/filter/policy"
	"github.com/bouncefilter/bouncefilter/store"
	"github.com/bouncefilter/bouncefilter/store/storetest"
)

func TestPanicIsContained(t *testing.T) {
	f := startWith(t, &storetest.Fake{Panics: true}, nil, nil)
	other := f.outsideMTA()
	other.mail("<friend@example.org>")
	m := f.outsideMTA()
	stage, r := m.message("<>", signedUser)
	if stage != "end" || r.text != "450 4.7.1 Filter failure: this message could not be judged, try again later" {
		t.Errorf("%s: %c %q", stage, r.code, r.text)
	}
	if n := f.server.stats.panics.Load(); n != 1 {
		t.Errorf("%d panics counted", n)
	}
	if r := other.rcpt("<user@example.com>"); !r.continues() {
		t.Errorf("other session: %c", r.code)
	}
	m.abort()
	if _, r := m.message("<friend@example.org>", "<user@example.com>"); r.code != 'a' {
		t.Errorf("next message of the session: %c %s", r.code, r.text)
	}
}

func TestMessageKeepsItsPolicyOverAReload(t *testing.T) {
	f := start(t, nil)
	m := f.outsideMTA()
	m.mail("<>")
	m.rcpt("<user@example.com>")
	m.data()
	f.server.Reload(testPolicy(t, func(s *policy.Settings) { s.Domains[0].Mode = policy.ModeMonitor }))
	if r := m.content(namelessBounce); r.text != untagged {
		t.Errorf("message under way: %c %s", r.code, r.text)
	}
	m.abort()
	if _, r := m.message("<>", "<user@example.com>"); r.code != 'a' {
		t.Errorf("next message: %c %s", r.code, r.text)
	}
}

func TestAutoModeEnforcesAfterOneLifetime(t *testing.T) {
	f := start(t, func(s *policy.Settings) { s.Domains[0].Mode = policy.ModeAuto })
	f.record("user@example.com", testDay.AddDate(0, 0, 7))
	for _, tt := range []struct {
		days int
		want byte
	}{{0, 'a'}, {7, 'a'}, {8, 'y'}} {
		f.setClock(testDay.AddDate(0, 0, tt.days))
		f.server.Prepare(context.Background())
		if _, r := f.outsideMTA().message("<>", "<user@example.com>"); r.code != tt.want {
			t.Errorf("after %d days: %c, want %c", tt.days, r.code, tt.want)
		}
	}
	wantLog(t, f, `enforced_from=2026-12-01`, `msg="domain is enforced`)
}

func TestShutdownFinishesWhatIsInFlight(t *testing.T) {
	f := start(t, nil)
	idle := f.outsideMTA()
	m := f.dial()
	m.auth = "user"
	m.connect(outsider, 40123)
	m.mail("<user@example.com>")
	m.rcpt("<friend@example.org>")
	m.data() // its reply says that the message is under way
	done := make(chan error, 1)
	go func() {
		ctx, cancel := timeout(2 * time.Minute)
		defer cancel()
		done <- f.server.Shutdown(ctx)
	}()
	if _, _, err := idle.tryRead(); err == nil {
		t.Error("the idle connection goes on")
	}
	wantMods(t, m.end().mods, "e "+signedUser)
	if err := <-done; err != nil {
		t.Error(err)
	}
	wantLog(t, f, "msg=summary interval=0s signed=1 accepted=0 refused=0 deferred=0 discarded=0 would_refuse=0 no_bounce=0 refused_untagged=0")
	if n := len(mustCounters(t, f)); n == 0 {
		t.Error("no counters in the store")
	}
}

func mustCounters(t *testing.T, f *fixture) []store.Counter {
	t.Helper()
	cs, err := f.store.Counters(context.Background(), store.ByHour, store.HourOf(testDay), store.HourOf(testDay))
	if err != nil {
		t.Fatal(err)
	}
	return cs
}

func TestShutdownIsBounded(t *testing.T) {
	f := start(t, nil)
	m := f.outsideMTA()
	m.mail("<>")
	m.rcpt("<user@example.com>")
	m.data()
	ctx, cancel := timeout(50 * time.Millisecond)
	defer cancel()
	if err := f.server.Shutdown(ctx); err != context.DeadlineExceeded {
		t.Errorf("Shutdown: %v", err)
	}
}

func TestConnectionLimit(t *testing.T) {
	f := startWith(t, &storetest.Fake{}, nil, func(o *Options) { o.Limits.Connections = 1 })
	first := f.outsideMTA()
	c := &mta{t: t}
	c.c, c.br = rawDial(t, f)
	if _, _, err := c.tryRead(); err == nil {
		t.Error("a connection above the limit is served")
	}
	if _, r := first.message("<friend@example.org>", "<user@example.com>"); r.code != 'a' {
		t.Errorf("first connection: %c", r.code)
	}
	if n := f.server.watch.Count(limit.Connections); n != 1 {
		t.Errorf("%d connections over the limit counted", n)
	}
}

// Since when a domain has been signing is not known before the store has answered, and so its mode is not logged before.
func TestModeIsNotLoggedBeforeTheStoreAnswers(t *testing.T) {
	st := &storetest.Fake{
		Err: store.ErrUnavailable, Answer: storetest.NothingFound(time.Time{}), First: map[string]store.Day{"example.com": store.DayOf(testDay) - 100},
	}
	f := startWith(t, st, func(s *policy.Settings) { s.Domains[0].Mode = policy.ModeAuto }, nil)
	f.server.Prepare(t.Context())
	if log := f.log.String(); strings.Contains(log, "msg=\"domain is") {
		t.Errorf("the store does not answer, and the log says:\n%s", log)
	}
	st.Err = nil
	f.server.Prepare(t.Context())
	wantLog(t, f, "msg=\"domain is enforced")
}

// Making all replies panics if one is not a valid SMTP reply; none may need quoting or several lines.
func TestRepliesAreValid(t *testing.T) {
	rs := newReplies()
	n := 0
	for _, r := range policy.Reasons() {
		if !r.HasReply() {
			continue
		}
		n++
		if text := r.Reply(policy.Refuse).String(); strings.ContainsAny(text, "%\r\n") || len(text) > 510 {
			t.Errorf("%v: %q", r, text)
		}
		for _, a := range []policy.Action{policy.ActionReject, policy.ActionDefer} {
			if got := rs.of(&policy.Verdict{Reason: r, Action: a}); got == nil || got.Continue() {
				t.Errorf("%v %v: %v", r, a, got)
			}
		}
	}
	if n < 10 {
		t.Errorf("only %d reasons have replies", n)
	}
}

// The answer is that of the policy in effect, and does not wait for the store.
func TestUntagAfterAReload(t *testing.T) {
	f := start(t, nil)
	const key = "prvs=178773a1ad=user@example.com"
	if err := f.store.Close(); err != nil {
		t.Fatal(err)
	}
	if a, known := f.server.Untag(key); !known || a != "user@example.com" {
		t.Errorf("%q, %v", a, known)
	}
	f.server.Reload(testPolicy(t, func(s *policy.Settings) { s.Domains = []policy.Domain{{Name: "example.org"}} }))
	if a, known := f.server.Untag(key); known {
		t.Errorf("a domain that is ours no more: %q", a)
	}
	f.setClock(testDay.Add(100 * 24 * time.Hour))
	if _, known := f.server.Untag("prvs=178773a1ad=user@example.org"); known {
		t.Error("a tag of another domain is known")
	}
}
