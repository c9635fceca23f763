package guard_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/bouncefilter/bouncefilter/store"
	"github.com/bouncefilter/bouncefilter/store/guard"
	"github.com/bouncefilter/bouncefilter/store/memory"
)

// While the store fails, records wait in the journal, and a Lookup fails at once.
func Example() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)

	backend := &flaky{Store: memory.New()} // a store whose calls can be made to fail
	g := guard.New(backend, guard.Options{
		Timeout:     time.Second,
		Probe:       time.Millisecond,
		JournalFile: filepath.Join(dir, "store.journal"),
		Logger:      slog.New(slog.DiscardHandler),
	})
	defer g.Close()

	ctx, today := context.Background(), store.DayOf(time.Now())
	tag := store.Record{Key: store.Key{1}, Expires: today + 7, Count: 1}

	backend.fail(errDown, "")
	fmt.Println("record:", g.Record(ctx, today, "example.com", tag))
	fmt.Println("waits for the store:", g.Journal().Entries)
	_, err = g.Lookup(ctx, today, store.AnyDay(tag.Key))
	fmt.Println("lookup:", errors.Is(err, store.ErrUnavailable))

	backend.fail(nil, "")
	for !g.Available() { // the prober brings the journal to the store
		time.Sleep(time.Millisecond)
	}
	answer, err := g.Lookup(ctx, today, store.AnyDay(tag.Key))
	fmt.Println("found:", answer.Found[0], err)
	fmt.Println("replayed:", g.Journal().Replayed, "lost:", g.Journal().Lost)

	// Output:
	// record: <nil>
	// waits for the store: 1
	// lookup: true
	// found: true <nil>
	// replayed: 1 lost: 0
}
