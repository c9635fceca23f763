package main

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bouncefilter/bouncefilter/store"
	"github.com/bouncefilter/bouncefilter/store/memory"
)

// cutOff is a store that loses the connection while a node sends a heartbeat, and has it again at the end. Meanwhile mail is signed.
type cutOff struct {
	store.Store
	meanwhile atomic.Pointer[func()]
}

func (c *cutOff) Heartbeat(ctx context.Context, n store.Node) error {
	if do := c.meanwhile.Load(); do != nil {
		(*do)()
	}
	return c.Store.Heartbeat(ctx, n)
}

func (c *cutOff) Record(ctx context.Context, today store.Day, domain string, rs ...store.Record) error {
	if c.meanwhile.Load() != nil && domain == "example.com" {
		return store.ErrUnavailable
	}
	return c.Store.Record(ctx, today, domain, rs...)
}

// A heartbeat of a node that has records in its journal does not say that all are written, even if that was so when it began.
func TestAHeartbeatThatMailOvertakesIsNotSent(t *testing.T) {
	w := newWorld(t)
	inner := memory.NewWithClock(w.clock)
	st := &cutOff{Store: inner}
	w.store = st
	c := w.config("node = \"mx1\"\nstore = \"redis://127.0.0.1:1/0\"\n")
	d := w.start("-c", c)
	d.rounds(1)
	seen := func() time.Time {
		ns, err := inner.Nodes(t.Context())
		if err != nil || len(ns) != 1 {
			t.Fatalf("%v, %v", ns, err)
		}
		return ns[0].Seen
	}
	before := seen()
	sign := func() {
		if reply := send(t, d, "user@example.com"); reply != "" {
			t.Errorf("outbound mail: %q", reply)
		}
	}
	st.meanwhile.Store(&sign)
	w.mu.Lock()
	w.now = w.now.Add(time.Second)
	w.mu.Unlock()
	d.rounds(1)
	if got := seen(); !got.Equal(before) {
		t.Error("it has said that the store has everything, and its journal has a record")
	}
	d.stop()
}
