package view

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bouncefilter/bouncefilter/filter/policy"
	"github.com/bouncefilter/bouncefilter/prvs"
	"github.com/bouncefilter/bouncefilter/store"
	"github.com/bouncefilter/bouncefilter/store/memory"
)

// shelf is a store that another user can write to, with a view that remembers on disk.
type shelf struct {
	*memory.Store
	now  time.Time
	path string
}

func newShelf(t *testing.T) *shelf {
	s := &shelf{now: testDay, path: filepath.Join(t.TempDir(), "history.json")}
	s.Store = memory.NewWithClock(func() time.Time { return s.now })
	return s
}

// view starts a view, as after a restart of the daemon.
func (s *shelf) view(t *testing.T) *fixture {
	t.Helper()
	f := start(t, s.Store)
	f.now = func() time.Time { return s.now }
	f.View.history.load(s.path, f.View.log)
	return f
}

func (s *shelf) put(t *testing.T, b store.Broadcast) {
	t.Helper()
	if _, err := s.Publish(t.Context(), b, false); err != nil {
		t.Fatal(err)
	}
}

// revocation is one of a sender that was made at a time.
func (s *shelf) revocation(t *testing.T, f *fixture, at time.Time) store.Broadcast {
	t.Helper()
	return sealed(t, f.hasher, &policy.Revocation{Kind: policy.RevokedSender, Sender: "user@example.com", Until: prvs.DayOf(testDay) + 7, Expires: prvs.DayOf(testDay) + 7, At: at})
}

func (s *shelf) tombstone(t *testing.T, f *fixture, name string, at time.Time) store.Broadcast {
	t.Helper()
	b, err := SealTombstone(f.hasher, name, Removal{At: at, Expires: store.DayOf(testDay) + 30})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestARemovedRevocationThatIsPutBackIsNotBelieved(t *testing.T) {
	s := newShelf(t)
	f := s.view(t)
	old := s.revocation(t, f, testDay)
	s.put(t, old)
	if f.RefreshRevocations(t.Context()); f.Revocations().Len() != 1 {
		t.Fatal("nothing is revoked")
	}
	tombstone := s.tombstone(t, f, old.Name, testDay.Add(time.Minute))
	s.put(t, tombstone)
	if err := s.Withdraw(t.Context(), old.Topic, old.Name); err != nil {
		t.Fatal(err)
	}
	f.RefreshRevocations(t.Context())
	for name, f := range map[string]*fixture{"the daemon that has seen it": f, "the same after a restart": s.view(t)} {
		s.put(t, old)
		if err := s.Withdraw(t.Context(), tombstone.Topic, tombstone.Name); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			f.RefreshRevocations(t.Context())
			if f.Revocations().Len() != 0 {
				t.Errorf("%s: it is revoked again", name)
			}
		}
		wantLog(t, f, "revocations that were removed are in the store again")
		if n := strings.Count(f.log.String(), "in the store again"); n != 1 {
			t.Errorf("%s: %d lines", name, n)
		}
	}
	// The tombstone was written again, so that a host that has never seen it does not believe the revocation either.
	fresh := newShelf(t)
	fresh.Store = s.Store
	if other := fresh.view(t); true {
		if other.RefreshRevocations(t.Context()); other.Revocations().Len() != 0 {
			t.Error("a new host: it is revoked again")
		}
	}
	// An operator revokes the same again.
	s.put(t, s.revocation(t, f, testDay.Add(2*time.Minute)))
	if f.RefreshRevocations(t.Context()); f.Revocations().Len() != 1 {
		t.Error("it cannot be revoked again")
	}
}

// removing is a store of which a command removes a revocation while it is asked.
type removing struct {
	store.Store
	remove func() // called once, behind the first answer
}

func (r *removing) Broadcasts(ctx context.Context, topic string, today store.Day) ([]store.Broadcast, error) {
	bs, err := r.Store.Broadcasts(ctx, topic, today)
	if r.remove != nil {
		r.remove()
		r.remove = nil
	}
	return bs, err
}

func TestARevocationThatIsRemovedMeanwhileIsNotLost(t *testing.T) {
	s := newShelf(t)
	st := &removing{Store: s.Store}
	f := start(t, st)
	b := s.revocation(t, f, testDay)
	s.put(t, b)
	f.RefreshRevocations(t.Context())
	st.remove = func() {
		s.put(t, s.tombstone(t, f, b.Name, testDay.Add(time.Minute)))
		if err := s.Withdraw(t.Context(), b.Topic, b.Name); err != nil {
			t.Fatal(err)
		}
	}
	f.RefreshRevocations(t.Context())
	bs, err := s.Broadcasts(t.Context(), RevocationTopic, store.DayOf(testDay))
	if err != nil || len(bs) != 0 || strings.Contains(f.log.String(), "the store has lost revocations") {
		t.Errorf("the store has %+v, %v\n%s", bs, err, f.log.String())
	}
	if f.Revocations().Len() != 0 {
		t.Error("it is revoked")
	}
}

func TestAnEarlierRevocationDoesNotTakeThePlaceOfALaterOne(t *testing.T) {
	s := newShelf(t)
	f := s.view(t)
	early, late := s.revocation(t, f, testDay), s.revocation(t, f, testDay.Add(time.Hour))
	s.put(t, late)
	f.RefreshRevocations(t.Context())
	s.put(t, early)
	f.RefreshRevocations(t.Context())
	bs, err := s.Broadcasts(t.Context(), RevocationTopic, store.DayOf(testDay))
	if err != nil || len(bs) != 1 || string(bs[0].Value) != string(late.Value) {
		t.Errorf("the store has %+v, %v", bs, err)
	}
	// A tombstone between the two removes the early one alone.
	s.put(t, s.tombstone(t, f, late.Name, testDay.Add(time.Minute)))
	if f.RefreshRevocations(t.Context()); f.Revocations().Len() != 1 {
		t.Error("an old tombstone removes a later revocation")
	}
}

func TestATombstoneThatWasNotSealedRemovesNothing(t *testing.T) {
	s := newShelf(t)
	f := s.view(t)
	b := s.revocation(t, f, testDay)
	s.put(t, b)
	for _, lie := range []store.Broadcast{
		{Topic: TombstoneTopic, Name: b.Name, Expires: b.Expires},
		{Topic: TombstoneTopic, Name: b.Name, Value: []byte(`{"at":"2030-01-01T00:00:00Z","expires":30000}`), Expires: b.Expires},
		{Topic: TombstoneTopic, Name: b.Name, Value: s.tombstone(t, f, "other", testDay.Add(time.Hour)).Value, Expires: b.Expires},
	} {
		s.put(t, lie)
		if f.RefreshRevocations(t.Context()); f.Revocations().Len() != 1 {
			t.Errorf("%+v", lie)
		}
	}
}

func TestRemovedRevocationsAreForgottenInTheEnd(t *testing.T) {
	all := map[string]Removal{}
	for n := range maxRemoved {
		all[fmt.Sprint(n)] = Removal{At: testDay.Add(time.Duration(n) * time.Second), Expires: 10}
	}
	if forget(all, 10); len(all) != maxRemoved {
		t.Errorf("%d are left of %d", len(all), maxRemoved)
	}
	all["one more"] = Removal{At: testDay.Add(time.Hour * 100), Expires: 10}
	forget(all, 10)
	if _, oldest := all["0"]; len(all) != maxRemoved || oldest {
		t.Errorf("%d are left, the oldest %t", len(all), oldest)
	}
	if forget(all, 11); len(all) != 0 {
		t.Errorf("%d have expired and are left", len(all))
	}
}

// What makes the log longer is bounded, whatever another user writes.
func TestLostRevocationsAreLoggedOnceAMinute(t *testing.T) {
	s := newShelf(t)
	f := s.view(t)
	b := s.revocation(t, f, testDay)
	s.put(t, b)
	f.RefreshRevocations(t.Context())
	for range 61 {
		if err := s.Withdraw(t.Context(), b.Topic, b.Name); err != nil {
			t.Fatal(err)
		}
		f.RefreshRevocations(t.Context())
		s.now = s.now.Add(time.Second)
	}
	if n := strings.Count(f.log.String(), "the store has lost revocations"); n != 2 {
		t.Errorf("%d lines\n%s", n, f.log.String())
	}
	if f.Revocations().Len() != 1 {
		t.Error("it is lost")
	}
}

// setBack is a store that forgets what it has said may be lost.
type setBack struct {
	store.Store
	complete store.Completeness
	marked   []store.Gap
}

func (s *setBack) Lookup(_ context.Context, _ store.Day, qs []store.Query) (store.Answer, error) {
	return store.Answer{Found: make([]bool, len(qs)), Counts: make([]uint32, len(qs)), Complete: s.complete}, nil
}

func (s *setBack) MarkIncomplete(_ context.Context, g store.Gap) error {
	s.marked = append(s.marked, g)
	return nil
}

func TestAStoreThatWasSetBackIsMarkedIncompleteAgain(t *testing.T) {
	shelf := newShelf(t)
	since := testDay.Add(-time.Hour)
	gap := store.Gap{From: testDay.Add(-30 * time.Minute), Until: testDay.Add(-20 * time.Minute)}
	st := &setBack{Store: shelf.Store, complete: store.Completeness{Since: since, Gaps: []store.Gap{gap}}}
	view := func() *fixture {
		f := start(t, st)
		f.View.history.load(shelf.path, f.View.log)
		return f
	}
	f := view()
	f.refreshCompleteness(t.Context())
	if len(st.marked) != 0 {
		t.Errorf("marked %v", st.marked)
	}
	st.complete = store.Completeness{Since: testDay.AddDate(0, 0, -40)}
	want := []store.Gap{{Until: since}, gap}
	for name, f := range map[string]*fixture{"the daemon that has seen it": f, "the same after a restart": view()} {
		st.marked = nil
		f.refreshCompleteness(t.Context())
		f.refreshCompleteness(t.Context())
		got := f.Completeness()
		if !got.Equal(store.Completeness{Since: since, Gaps: want}) || len(st.marked) != 4 || !slices.EqualFunc(st.marked[:2], want, func(a, b store.Gap) bool { return a.Covers(b) && b.Covers(a) }) {
			t.Errorf("%s: %+v, marked %v", name, got, st.marked)
		}
		if n := strings.Count(f.log.String(), "does not say any more what it has lost"); n != 1 {
			t.Errorf("%s: %d lines", name, n)
		}
	}
	// A start far ahead comes from a clock that was wrong: it is not remembered.
	st.complete = store.Completeness{Since: testDay.AddDate(1, 0, 0)}
	f.refreshCompleteness(t.Context())
	if got := f.History().Complete.Since; !got.Equal(since) {
		t.Errorf("remembered %v", got)
	}
	// A record that has begun anew since does not lack what was before.
	st.complete, st.marked = store.Completeness{Since: testDay}, nil
	f.refreshCompleteness(t.Context())
	if len(st.marked) != 0 || !f.Completeness().Equal(st.complete) {
		t.Errorf("begun anew: %+v, marked %v", f.Completeness(), st.marked)
	}
}

// doubtful is a store that another user writes to.
type doubtful struct {
	store.Store
	doubts store.Doubts
	err    error
}

func (d *doubtful) Doubts() store.Doubts { return d.doubts }

func (d *doubtful) Broadcasts(context.Context, string, store.Day) ([]store.Broadcast, error) {
	return nil, d.err
}

func TestWhatIsNotBelievedIsLoggedOnceAnHour(t *testing.T) {
	shelf := newShelf(t)
	d := &doubtful{Store: shelf.Store, err: fmt.Errorf("redis store: %w", store.ErrCrowded)}
	f := start(t, d)
	f.now = func() time.Time { return shelf.now }
	for range 61 {
		d.doubts.Broadcasts += 200_000
		f.Refresh(t.Context())
		shelf.now = shelf.now.Add(time.Minute)
	}
	for _, text := range []string{"was not written under the hash secret", "the store was filled"} {
		if n := strings.Count(f.log.String(), text); n != 2 {
			t.Errorf("%d lines of %q\n%s", n, text, f.log.String())
		}
	}
	d.doubts.Missing = 3
	f.Refresh(t.Context())
	wantLog(t, f, "records that this host wrote are gone", "samples=3")
}
