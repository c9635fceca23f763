package filter

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bouncefilter/bouncefilter/filter/bounce"
	"github.com/bouncefilter/bouncefilter/prvs"
	"github.com/bouncefilter/bouncefilter/store"
	"github.com/bouncefilter/bouncefilter/store/guard"
	"github.com/bouncefilter/bouncefilter/store/memory"
)

const replySpent = "450 4.7.1 Too many bounces to this address, try again later"

// remembering is a server whose record is complete since long ago.
func remembering(t *testing.T, change func(*policy.Settings)) *fixture {
	t.Helper()
	st := &completeStore{Store: memory.NewWithClock(func() time.Time { return testDay }), since: testDay.AddDate(0, 0, -99)}
	f := startWith(t, st, change, nil)
	f.server.witnessed.Store(true)
	return f
}

// answer delivers a bounce, and waits until it is counted.
func (f *fixture) answer(to, text string) reply {
	f.t.Helper()
	_, r := f.outsideMTA().deliver("<>", to, text)
	f.server.notes.flush()
	return r
}

// bounceAbout is a notification about a failed recipient that names no message.
func bounceAbout(recipient string) string {
	return strings.ReplaceAll(strings.ReplaceAll(dsnText(sentID), "Message-ID", "X-Id"), "friend@example.org", recipient)
}

func TestATagIsUsedUp(t *testing.T) {
	for _, readAll := range []bool{true, false} {
		t.Run(fmt.Sprintf("read all %v", readAll), func(t *testing.T) {
			f := remembering(t, func(s *policy.Settings) { s.Proofs.BouncesPerRecipient = 5; s.ReadAll = readAll })
			f.sendMail("<user@example.com>", "<friend@example.org>", sentText)
			for n := range provenAtLeast + 5 {
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
			if want := "The tag was sent to 1 recipients, and has been answered by 46 bounces of at most 45."; !strings.Contains(steps, want) {
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
	f := remembering(t, nil)
	f.sendMail("<user@example.com>", "<friend@example.org>", sentText)
	to := func(n int) string { return fmt.Sprintf("victim%d@example.org", n) }
	most := failedAtLeast + failedPerRecipient
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
	f := start(t, nil)
	f.server.checkWitness(t.Context())
	f.sendMail("<user@example.com>", "<friend@example.org>", sentText)
	for n := range provenAtLeast + 20 {
		if r := f.answer(signedUser, bounceAbout("friend@example.org")); r.code != 'a' {
			t.Fatalf("bounce %d: %c %s", n, r.code, r.text)
		}
	}
	wantLog(t, f, "reason=grace action=accept would_be=over-budget")
}

// What is counted about a bounce is bounded, and is one call of the store at the most.
func TestWhatIsCounted(t *testing.T) {
	h := store.NewHasher([]byte("hash secret"))
	tag := prvs.Result{Status: prvs.Valid, Sender: prvs.Address{Local: "user", Domain: "example.com"}, Number: 1, Expiry: 20787}
	tag.Original = tag.Sender
	r := &bounce.Report{}
	for n := range 100 {
		r.Recipients = append(r.Recipients, bounce.Recipient{Address: fmt.Sprintf("A%d@Example.org", n%50), Action: []string{"failed", "delayed"}[n%2]})
	}
	failed := failedRecipients(r)
	if len(failed) != maxFailed || failed[1] != "a2@example.org" {
		t.Fatalf("failed recipients: %q", failed)
	}
	q := inquiry{hasher: h, today: 20780, failed: failed[:2]}
	q.ask(tag.Sender, tag, nil)
	p := testPolicy(t, nil)
	answer := func(found []bool, counts ...uint32) finding {
		fs, _, err := q.answer(t.Context(), &fakeStore{answer: store.Answer{Found: found, Counts: counts}}, p)
		if err != nil {
			t.Fatal(err)
		}
		return fs[0]
	}
	one := store.Record{Key: h.Answered("user@example.com", 20787, 1), Expires: 20787, policy.Count: 1}
	named := store.Record{Key: h.FailedRecipient("user@example.com", 20787, 1, "a2@example.org"), Expires: 20787}
	for _, tt := range []struct {
		name   string
		found  []bool
		counts []uint32
		want   []store.Record
	}{
		{"tag not on record", make([]bool, 5), make([]uint32, 5), nil},
		{"one recipient is new", []bool{true, true, true, true, false}, []uint32{1, 5, 3, 0, 0},
			[]store.Record{one, {Key: h.Failed("user@example.com", 20787, 1), Expires: 20787, policy.Count: 1}, named}},
		{"none is new", []bool{true, true, true, true, true}, []uint32{1, 5, 3, 0, 0}, []store.Record{one}},
		{"over budget", []bool{true, true, true, true, false}, []uint32{1, 50, 3, 0, 0}, []store.Record{one}},
	} {
		if got := answer(tt.found, tt.counts...).answered; !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

// slowStore holds up what is recorded until it is told to go on.
type slowStore struct {
	countingStore
	begun, goOn chan struct{}
	panics      bool
}

func (s *slowStore) Record(ctx context.Context, today store.Day, domain string, rs ...store.Record) error {
	s.begun <- struct{}{}
	<-s.goOn
	if s.panics {
		panic("store bug")
	}
	return s.countingStore.Record(ctx, today, domain, rs...)
}

func TestNotesAreWrittenBesideTheMailPath(t *testing.T) {
	st := &slowStore{begun: make(chan struct{}), goOn: make(chan struct{})}
	f := startWith(t, st, nil, nil)
	n := f.server.notes
	n.add(1, []store.Record{{policy.Count: 1}})
	<-st.begun
	for range maxNotes + 10 { // nobody waits, and what is too much is dropped
		n.add(1, []store.Record{{policy.Count: 2}})
	}
	go func() {
		for range st.begun {
		}
	}()
	close(st.goOn)
	n.close()
	if len(st.records) != 1+maxNotes || st.calls != 1+maxNotes/maxNotesAtOnce {
		t.Errorf("%d records in %d calls", len(st.records), st.calls)
	}
	n.add(1, []store.Record{{policy.Count: 3}})
	n.flush()
	if len(st.records) != 1+maxNotes {
		t.Error("something was written after the end")
	}
}

func TestNotesOfTwoDays(t *testing.T) {
	st := &countingStore{}
	f := startWith(t, st, nil, nil)
	for day := range store.Day(4) {
		f.server.notes.add(day, []store.Record{{policy.Count: 1}})
	}
	f.server.notes.close()
	if st.calls != 4 {
		t.Errorf("%d calls", st.calls)
	}
}

func TestAPanicOfTheStoreLosesNotesAlone(t *testing.T) {
	st := &slowStore{begun: make(chan struct{}, 9), goOn: make(chan struct{}), panics: true}
	close(st.goOn)
	f := startWith(t, st, nil, nil)
	f.server.notes.add(1, []store.Record{{policy.Count: 1}})
	f.server.notes.flush()
	wantLog(t, f, "accepted bounces were not counted")
	if f.server.stats.panics.Load() != 1 {
		t.Error("not counted")
	}
}

func notice(t *testing.T, h *store.Hasher, r *policy.Revocation) store.Broadcast {
	t.Helper()
	n, err := r.Broadcast(h)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func setOf(t *testing.T, rs ...*policy.Revocation) *policy.Revocations {
	t.Helper()
	h := store.NewHasher([]byte("hash secret"))
	var ns []store.Broadcast
	for _, r := range rs {
		ns = append(ns, notice(t, h, r))
	}
	return policy.NewRevocations(h, ns, func(name string, err error) { t.Errorf("%s: %v", name, err) })
}

func TestNoticesThatCannotBeUnderstoodAreSkipped(t *testing.T) {
	h := store.NewHasher([]byte("hash secret"))
	good := notice(t, h, &policy.Revocation{Kind: policy.RevokedKey, Number: 1})
	sealed := func(value string) store.Broadcast {
		return store.Broadcast{Topic: RevocationTopic, Name: "x", Value: h.Seal(RevocationTopic+"/x", []byte(value))}
	}
	moved := good
	moved.Name = "y"
	for name, n := range map[string]store.Broadcast{
		"garbage":              {Topic: RevocationTopic, Name: "x", Value: []byte("garbage")},
		"nothing":              {Topic: RevocationTopic, Name: "x"},
		"under another name":   moved,
		"under another secret": notice(t, store.NewHasher([]byte("another")), &policy.Revocation{Kind: policy.RevokedKey, Number: 1}),
		"no JSON":              sealed("{"),
		"another type":         sealed(`{"kind":"key","number":"one"}`),
		"kind of the future":   sealed(`{"kind":"network"}`),
		"no sender":            sealed(`{"kind":"sender"}`),
		"no key number":        sealed(`{"kind":"key","number":10}`),
	} {
		skipped := 0
		set := policy.NewRevocations(h, []store.Broadcast{n, good}, func(string, error) { skipped++ })
		if set.Len() != 1 || skipped != 1 {
			t.Errorf("%s: %d revocations, %d skipped", name, set.Len(), skipped)
		}
	}
}

// replay tells what becomes of a bounce that names nothing.
func (f *fixture) replay() string {
	return f.answer(signedUser, bounceAbout("friend@example.org")).text
}

func TestRevocationsAreLearnt(t *testing.T) {
	const revoked = "550 5.7.1 This bounce is not accepted (revoked tag in the recipient address)"
	st := &fakeStore{answer: store.Answer{Found: make([]bool, 99), Counts: make([]uint32, 99)}}
	f := startWith(t, st, nil, nil)
	f.server.witnessed.Store(true)
	expect := func(what, want string) {
		t.Helper()
		if got := f.replay(); got != want {
			t.Errorf("%s: %q", what, got)
		}
	}
	r := &policy.Revocation{Kind: policy.RevokedSender, Sender: "user@example.com", Until: prvs.DayOf(testDay) + 7, At: testDay}
	st.notices = []store.Broadcast{notice(t, f.server.hasher, r), {Name: "garbled"}}
	expect("before the store was asked", "")
	f.server.RefreshRevocations(t.Context())
	expect("once it was asked", revoked)
	if _, r := f.outsideMTA().deliver("<friend@example.org>", signedUser, sentText); r.code != 'a' || len(r.mods) != 2 {
		t.Errorf("ordinary mail: %c %s %v", r.code, r.text, r.mods)
	}
	steps := f.explain("", strings.Trim(signedUser, "<>"), bounceAbout("friend@example.org")).Steps
	if want := "It is revoked, since 2026-11-23T12:00:00Z: all tags of <user@example.com> that expire by 2026-11-30."; !slices.Contains(steps, want) {
		t.Errorf("explained as %q", steps)
	}
	st.err = store.ErrUnavailable
	f.server.RefreshRevocations(t.Context())
	expect("while the store does not answer", revoked)
	st.err = nil
	f.server.RefreshRevocations(t.Context())
	if n := strings.Count(f.log.String(), "cannot be understood"); n != 1 {
		t.Errorf("%d warnings", n)
	}
	st.notices = nil
	f.server.RefreshRevocations(t.Context())
	if f.server.revoked.Load().Len() != 0 {
		t.Error("what was taken back is still revoked")
	}
	wantLog(t, f, "msg=\"revocations changed\" active=1 added=", "level=WARN msg=\"a revocation cannot be understood and is skipped\" id=garbled", "active=0 added=[] removed=")
	for _, line := range strings.Split(f.log.String(), "\n") {
		if strings.Contains(line, "revocations changed") && strings.Contains(line, "user@") {
			t.Errorf("the log shows who is revoked: %s", line)
		}
	}
}

// A store that was wiped has not taken anything back.
func TestRevocationsThatTheStoreLosesAreWrittenAgain(t *testing.T) {
	for _, tt := range []struct {
		name    string
		taken   bool // back
		wiped   bool
		memory  bool // is looked at first
		remains int
	}{
		{"wiped", false, true, false, 1},
		{"wiped, and the memory is looked at first", false, true, true, 1},
		{"lost", false, false, false, 1},
		{"taken back", true, false, false, 0},
		{"taken back, and the memory is looked at first", true, false, true, 0},
		{"taken back before records were lost", true, true, true, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			st := memory.NewWithClock(func() time.Time { return testDay })
			f := startWith(t, st, nil, nil)
			n := notice(t, f.server.hasher, &policy.Revocation{Kind: policy.RevokedSender, Sender: "user@example.com", Until: prvs.DayOf(testDay) + 7, At: testDay})
			n.Expires = store.DayOf(testDay) + 7
			if _, err := st.Publish(t.Context(), n, false); err != nil {
				t.Fatal(err)
			}
			f.server.Prepare(t.Context())
			if f.server.revoked.Load().Len() != 1 {
				t.Fatal("nothing is revoked")
			}
			if tt.taken {
				if _, err := st.Publish(t.Context(), store.Broadcast{Topic: TakenBackTopic, Name: n.Name, Expires: n.Expires}, false); err != nil {
					t.Fatal(err)
				}
			}
			if err := st.Withdraw(t.Context(), n.Topic, n.Name); err != nil {
				t.Fatal(err)
			}
			if tt.wiped {
				if err := st.MarkIncomplete(t.Context(), testDay.Add(time.Hour)); err != nil {
					t.Fatal(err)
				}
			}
			if tt.memory {
				f.server.watchMemory(t.Context())
			}
			f.server.RefreshRevocations(t.Context())
			ns, err := st.Broadcasts(t.Context(), RevocationTopic, store.DayOf(testDay))
			if known := f.server.revoked.Load().Len(); err != nil || len(ns) != tt.remains || known != tt.remains {
				t.Errorf("%d in the store, %d here, %v; want %d", len(ns), known, err, tt.remains)
			}
			const told = "level=WARN msg=\"the store has lost revocations: they are written to it again\" ids="
			if got := strings.Contains(f.log.String(), told); got != (tt.remains > 0) {
				t.Errorf("told: %t\n%s", got, f.log.String())
			}
		})
	}
}

func TestRevocationsAreAskedForRegularly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := store.NewHasher([]byte("hash secret"))
		st := memory.New()
		guard := guard.New(st, guard.Options{})
		s, err := NewServer(Options{policy.Policy: testPolicy(t, nil), Store: guard, Hasher: h, Logger: slog.New(slog.DiscardHandler), Node: "test"})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { s.Run(ctx); close(done) }()
		synctest.Wait()
		n := notice(t, h, &policy.Revocation{Kind: policy.RevokedKey, Number: 1, Expires: store.DayOf(time.Now()) + 1})
		if _, err := st.Publish(ctx, n, false); err != nil {
			t.Fatal(err)
		}
		time.Sleep(revocationInterval)
		synctest.Wait()
		if s.revoked.Load().Len() != 1 {
			t.Error("not learnt")
		}
		time.Sleep(48 * time.Hour)
		synctest.Wait()
		if s.revoked.Load().Len() != 0 {
			t.Error("not over")
		}
		cancel()
		<-done
		if err := guard.Close(); err != nil {
			t.Error(err)
		}
	})
}
