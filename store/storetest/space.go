package storetest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/bouncefilter/bouncefilter/store"
)

// What a site sends that sends a million messages in eight days.
const (
	spaceMessages       = 1_000_000
	spaceDays           = 8
	spaceSenders        = 1_000
	spaceCorrespondents = 40 // domains that a sender writes to
	spaceCallers        = 256
)

// BenchmarkSpace records a million messages as the mail path does, through a [store.Guard], from many sessions at once, and
// reports what they take: size returns the octets in use. A message leaves a tag with a count (one for each sender and day),
// its Message-ID with a count, and a correspondent (one for each sender and domain).
func BenchmarkSpace(b *testing.B, newStore func(b *testing.B) store.Store, size func() int64) {
	h := store.NewHasher([]byte("storetest"))
	for b.Loop() {
		b.StopTimer()
		s := newStore(b)
		g := store.NewGuard(s, store.GuardOptions{Timeout: time.Minute})
		before := size()
		b.StartTimer()
		begin := time.Now()
		var wait sync.WaitGroup
		for c := range spaceCallers {
			wait.Go(func() {
				for n := c; n < spaceMessages; n += spaceCallers {
					if err := g.Record(b.Context(), spaceDay(n), "example.com", spaceRecords(h, n)...); err != nil {
						b.Error(err)
						return
					}
				}
			})
		}
		wait.Wait()
		took := time.Since(begin)
		b.StopTimer()
		records := spaceMessages + spaceSenders*spaceDays + spaceSenders*spaceCorrespondents
		used := float64(size() - before)
		b.ReportMetric(used/spaceMessages, "B/message")
		b.ReportMetric(used/float64(records), "B/record")
		b.ReportMetric(spaceMessages/took.Seconds(), "messages/s")
		checkSpace(b, g, h)
		b.StartTimer()
	}
}

// spaceDay returns the day of the nth message. All callers have days in the same order.
func spaceDay(n int) store.Day { return today() + store.Day(n/(spaceMessages/spaceDays)) }

// spaceRecords returns what the nth message leaves behind.
func spaceRecords(h *store.Hasher, n int) []store.Record {
	day := spaceDay(n)
	sender := fmt.Sprintf("user%d@example.com", n%spaceSenders)
	return []store.Record{
		{Key: h.Tag(sender, day+7, 0), Expires: day + 7, Count: 1},
		{Key: h.Message(sender, fmt.Sprintf("%d@example.com", n)), Expires: day + 30, Count: 1},
		{Key: h.Correspondent(sender, fmt.Sprintf("%d.example", n/spaceSenders%spaceCorrespondents)), Expires: today() + 30},
	}
}

// checkSpace makes sure that what was measured is what was meant.
func checkSpace(b *testing.B, g *store.Guard, h *store.Hasher) {
	for n := 0; n < spaceMessages; n += spaceMessages / 100 {
		rs := spaceRecords(h, n)
		qs := store.AnyDay(rs[0].Key, rs[1].Key, rs[2].Key)
		a, err := g.Lookup(b.Context(), today(), qs)
		if err != nil {
			b.Fatal(err)
		}
		if !a.Found[0] || !a.Found[1] || !a.Found[2] || a.Counts[0] != spaceMessages/spaceDays/spaceSenders || a.Counts[1] != 1 {
			b.Fatalf("message %d: %+v", n, a)
		}
	}
}
