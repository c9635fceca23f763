package keydist

import (
	"context"
	"log/slog"
	"path/filepath"
	"slices"
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

func noon() time.Time { return time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC) }

// newDistributor makes the Distributor of a daemon with a journal, or without one.
func newDistributor(t *testing.T, st store.Store, journal string) *Distributor {
	log := slog.New(slog.DiscardHandler)
	c, problems := config.Load("", config.Flags{Domains: []string{"example.com"}, Store: "redis://127.0.0.1:1/0"}, config.Host{Name: "mx1", StateDir: t.TempDir()})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	if err := site.Prepare(c, noon(), log); err != nil {
		t.Fatal(err)
	}
	s, problems := site.LoadUsable(c)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	guard := guard.New(st, guard.Options{Timeout: time.Minute, JournalFile: journal, Logger: log, Now: noon})
	t.Cleanup(func() {
		if err := guard.Close(); err != nil {
			t.Error(err)
		}
	})
	return New(Options{
		Sites: site.NewRunning(s, noon, func(*site.Site) {}), Store: st, Guard: guard, Hasher: store.NewHasher([]byte("secret")), Log: log, Now: noon, Instance: "this",
	})
}

// The store is asked once in each round. Only a daemon that has sent no heartbeat yet asks again, for the times that the store has set.
func TestARoundAsksForTheNodesOnce(t *testing.T) {
	st := &counting{Store: memory.NewWithClock(noon)}
	d := newDistributor(t, st, "")
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

// A daemon that was not stopped may have left records in its journal. Its successor, which does not have the journal, must not let them seem
// to be on record.
func TestWhatAnEarlierDaemonHadInAJournalThatIsGoneMayBeMissing(t *testing.T) {
	last := noon().Add(-time.Hour)
	want := store.Gap{From: last.Add(-store.HeartbeatInterval - time.Minute), Until: noon().Add(time.Minute)}
	for _, tt := range []struct {
		name           string
		before         string // the name of the earlier daemon
		stopped, moved bool   // it was; its journal is here
		want           []store.Gap
	}{
		{"its journal is gone", "mx1", false, false, []store.Gap{want}},
		{"its journal is here", "mx1", false, true, nil},
		{"it was stopped", "mx1", true, false, nil},
		{"it is another node", "mx2", false, false, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			now := last
			st := memory.NewWithClock(func() time.Time { return now })
			journal := filepath.Join(t.TempDir(), "store.journal")
			for _, err := range []error{
				st.Record(t.Context(), store.DayOf(now), "example.com"),
				st.Heartbeat(t.Context(), store.Node{Name: tt.before, Instance: "before"}),
			} {
				if err != nil {
					t.Fatal(err)
				}
			}
			if tt.stopped {
				if err := st.RemoveNode(t.Context(), tt.before); err != nil {
					t.Fatal(err)
				}
			}
			if tt.moved {
				if err := guard.New(memory.New(), guard.Options{JournalFile: journal, Logger: slog.New(slog.DiscardHandler)}).Close(); err != nil {
					t.Fatal(err)
				}
			}
			now = noon()
			d := newDistributor(t, st, journal)
			for range 2 {
				d.Round(t.Context())
			}
			a, err := st.Lookup(t.Context(), store.DayOf(now), nil)
			if err != nil || !slices.Equal(a.Complete.Gaps, tt.want) {
				t.Errorf("gaps %v, %v, want %v", a.Complete.Gaps, err, tt.want)
			}
			if nodes, err := st.Nodes(t.Context()); err != nil || !slices.ContainsFunc(nodes, func(n store.Node) bool { return n.Instance == "this" }) {
				t.Errorf("nodes %+v, %v", nodes, err)
			}
		})
	}
}
