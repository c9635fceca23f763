package main

import (
	"context"
	"encoding/json"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/status"
	"github.com/bouncefilter/bouncefilter/store"
)

func TestADaemonSaysWhichKeysItHas(t *testing.T) {
	w := newWorld(t)
	c := w.config("node = \"mx1.example.com\"\n")
	d := w.start("-c", c)
	nodes := func() []store.Node {
		t.Helper()
		var s status.Status
		if err := json.Unmarshal([]byte(d.status()), &s); err != nil {
			t.Fatal(err)
		}
		return s.Nodes
	}
	d.eventually("the node is in the store", func() bool { return len(nodes()) == 1 })
	n := nodes()[0]
	if n.Name != "mx1.example.com" || n.Skew() != 0 || len(n.Keys) != 1 || !n.Keys[0].Signs || len(n.Keys[0].KeyID) != 16 {
		t.Errorf("got %+v", n)
	}
	if r := w.run("key", "add", "-c", c); r.status != 0 {
		t.Fatal(r)
	}
	d.reload()
	d.eventually("the new key is known", func() bool { return len(nodes()[0].Keys) == 2 })
}

func TestTwoDaemonsWithOneNameTellSo(t *testing.T) {
	const message = `level=ERROR msg="another daemon uses the store under this one's name" node=mx1`
	c := newCluster(t, 2, "")
	c.rounds(4)
	for i, h := range c.hosts {
		if strings.Contains(h.stderr.String(), "under this one's name") {
			t.Errorf("mx%d: a name of its own is called another's:\n%s", i+1, h.stderr.String())
		}
	}
	twin := c.join("")
	if err := os.WriteFile(twin.config, []byte(strings.Replace(mustRead(t, twin.config), `"mx3"`, `"mx1"`, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	twin.stop()
	twin.running = twin.start("-c", twin.config)
	c.rounds(4)
	for _, h := range []*host{c.hosts[0], twin} {
		contains(t, "log", h.stderr.String(), message)
	}
	if strings.Contains(c.hosts[1].stderr.String(), "under this one's name") {
		t.Errorf("mx2 has no twin:\n%s", c.hosts[1].stderr.String())
	}
}

// failing is a store that takes no records but answers other calls, like a cluster one of whose masters is down.
type failing struct {
	store.Store
	now atomic.Bool
}

func (s *failing) Record(ctx context.Context, today store.Day, domain string, rs ...store.Record) error {
	if s.now.Load() {
		return store.ErrUnavailable
	}
	return s.Store.Record(ctx, today, domain, rs...)
}

// A daemon stops with records that the store has not taken. From its silence the others learn that records of its mail may be missing.
func TestADaemonThatStopsWithRecordsInItsJournalIsNotForgotten(t *testing.T) {
	c := newCluster(t, 2, "")
	st := &failing{Store: c.store}
	h := c.hosts[1]
	h.stop()
	h.store = st
	h.running = h.start("-c", h.config)
	c.rounds(1)
	st.now.Store(true)
	if reply := send(t, h.running, "user@example.com"); reply != "" {
		t.Fatal(reply)
	}
	h.stop()
	contains(t, "log", h.stderr.String(), "stopped before the store had all records")
	if got := h.keys(c); got == "" {
		t.Error("it has left without a trace")
	}
	st.now.Store(false)
	h.running = h.start("-c", h.config)
	h.stop()
	if got := h.keys(c); got != "" {
		t.Errorf("it has written its records, and is waited for all the same: %q", got)
	}
}
