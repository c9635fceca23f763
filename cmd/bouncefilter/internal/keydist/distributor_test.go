package keydist

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/config"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/site"
	"github.com/bouncefilter/bouncefilter/store"
	"github.com/bouncefilter/bouncefilter/store/guard"
	"github.com/bouncefilter/bouncefilter/store/memory"
)

// counting counts how often a store is asked for its nodes.
type counting struct {
	store.Store
	nodes int
}

func (c *counting) Nodes(ctx context.Context) ([]store.Node, error) {
	c.nodes++
	return c.Store.Nodes(ctx)
}

// The store is asked once in each round. Only a daemon that has sent no heartbeat yet asks again, for the times that the store has set.
func TestARoundAsksForTheNodesOnce(t *testing.T) {
	now := func() time.Time { return time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC) }
	log := slog.New(slog.DiscardHandler)
	c, problems := config.Load("", config.Flags{Domains: []string{"example.com"}, Store: "redis://127.0.0.1:1/0"}, config.Host{Name: "mx1", StateDir: t.TempDir()})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	if err := site.Prepare(c, now(), log); err != nil {
		t.Fatal(err)
	}
	s, problems := site.LoadUsable(c)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	st := &counting{Store: memory.NewWithClock(now)}
	guard := guard.New(st, guard.Options{Timeout: time.Minute, Logger: log, Now: now})
	t.Cleanup(func() {
		if err := guard.Close(); err != nil {
			t.Error(err)
		}
	})
	d := New(Options{
		Sites: site.NewRunning(s, now, func(*site.Site) {}), Store: st, Guard: guard, Hasher: store.NewHasher([]byte("secret")), Log: log, Now: now, Instance: "this",
	})
	for round, want := range []int{2, 3, 4} {
		d.Round(t.Context())
		if st.nodes != want {
			t.Errorf("after round %d: asked %d times, want %d", round, st.nodes, want)
		}
	}
	if nodes, err := st.Store.Nodes(t.Context()); err != nil || len(nodes) != 1 || nodes[0].Instance != "this" || len(nodes[0].Keys) != 1 {
		t.Errorf("%+v, %v", nodes, err)
	}
}
