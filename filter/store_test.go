package filter

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/bouncefilter/bouncefilter/store"
	"github.com/bouncefilter/bouncefilter/store/memory"
	"github.com/bouncefilter/bouncefilter/store/storetest"
)

func TestNotIssued(t *testing.T) {
	for _, tt := range []struct {
		name     string
		complete time.Time // since when; zero: the store vouches for nothing
		wantCode byte
		log      string
	}{
		{"complete record does not know the tag", testDay.AddDate(0, 0, -60), 'y', "reason=not-issued action=defer"},
		{"record does not reach back far enough", testDay.AddDate(0, 0, -10), 'a', "reason=grace action=accept would_be=not-issued"},
		{"store that vouches for nothing", time.Time{}, 'a', "reason=grace action=accept would_be=not-issued"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := startWith(t, &storetest.Fake{Answer: storetest.NothingFound(tt.complete)}, nil, nil)
			f.server.view.RefreshRecord(t.Context())
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
	const keyCheckDays = 30
	ctx := t.Context()
	st := &completeStore{Store: memory.New(), since: testDay.AddDate(0, 0, -60)}
	first := startWith(t, st, nil, nil)
	bounce := func(f *fixture, to string) byte {
		_, r := f.outsideMTA().message("<>", to)
		return r.code
	}
	if got := bounce(first, signedUser); got != 'a' {
		t.Errorf("before the first check: %c", got)
	}
	st.firstErr = store.ErrUnavailable
	first.server.view.RefreshRecord(ctx)
	if first.server.view.Snapshot().Verified {
		t.Error("the record is relied upon before it is known since when domains have been signing")
	}
	st.firstErr = nil
	first.server.view.RefreshRecord(ctx)
	if !st.marked.After(testDay) {
		t.Error("a record of unknown origin was not begun anew")
	}
	st.since = testDay.AddDate(0, 0, -60)
	if got := bounce(first, signedUser); got != 'y' {
		t.Errorf("tag that is not on record: %c", got)
	}
	// A second host, without the secret of the first.
	st.marked = time.Time{}
	second := startWith(t, st, nil, func(o *Options) { o.Hasher = store.NewHasher([]byte("another secret")) })
	for day := range 100 {
		second.setClock(testDay.AddDate(0, 0, day+1))
		second.server.view.RefreshRecord(ctx)
		verified := second.server.view.Snapshot().Verified
		if verified != (day > keyCheckDays) {
			t.Fatalf("after %d days: %v", day, verified)
		}
		if verified {
			break // the first host is long gone, and the record began anew
		}
		if day == 0 { // the first host goes on for a while
			first.setClock(second.now())
			first.server.view.RefreshRecord(ctx)
			if !first.server.view.Snapshot().Verified {
				t.Fatal("the first host does not know its own store")
			}
			if got := bounce(second, signedUser); got != 'a' {
				t.Errorf("bounce at the second host: %c", got)
			}
			if got, want := st.marked, (store.DayOf(second.now()) + 1).Time(); !got.Equal(want) {
				t.Errorf("the first host takes the record for complete since %v, and lacks what the second one signs until tomorrow", got)
			}
		}
	}
	if st.marked.IsZero() {
		t.Error("the record was not begun anew")
	}
	wantLog(t, second, "reason=grace action=accept would_be=not-issued", "level=ERROR msg=\"the hash secret is not the one")
}

// completeStore claims a record that is complete since a given time, until it is marked as incomplete.
type completeStore struct {
	store.Store
	since, marked time.Time
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

func (s *completeStore) MarkIncomplete(_ context.Context, g store.Gap) error {
	s.since, s.marked = g.Until, g.Until
	return nil
}

func TestStoreFailureCostsNoMail(t *testing.T) {
	st := &storetest.Fake{Err: fmt.Errorf("down: %w", store.ErrUnavailable)}
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
