package storetest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/bouncefilter/bouncefilter/store"
	"github.com/bouncefilter/bouncefilter/store/guard"
)

// The mail of a site, over eight days: each sender sends spaceEach messages, to correspondents in spaceCorrespondents domains.
const (
	spaceDays           = 8
	spaceEach           = 1_000
	spaceCorrespondents = 40
	spaceCallers        = 256
	spaceLookups        = 100_000
)

// spaceSizes are the numbers of messages that are measured.
var spaceSizes = []int{10_000, 100_000, 1_000_000, 10_000_000}

// BenchmarkSpace records messages as the mail path does, through a [guard.Guard], from many sessions at once, and
// reports what they take: size returns the octets in use. A message leaves a tag with a count (one for each sender and day),
// its Message-ID with a count, and a correspondent (one for each sender and domain). Then bounces of some of them are looked up.
//
// The largest takes some minutes: -bench 'Space/messages=1000000$' measures one.
func BenchmarkSpace(b *testing.B, newStore func(b *testing.B) store.Store, size func() int64) {
	for _, messages := range spaceSizes {
		b.Run(fmt.Sprintf("messages=%d", messages), func(b *testing.B) {
			site := spaceSite{messages: messages, senders: messages / spaceEach, hasher: store.NewHasher([]byte("storetest"))}
			for b.Loop() {
				b.StopTimer()
				s := newStore(b)
				g := guard.New(s, guard.Options{Timeout: time.Minute})
				before := size()
				b.StartTimer()
				took := site.fill(b, g)
				b.StopTimer()
				records := messages + site.senders*(spaceDays+spaceCorrespondents)
				used := float64(size() - before)
				b.ReportMetric(used/float64(messages), "B/message")
				b.ReportMetric(used/float64(records), "B/record")
				b.ReportMetric(float64(messages)/took.Seconds(), "messages/s")
				b.ReportMetric(spaceLookups/site.look(b, g).Seconds(), "lookups/s")
				b.StartTimer()
			}
		})
	}
}

// spaceSite is a site that sends so many messages.
type spaceSite struct {
	messages, senders int
	hasher            *store.Hasher
}

// day returns the day of the nth message. All callers have days in the same order.
func (s *spaceSite) day(n int) store.Day { return today() + store.Day(n/(s.messages/spaceDays)) }

// records returns what the nth message leaves behind.
func (s *spaceSite) records(n int) []store.Record {
	day := s.day(n)
	sender := fmt.Sprintf("user%d@example.com", n%s.senders)
	return []store.Record{
		{Key: s.hasher.Tag(sender, day+7, 0), Expires: day + 7, Count: 1},
		{Key: s.hasher.Message(sender, fmt.Sprintf("%d@example.com", n)), Expires: day + 30, Count: 1},
		{Key: s.hasher.Correspondent(sender, fmt.Sprintf("%d.example", n/s.senders%spaceCorrespondents)), Expires: today() + 30},
	}
}

// each calls f from many callers, with the numbers below n.
func each(n int, f func(n int) error) (time.Duration, error) {
	begin := time.Now()
	errs := make(chan error, spaceCallers)
	var wait sync.WaitGroup
	for c := range spaceCallers {
		wait.Go(func() {
			for i := c; i < n; i += spaceCallers {
				if err := f(i); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	wait.Wait()
	took := time.Since(begin)
	close(errs)
	return took, <-errs
}

func (s *spaceSite) fill(b *testing.B, g *guard.Guard) time.Duration {
	took, err := each(s.messages, func(n int) error { return g.Record(b.Context(), s.day(n), "example.com", s.records(n)...) })
	if err != nil {
		b.Fatal(err)
	}
	return took
}

// look looks up bounces of messages, and checks that their records are found with the right counts.
func (s *spaceSite) look(b *testing.B, g *guard.Guard) time.Duration {
	took, err := each(spaceLookups, func(n int) error {
		n = int(uint64(n) * 7919 % uint64(s.messages))
		rs := s.records(n)
		a, err := g.Lookup(b.Context(), today(), []store.Query{{Key: rs[0].Key, Expires: rs[0].Expires}, {Key: rs[1].Key}, {Key: rs[2].Key}})
		if err == nil && (!a.Found[0] || !a.Found[1] || !a.Found[2] || a.Counts[0] != spaceEach/spaceDays || a.Counts[1] != 1) {
			err = fmt.Errorf("message %d: %+v", n, a)
		}
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	return took
}
