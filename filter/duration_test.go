package filter

import (
	"context"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bouncefilter/bouncefilter/filter/internal/filtertest"
	"github.com/bouncefilter/bouncefilter/store"
	"github.com/bouncefilter/bouncefilter/store/memory"
)

// slowStore takes its time, by the clock of the test: to record outbound mail, and to look up what a bounce names.
type slowStore struct {
	store.Store
	f     *fixture
	asked time.Duration // so long in all
}

func (s *slowStore) take() {
	const pause = 50 * time.Millisecond
	s.f.mu.Lock()
	s.f.clock = s.f.clock.Add(pause)
	s.asked += pause
	s.f.mu.Unlock()
}

func (s *slowStore) Record(ctx context.Context, today store.Day, domain string, rs ...store.Record) error {
	if domain != "" { // not the use of a proof, which is recorded beside the mail path
		s.take()
	}
	return s.Store.Record(ctx, today, domain, rs...)
}

func (s *slowStore) Lookup(ctx context.Context, today store.Day, qs []store.Query) (store.Answer, error) {
	s.take()
	return s.Store.Lookup(ctx, today, qs)
}

// duration returns the duration in the log's only line with some text.
func (f *fixture) duration(text string) time.Duration {
	f.t.Helper()
	found := regexp.MustCompile(`.*`+regexp.QuoteMeta(text)+`.* duration=(\S+)`).FindAllStringSubmatch(f.log.String(), -1)
	if len(found) != 1 {
		f.t.Fatalf("%d lines with %q:\n%s", len(found), text, f.log)
	}
	d, err := time.ParseDuration(found[0][1])
	if err != nil {
		f.t.Fatal(err)
	}
	return d
}

// The duration in the log has the time that the store takes at the end of the message.
func TestDurationHasTheStore(t *testing.T) {
	for _, tt := range []struct {
		name, log string
		send      func(f *fixture)
	}{
		{"outbound", "msg=outbound", func(f *fixture) {
			f.sendMailNow("<user@example.com>", "<friend@example.org>", sentText)
		}},
		{"bounce to a tag", "msg=bounce", func(f *fixture) { f.outsideMTA().deliver("<>", signedUser, dsnText(sentID)) }},
		{"bounce without a tag", "msg=bounce", func(f *fixture) { f.outsideMTA().deliver("<>", "<user@example.com>", dsnText("other@example.com")) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			st := &slowStore{Store: memory.NewWithClock(func() time.Time { return testDay })}
			f := startWith(t, st, nil, nil)
			st.f = f
			tt.send(f)
			if d := f.duration(tt.log); d == 0 || d != st.asked {
				t.Errorf("duration %v, while the store took %v:\n%s", d, st.asked, f.log)
			}
		})
	}
}

// The duration has every event of the message: the clock goes on by a millisecond whenever it is looked at, which is at the beginning and
// at the end of each, and for the log.
func TestDurationHasReading(t *testing.T) {
	var looks atomic.Int64
	f := startWith(t, memory.NewWithClock(func() time.Time { return testDay }), nil, func(o *Options) {
		o.Clock = func() time.Time { return testDay.Add(time.Duration(looks.Add(1)) * time.Millisecond) }
	})
	m := f.outsideMTA()
	m.deliver("<>", "<user@example.com>", filtertest.ReturnedMail{}.String()+strings.Repeat(strings.Repeat("x", 76)+"\n", 200<<10/77))
	const others = 4 // MAIL, RCPT, DATA and the end of the message
	if d, events := f.duration("msg=bounce"), m.headers+m.body+others; d < time.Duration(events)*time.Millisecond || m.body < 3 {
		t.Errorf("duration %v of %d headers, %d pieces of the body and %d other events", d, m.headers, m.body, others)
	}
}
