package filter

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bouncefilter/bouncefilter/filter/policy"
	"github.com/bouncefilter/bouncefilter/filter/view"
	"github.com/bouncefilter/bouncefilter/prvs"
	"github.com/bouncefilter/bouncefilter/store"
	"github.com/bouncefilter/bouncefilter/store/memory"
	"github.com/bouncefilter/bouncefilter/store/storetest"
)

const replySpent = "450 4.7.1 Too many bounces: this address gets no further bounces for now, try again later"

// withRecord is a server whose record is complete since long ago.
func withRecord(t testing.TB, change func(*policy.Settings)) *fixture {
	t.Helper()
	return withRecordIn(t, memory.NewWithClock(func() time.Time { return testDay }), change, nil)
}

// withRecordIn is withRecord with a store and options.
func withRecordIn(t testing.TB, st store.Store, change func(*policy.Settings), options func(*Options)) *fixture {
	t.Helper()
	since := testDay.AddDate(0, 0, -99)
	complete := &completeStore{Store: st, since: since}
	f := startWith(t, complete, change, options)
	f.server.view.RefreshRecord(t.Context())
	complete.since = since
	return f
}

// answer delivers a bounce, and waits until it is counted.
func (f *fixture) answer(to, text string) reply {
	f.t.Helper()
	_, r := f.outsideMTA().deliver("<>", to, text)
	f.server.view.Flush()
	return r
}

// bounceAbout is a notification about a failed recipient that names no message.
func bounceAbout(recipient string) string {
	return strings.ReplaceAll(strings.ReplaceAll(dsnText(sentID), "Message-ID", "X-Id"), "friend@example.org", recipient)
}

func TestATagIsUsedUp(t *testing.T) {
	for _, readAll := range []bool{true, false} {
		t.Run(fmt.Sprintf("read all %v", readAll), func(t *testing.T) {
			f := withRecord(t, func(s *policy.Settings) {
				s.Proofs.BouncesAtLeast, s.Proofs.BouncesPerRecipient, s.ReadAll = 40, 5, readAll
			})
			f.sendMail("<user@example.com>", "<friend@example.org>", sentText)
			for n := range 45 {
				if r := f.answer(signedUser, bounceAbout("friend@example.org")); r.code != 'a' {
					t.Fatalf("bounce %d: %c %s", n, r.code, r.text)
				}
			}
			if r := f.answer(signedUser, bounceAbout("friend@example.org")); r.text != replySpent {
				t.Errorf("one more: %c %s", r.code, r.text)
			}
			if r := f.answer(signedUser, dsnText(sentID)); r.code != 'a' {
				t.Errorf("the bounce of a message on record: %c %s", r.code, r.text)
			}
			wantLog(t, f, "reason=over-budget action=defer", "reason=valid-message action=accept")
			steps := strings.Join(f.explain("", strings.Trim(signedUser, "<>"), bounceAbout("friend@example.org")).Steps, "\n")
			if want := "The tag was sent to 1 recipient, and has been answered by 46 bounces of at most 45."; !strings.Contains(steps, want) {
				t.Errorf("explained as\n%s", steps)
			}
			// The next message makes room for its own bounces.
			f.sendMail("<user@example.com>", "<friend@example.org>", "Message-ID: <2@mail.example.com>\n\n\n")
			if r := f.answer(signedUser, bounceAbout("friend@example.org")); r.code != 'a' {
				t.Errorf("after more mail: %c %s", r.code, r.text)
			}
		})
	}
}

func TestATagIsAnsweredAboutSoManyRecipients(t *testing.T) {
	f := withRecord(t, func(s *policy.Settings) { s.Proofs.BouncesAtLeast = 40 })
	f.sendMail("<user@example.com>", "<friend@example.org>", sentText)
	to := func(n int) string { return fmt.Sprintf("victim%d@example.org", n) }
	const most = 42
	for n := range most {
		if r := f.answer(signedUser, bounceAbout(to(n))); r.code != 'a' {
			t.Fatalf("recipient %d: %c %s", n, r.code, r.text)
		}
	}
	if r := f.answer(signedUser, bounceAbout(to(most))); r.text != replySpent {
		t.Errorf("one more: %c %s", r.code, r.text)
	}
	if r := f.answer(signedUser, bounceAbout(strings.ToUpper(to(0)))); r.code != 'a' {
		t.Errorf("one that was named before: %c %s", r.code, r.text)
	}
	steps := strings.Join(f.explain("", strings.Trim(signedUser, "<>"), bounceAbout(to(most))).Steps, "\n")
	if want := "They named 42 failed recipients of at most 42, and this one names 1 more."; !strings.Contains(steps, want) {
		t.Errorf("explained as\n%s", steps)
	}
}

func TestATagIsNotUsedUpWhereTheRecordIsIncomplete(t *testing.T) {
	f := start(t, func(s *policy.Settings) { s.Proofs.BouncesAtLeast = 40 })
	f.server.view.RefreshRecord(t.Context())
	f.sendMail("<user@example.com>", "<friend@example.org>", sentText)
	for n := range 60 {
		if r := f.answer(signedUser, bounceAbout("friend@example.org")); r.code != 'a' {
			t.Fatalf("bounce %d: %c %s", n, r.code, r.text)
		}
	}
	wantLog(t, f, "reason=grace action=accept would_be=over-budget")
}

func sealed(t *testing.T, h *store.Hasher, r *policy.Revocation) store.Broadcast {
	t.Helper()
	b, err := view.SealRevocation(h, r)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// replay returns the reply to a bounce that names nothing.
func (f *fixture) replay() string {
	return f.answer(signedUser, bounceAbout("friend@example.org")).text
}

func TestRevocationsAreLearnt(t *testing.T) {
	const revoked = "550 5.7.1 Revoked tag: this bounce to a revoked tag is not accepted"
	st := &storetest.Fake{Answer: storetest.NothingFound(time.Time{})}
	f := startWith(t, st, nil, nil)
	f.server.view.RefreshRecord(t.Context())
	expect := func(what, want string) {
		t.Helper()
		if got := f.replay(); got != want {
			t.Errorf("%s: %q", what, got)
		}
	}
	r := &policy.Revocation{Kind: policy.RevokedSender, Sender: "user@example.com", Until: prvs.DayOf(testDay) + 7, At: testDay}
	st.Shared = []store.Broadcast{sealed(t, f.server.hasher, r), {Name: "garbled"}}
	expect("before the store was asked", "")
	f.server.view.RefreshRevocations(t.Context())
	expect("once it was asked", revoked)
	if _, r := f.outsideMTA().deliver("<friend@example.org>", signedUser, sentText); r.code != 'a' || len(r.mods) != 2 {
		t.Errorf("ordinary mail: %c %s %v", r.code, r.text, r.mods)
	}
	steps := f.explain("", strings.Trim(signedUser, "<>"), bounceAbout("friend@example.org")).Steps
	if want := "It is revoked, since 2026-11-23T12:00:00Z: all tags of <user@example.com> that expire by 2026-11-30."; !slices.Contains(steps, want) {
		t.Errorf("explained as %q", steps)
	}
	st.Err = store.ErrUnavailable
	f.server.view.RefreshRevocations(t.Context())
	expect("while the store does not answer", revoked)
	st.Err = nil
	f.server.view.RefreshRevocations(t.Context())
	if n := strings.Count(f.log.String(), "cannot be understood"); n != 1 {
		t.Errorf("%d warnings", n)
	}
	st.Shared = nil
	f.server.view.RefreshRevocations(t.Context())
	if f.server.view.Revocations().Len() != 0 {
		t.Error("what was taken back is still revoked")
	}
	wantLog(t, f, "msg=\"revocations changed\" active=1 added=", "level=WARN msg=\"revocations cannot be understood and are skipped\" ids=[garbled]", "active=0 added=[] removed=")
	for _, line := range strings.Split(f.log.String(), "\n") {
		if strings.Contains(line, "revocations changed") && strings.Contains(line, "user@") {
			t.Errorf("the log shows who is revoked: %s", line)
		}
	}
}

// One message to a list is answered by all its members, and a replayed tag still ends.
func TestAListAnswers(t *testing.T) {
	f := withRecord(t, nil)
	f.sendMail("<user@example.com>", "<list@example.org>", sentText)
	for n := range 200 {
		if r := f.answer(signedUser, bounceAbout(fmt.Sprintf("member%d@example.org", n))); r.code != 'a' {
			t.Fatalf("bounce of member %d: %c %s", n, r.code, r.text)
		}
		if r := f.answer(signedUser, bounceAbout(fmt.Sprintf("member%d@example.org", n))); r.code != 'a' {
			t.Fatalf("second bounce of member %d: %c %s", n, r.code, r.text)
		}
	}
	for n := range 150 {
		if r := f.answer("<user@example.com>", fmt.Sprintf(awayText, sentID)); r.code != 'a' {
			t.Fatalf("absence of member %d: %c %s", n, r.code, r.text)
		}
		if r := f.answer("<user@example.com>", awayTextWithoutReference); r.code != 'a' {
			t.Fatalf("absence of member %d, without a reference: %c %s", n, r.code, r.text)
		}
	}
	replays := 0
	for ; replays < 1000 && f.replay() == ""; replays++ {
	}
	if replays != 110 {
		t.Errorf("after 400 bounces, the tag was replayed %d times", replays)
	}
}
