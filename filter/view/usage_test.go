package view

import (
	"context"
	"testing"
	"time"

	"github.com/bouncefilter/bouncefilter/store"
	"github.com/bouncefilter/bouncefilter/store/storetest"
)

// countingStore holds what is recorded.
type countingStore struct {
	storetest.Fake
	calls   int
	records []store.Record
}

func (s *countingStore) Record(_ context.Context, _ store.Day, _ string, rs ...store.Record) error {
	s.calls++
	s.records = append(s.records, rs...)
	return nil
}

// slowStore holds up what is recorded until the test lets it go on.
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

func TestUsageIsWrittenBesideTheMailPath(t *testing.T) {
	st := &slowStore{begun: make(chan struct{}), goOn: make(chan struct{})}
	f := start(t, st)
	n := f.usage
	n.add(1, []store.Record{{Count: 1}})
	<-st.begun
	for range maxUsage + 10 { // no caller waits, and what is too much is dropped
		n.add(1, []store.Record{{Count: 2}})
	}
	go func() {
		for range st.begun {
		}
	}()
	close(st.goOn)
	n.close()
	if len(st.records) != 1+maxUsage || st.calls != 1+maxUsage/usageBatch {
		t.Errorf("%d records in %d calls", len(st.records), st.calls)
	}
	n.add(1, []store.Record{{Count: 3}})
	n.flush()
	if len(st.records) != 1+maxUsage {
		t.Error("something was written after the end")
	}
}

// What the store has not written yet counts already, so that a storm does not outrun it.
func TestUsageCountsAtOnce(t *testing.T) {
	st := &slowStore{begun: make(chan struct{}), goOn: make(chan struct{})}
	st.Answer = storetest.NothingFound(time.Time{})
	f := start(t, st)
	counted, other := store.Key{1}, store.Key{2}
	count := func() [2]uint32 {
		a, err := f.Lookup(t.Context(), 1, store.AnyDay(counted, other))
		if err != nil {
			t.Fatal(err)
		}
		return [2]uint32(a.Counts[:2])
	}
	f.Use(1, []store.Record{{Key: counted, Expires: 2, Count: 1}, {Key: other, Expires: 2}})
	<-st.begun // it is being written
	f.Use(1, []store.Record{{Key: counted, Expires: 3, Count: 2}})
	if got := count(); got != [2]uint32{3, 0} {
		t.Errorf("the counts are %v", got)
	}
	go func() {
		for range st.begun {
		}
	}()
	close(st.goOn)
	f.Flush()
	if got := count(); got != [2]uint32{} { // the store of this test says that it has nothing
		t.Errorf("the counts are %v after they were written", got)
	}
	if len(f.usage.pending) != 0 {
		t.Errorf("%v is kept", f.usage.pending)
	}
}

// overtakenStore answers a lookup as it was before all that is being written is there.
type overtakenStore struct {
	countingStore
	flush func()
}

func (s *overtakenStore) Lookup(context.Context, store.Day, []store.Query) (store.Answer, error) {
	s.flush()
	return storetest.NothingFound(time.Time{}), nil
}

// A count that reaches the store after that has answered is not left out.
func TestUsageCountsWhileItIsWritten(t *testing.T) {
	st := &overtakenStore{}
	f := start(t, st)
	st.flush = f.Flush
	counted := store.Key{1}
	for name, lookup := range map[string]func(context.Context, store.Day, []store.Query) (store.Answer, error){"Lookup": f.Lookup, "LookupStore": f.LookupStore} {
		f.Use(1, []store.Record{{Key: counted, Expires: 2, Count: 1}})
		if a, err := lookup(t.Context(), 1, store.AnyDay(counted)); err != nil || a.Counts[0] != 1 {
			t.Errorf("%s: the counts are %v (%v)", name, a.Counts[:1], err)
		}
	}
}

func TestUsageOfTwoDays(t *testing.T) {
	st := &countingStore{}
	f := start(t, st)
	for day := range store.Day(4) {
		f.usage.add(day, []store.Record{{Count: 1}})
	}
	f.usage.close()
	if st.calls != 4 {
		t.Errorf("%d calls", st.calls)
	}
}

func TestAPanicOfTheStoreLosesUsageAlone(t *testing.T) {
	st := &slowStore{begun: make(chan struct{}, 9), goOn: make(chan struct{}), panics: true}
	close(st.goOn)
	f := start(t, st)
	f.usage.add(1, []store.Record{{Count: 1}})
	f.usage.flush()
	wantLog(t, f, "accepted bounces were not counted")
	if f.panics != 1 {
		t.Error("not counted")
	}
}
