package view

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bouncefilter/bouncefilter/filter/policy"
	"github.com/bouncefilter/bouncefilter/prvs"
	"github.com/bouncefilter/bouncefilter/store"
	"github.com/bouncefilter/bouncefilter/store/guard"
	"github.com/bouncefilter/bouncefilter/store/memory"
)

func sealed(t *testing.T, h *store.Hasher, r *policy.Revocation) store.Broadcast {
	t.Helper()
	n, err := SealRevocation(h, r)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestRevocationsThatCannotBeUnderstoodAreSkipped(t *testing.T) {
	h := store.NewHasher([]byte("hash secret"))
	good := sealed(t, h, &policy.Revocation{Kind: policy.RevokedKey, Number: 1})
	sealedText := func(value string) store.Broadcast {
		return store.Broadcast{Topic: RevocationTopic, Name: "x", Value: h.Seal(RevocationTopic+"/x", []byte(value))}
	}
	moved := good
	moved.Name = "y"
	for name, n := range map[string]store.Broadcast{
		"garbage":              {Topic: RevocationTopic, Name: "x", Value: []byte("garbage")},
		"nothing":              {Topic: RevocationTopic, Name: "x"},
		"under another name":   moved,
		"under another secret": sealed(t, store.NewHasher([]byte("another")), &policy.Revocation{Kind: policy.RevokedKey, Number: 1}),
		"no JSON":              sealedText("{"),
		"another type":         sealedText(`{"kind":"key","number":"one"}`),
		"kind of the future":   sealedText(`{"kind":"network"}`),
		"no sender":            sealedText(`{"kind":"sender"}`),
		"no key number":        sealedText(`{"kind":"key","number":10}`),
	} {
		skipped := 0
		set := openRevocations(h, []store.Broadcast{n, good}, func(string, error) { skipped++ })
		if set.Len() != 1 || skipped != 1 {
			t.Errorf("%s: %d revocations, %d skipped", name, set.Len(), skipped)
		}
	}
}

// What a wiped store lacks was not removed by an operator: there is no tombstone.
func TestRevocationsThatTheStoreLosesAreWrittenAgain(t *testing.T) {
	for _, tt := range []struct {
		name    string
		removed bool // by an operator
		wiped   bool
		refresh bool // of the completeness, first
		remains int
	}{
		{"wiped", false, true, false, 1},
		{"wiped, and the completeness is refreshed first", false, true, true, 1},
		{"lost", false, false, false, 1},
		{"removed", true, false, false, 0},
		{"removed, and the completeness is refreshed first", true, false, true, 0},
		{"removed before records were lost", true, true, true, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			st := memory.NewWithClock(func() time.Time { return testDay })
			f := start(t, st)
			n := sealed(t, f.hasher, &policy.Revocation{Kind: policy.RevokedSender, Sender: "user@example.com", Until: prvs.DayOf(testDay) + 7, At: testDay})
			n.Expires = store.DayOf(testDay) + 7
			if _, err := st.Publish(t.Context(), n, false); err != nil {
				t.Fatal(err)
			}
			f.Refresh(t.Context())
			if f.Revocations().Len() != 1 {
				t.Fatal("nothing is revoked")
			}
			if tt.removed {
				tombstone, err := SealTombstone(f.hasher, n.Name, Removal{At: testDay, Expires: n.Expires})
				if err != nil {
					t.Fatal(err)
				}
				if _, err := st.Publish(t.Context(), tombstone, false); err != nil {
					t.Fatal(err)
				}
			}
			if err := st.Withdraw(t.Context(), n.Topic, n.Name); err != nil {
				t.Fatal(err)
			}
			if tt.wiped {
				if err := st.MarkIncomplete(t.Context(), store.Gap{Until: testDay.Add(time.Hour)}); err != nil {
					t.Fatal(err)
				}
			}
			if tt.refresh {
				f.refreshCompleteness(t.Context())
			}
			f.RefreshRevocations(t.Context())
			ns, err := st.Broadcasts(t.Context(), RevocationTopic, store.DayOf(testDay))
			if known := f.Revocations().Len(); err != nil || len(ns) != tt.remains || known != tt.remains {
				t.Errorf("%d in the store, %d here, %v; want %d", len(ns), known, err, tt.remains)
			}
			const logged = "level=WARN msg=\"the store has lost revocations: they are written to it again\" ids="
			if got := strings.Contains(f.log.String(), logged); got != (tt.remains > 0) {
				t.Errorf("logged: %t\n%s", got, f.log.String())
			}
		})
	}
}

func TestRevocationsAreAskedForRegularly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := store.NewHasher([]byte("hash secret"))
		st := memory.New()
		g := guard.New(st, guard.Options{})
		v := New(Options{Store: g, Hasher: h, Logger: slog.New(slog.DiscardHandler), Node: "test", Now: time.Now, Ours: func(string) bool { return true }})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { v.Run(ctx, func(bool) {}); close(done) }()
		synctest.Wait()
		n := sealed(t, h, &policy.Revocation{Kind: policy.RevokedKey, Number: 1, Expires: prvs.DayOf(time.Now()) + 1})
		if _, err := st.Publish(ctx, n, false); err != nil {
			t.Fatal(err)
		}
		time.Sleep(revocationInterval)
		synctest.Wait()
		if v.Revocations().Len() != 1 {
			t.Error("not learnt")
		}
		time.Sleep(48 * time.Hour)
		synctest.Wait()
		if v.Revocations().Len() != 0 {
			t.Error("not over")
		}
		cancel()
		<-done
		if err := g.Close(); err != nil {
			t.Error(err)
		}
	})
}
