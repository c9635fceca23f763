package store_test

import (
	"context"
	"fmt"
	"time"

	"github.com/bouncefilter/bouncefilter/store"
	"github.com/bouncefilter/bouncefilter/store/memory"
)

// A daemon records a message when it signs it, and looks the message up when a bounce of it arrives.
func Example() {
	ctx := context.Background()
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	s := memory.NewWithClock(func() time.Time { return now })
	defer s.Close()
	h := store.NewHasher([]byte("32 random octets in a real site."))

	// A message to two recipients leaves: its tag expires in seven days, and so does the record.
	today := store.DayOf(now)
	expires := today + 7
	tag := store.Record{Key: h.Tag("user@example.com", expires, 1), Expires: expires, Count: 2}
	if err := s.Record(ctx, today, "example.com", tag); err != nil {
		fmt.Println(err)
	}

	// Two days later a bounce arrives.
	answer, err := s.Lookup(ctx, today+2, []store.Query{{Key: h.Tag("user@example.com", expires, 1), Expires: expires}})
	if err != nil {
		fmt.Println(err)
	}
	fmt.Println("found:", answer.Found[0], "recipients:", answer.Counts[0])
	fmt.Println("complete since:", answer.Complete.Since)

	// Output:
	// found: true recipients: 2
	// complete since: 2026-11-23 12:00:00 +0000 UTC
}

// Keys show no addresses, and keys under another hash secret match none of them.
func ExampleHasher() {
	h := store.NewHasher([]byte("32 random octets in a real site."))
	other := store.NewHasher([]byte("32 other octets of another site."))

	key := h.Message("user@example.com", "1@example.com")
	fmt.Println(len(key), "octets")
	fmt.Println("same message:", key == h.Message("user@example.com", "1@example.com"))
	fmt.Println("another sender:", key == h.Message("friend@example.com", "1@example.com"))
	fmt.Println("another secret:", key == other.Message("user@example.com", "1@example.com"))
	fmt.Println(h)

	// Output:
	// 16 octets
	// same message: true
	// another sender: false
	// another secret: false
	// store.Hasher(secret hidden)
}

// A broadcast that only the nodes of the site must read is sealed.
func ExampleHasher_Seal() {
	h := store.NewHasher([]byte("32 random octets in a real site."))
	box := h.Seal("keys/3", []byte("a new signing key"))

	value, err := h.Open("keys/3", box)
	fmt.Printf("%s, %v\n", value, err)
	_, err = h.Open("keys/4", box)
	fmt.Println(err)

	// Output:
	// a new signing key, <nil>
	// the value was sealed under another hash secret, or for another use
}

// After a loss of records the store says of which time some may be missing, and what it still has is found.
func ExampleRecords_markIncomplete() {
	ctx := context.Background()
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	var records store.Records = memory.NewWithClock(func() time.Time { return now })
	h := store.NewHasher([]byte("32 random octets in a real site."))

	today := store.DayOf(now)
	key := h.Message("user@example.com", "1@example.com")
	if err := records.Record(ctx, today, "example.com", store.Record{Key: key, Expires: today + 30}); err != nil {
		fmt.Println(err)
	}
	if err := records.MarkIncomplete(ctx, store.Gap{From: now.Add(time.Hour), Until: now.Add(2 * time.Hour)}); err != nil {
		fmt.Println(err)
	}
	answer, err := records.Lookup(ctx, today, store.AnyDay(key))
	if err != nil {
		fmt.Println(err)
	}
	fmt.Println("found:", answer.Found[0])
	fmt.Println("complete since:", answer.Complete.Since.Format(time.TimeOnly), "but for", answer.Complete.Gaps)

	// Output:
	// found: true
	// complete since: 12:00:00 but for [2026-11-23T13:00:00Z to 2026-11-23T14:00:00Z]
}
