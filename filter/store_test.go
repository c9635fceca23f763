package filter

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bouncefilter/bouncefilter/store"
	"github.com/bouncefilter/bouncefilter/store/memory"
)

func TestNotIssued(t *testing.T) {
	for _, tt := range []struct {
		name     string
		memory   time.Time // zero: the store has none
		wantCode byte
		log      string
	}{
		{"complete record does not know the tag", testDay.AddDate(0, 0, -60), 'y', "reason=not-issued action=defer"},
		{"record does not reach back far enough", testDay.AddDate(0, 0, -10), 'a', "reason=grace action=accept would_be=not-issued"},
		{"store without memory", time.Time{}, 'a', "reason=grace action=accept would_be=not-issued"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := startWith(t, &fakeStore{answer: store.Answer{Found: []bool{false}, Complete: store.Completeness{Since: tt.memory}}}, nil, nil)
			f.server.witnessed.Store(true)
			stage, r := f.outsideMTA().message("<>", signedUser)
			if stage != "end" || r.code != tt.wantCode {
				t.Errorf("%s: %c %s", stage, r.code, r.text)
			}
			wantLog(t, f, tt.log)
		})
	}
}

// With another hash secret nothing is found in a store that claims to be complete.
func TestAnotherHashSecretTurnsNoGenuineBounceAway(t *testing.T) {
	ctx := t.Context()
	st := &completeStore{Store: memory.New(), since: testDay.AddDate(0, 0, -60)}
	f := startWith(t, st, nil, nil)
	bounce := func(to string) byte {
		_, r := f.outsideMTA().message("<>", to)
		return r.code
	}
	if got := bounce(signedUser); got != 'a' {
		t.Errorf("before the first check: %c", got)
	}
	st.firstErr = store.ErrUnavailable
	f.server.checkWitness(ctx)
	if f.server.witnessed.Load() {
		t.Error("the record is relied upon before it is known since when domains have been signing")
	}
	st.firstErr = nil
	f.server.checkWitness(ctx)
	if !st.forgot.After(testDay) {
		t.Error("a record of unknown origin was not begun anew")
	}
	st.since = testDay.AddDate(0, 0, -60)
	if got := bounce(signedUser); got != 'y' {
		t.Errorf("tag that is not on record: %c", got)
	}
	// A second host, without the secret of the first.
	st.forgot = time.Time{}
	own := f.server.hasher
	f.server.hasher = store.NewHasher([]byte("another secret"))
	for day := range 100 {
		f.setClock(testDay.AddDate(0, 0, day+1))
		f.server.checkWitness(ctx)
		if f.server.witnessed.Load() != (day > witnessDays) {
			t.Fatalf("after %d days: %v", day, f.server.witnessed.Load())
		}
		if day > witnessDays {
			break // the first host is long gone, and the record began anew
		}
		other := f.server.hasher // the first host goes on for a while
		if day == 0 {
			f.server.hasher, f.server.summary.witness = own, 0
			f.server.checkWitness(ctx)
			if !f.server.witnessed.Load() {
				t.Fatal("the first host does not know its own store")
			}
			f.server.hasher, f.server.summary.witness = other, 0
			f.server.checkWitness(ctx)
			if got := bounce(signedUser); got != 'a' {
				t.Errorf("bounce at the second host: %c", got)
			}
			if got, want := st.forgot, (store.DayOf(f.now()) + 1).Time(); !got.Equal(want) {
				t.Errorf("the first host takes the record for complete since %v, and lacks what the second one signs until tomorrow", got)
			}
		}
	}
	if st.forgot.IsZero() {
		t.Error("the record was not begun anew")
	}
	wantLog(t, f, "reason=grace action=accept would_be=not-issued", "level=ERROR msg=\"the hash secret is not the one")
}

// completeStore claims a record that is complete since a given time, until it is told to forget.
type completeStore struct {
	store.Store
	since, forgot time.Time
	firstErr      error
}

func (s *completeStore) FirstSigned(ctx context.Context) (map[string]store.Day, error) {
	if s.firstErr != nil {
		return nil, s.firstErr
	}
	return s.Store.FirstSigned(ctx)
}

func (s *completeStore) Lookup(ctx context.Context, today store.Day, qs []store.Query) (store.Answer, error) {
	a, err := s.Store.Lookup(ctx, today, qs)
	a.Complete.Since = s.since
	return a, err
}

func (s *completeStore) MarkIncomplete(_ context.Context, at time.Time) error {
	s.since, s.forgot = at, at
	return nil
}

func TestStoreFailureCostsNoMail(t *testing.T) {
	st := &fakeStore{err: fmt.Errorf("down: %w", store.ErrUnavailable)}
	f := startWith(t, st, nil, nil)
	if _, r := f.outsideMTA().message("<>", signedUser); r.code != 'a' {
		t.Errorf("genuine bounce: %c %s", r.code, r.text)
	}
	wantLog(t, f, "reason=valid action=accept tag_key=1 tag_expires=2026-11-30 method=signature")
	m := f.dial()
	m.auth = "user"
	m.connect(outsider, 40123)
	_, r := m.message("<user@example.com>", "<friend@example.org>")
	wantMods(t, r.mods, "e "+signedUser)
	if _, r := f.outsideMTA().message("<>", "<user@example.com>"); r.code != 'y' {
		t.Errorf("forged bounce: %c", r.code)
	}
}

// fakeStore answers what it is told to.
type fakeStore struct {
	store.Store
	answer store.Answer
	first  map[string]store.Day
	nodes  []store.Node
	alive  atomic.Bool // all nodes say so again and again
	err    error
	panics bool
	forgot time.Time

	said atomic.Int64

	notices []store.Broadcast
}

func (s *fakeStore) Record(context.Context, store.Day, string, ...store.Record) error { return s.err }
func (s *fakeStore) Lookup(context.Context, store.Day, []store.Query) (store.Answer, error) {
	if s.panics {
		panic("store bug")
	}
	return s.answer, s.err
}
func (s *fakeStore) MarkIncomplete(_ context.Context, at time.Time) error {
	if s.err == nil {
		s.forgot = at
	}
	return s.err
}
func (s *fakeStore) FirstSigned(context.Context) (map[string]store.Day, error) {
	return maps.Clone(s.first), s.err
}
func (s *fakeStore) Count(context.Context, []store.Counter) error { return s.err }
func (s *fakeStore) Nodes(context.Context) ([]store.Node, error) {
	ns := slices.Clone(s.nodes)
	if s.alive.Load() {
		said := time.Duration(s.said.Add(int64(store.HeartbeatInterval)))
		for i := range ns {
			ns[i].Seen = ns[i].Seen.Add(said)
		}
	}
	return ns, s.err
}
func (s *fakeStore) Ping(context.Context) error { return s.err }
func (s *fakeStore) Close() error               { return nil }
func (s *fakeStore) Broadcasts(context.Context, string, store.Day) ([]store.Broadcast, error) {
	return s.notices, s.err
}

// countingStore keeps what it is told to record.
type countingStore struct {
	fakeStore
	calls   int
	records []store.Record
}

func (s *countingStore) Record(_ context.Context, _ store.Day, _ string, rs ...store.Record) error {
	s.calls++
	s.records = append(s.records, rs...)
	return nil
}
