package e2e

import (
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/bouncefilter/bouncefilter/store/storetest/pace"
)

// defaultStoreTimeout is store_timeout where it is not configured.
const defaultStoreTimeout = 250 * time.Millisecond

// fault is what happens to a pair of hosts while mail goes out and comes back.
type fault struct {
	name       string
	o          pairOptions
	strike     func(t *testing.T, p *pair) // makes the fault and ends it
	alone      bool                        // no other test runs meanwhile: times are measured
	complete   bool                        // the record is, afterwards
	refuses    bool                        // unknown messages are refused afterwards, as before
	keyMissing bool                        // a key is missing on a host, which then accepts what it cannot verify
	least      int                         // forged bounces in a hundred that are refused an hour later, if not 95
	bounded    bool                        // a message takes the store's timeout longer once, and after that nothing
}

// settles is how long after the end of the fault the last bounce may be accepted that was deferred: the daemons try the store again
// every second, for as long as its timeout, a bounce waits up to 5 seconds for a heartbeat of the other host, and an MTA here comes again
// after 0.4 seconds. At the most settleSteps processes have to do something for it, one after the other.
const (
	settles     = 10*time.Second + 2*storeTimeout
	settleSteps = 100
)

// outage is how long the store is away in most rows, in messages that go out meanwhile.
const outage = 12

var faults = []fault{
	{name: "Redis hangs", alone: true, bounded: true, complete: true, strike: func(t *testing.T, p *pair) {
		p.store.single.Pause(t)
		p.load.await(t, outage)
		p.store.single.Resume(t)
	}},
	{name: "Redis takes 10 s", o: pairOptions{slow: true}, alone: true, bounded: true, complete: true, strike: func(t *testing.T, p *pair) {
		p.link.delay.Store(int64(5 * time.Second))
		p.load.await(t, outage)
		p.link.delay.Store(0)
	}},
	{name: "key rotation", complete: true, refuses: true, strike: rotate},
	{name: "killed while it is replayed", o: pairOptions{slow: true}, complete: true, refuses: true, strike: killWhileReplaying},
	{name: "signing host cut off", o: pairOptions{cut: "out"}, complete: true, refuses: true, strike: cutOffSigner},
	{name: "receiving host cut off", o: pairOptions{cut: "in"}, complete: true, refuses: true, strike: func(t *testing.T, p *pair) {
		p.island.cut(t)
		p.load.await(t, outage)
		p.island.join(t)
	}},
	{name: "Redis hangs, disk full", o: pairOptions{tmpfs: true}, strike: fillDisk},
	{name: "daemons killed in messages", complete: true, refuses: true, strike: killInMessages},
	{name: "killed while the journal grows", complete: true, refuses: true, strike: killWhileWriting},
	{name: "signing host a day ahead", o: pairOptions{ahead: "out"}, complete: true, refuses: true, strike: nothing},
	{name: "receiving host a day ahead", o: pairOptions{ahead: "in"}, complete: true, refuses: true, strike: nothing},
	{name: "new key missing", complete: true, refuses: true, keyMissing: true, strike: missNewKey},
	{name: "key unreadable", complete: true, refuses: true, keyMissing: true, strike: loseKey},
	{name: "Redis takes 200 ms", o: pairOptions{slow: true, timeout: defaultStoreTimeout}, complete: true, refuses: true, strike: func(t *testing.T, p *pair) {
		p.link.delay.Store(int64(100 * time.Millisecond))
		p.load.await(t, outage)
		p.link.delay.Store(0)
	}},
	{name: "wipe", least: 85, strike: func(t *testing.T, p *pair) {
		if err := p.store.single.Client(t).FlushAll(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		p.load.await(t, outage)
	}},
	{name: "restart without data", least: 85, strike: func(t *testing.T, p *pair) {
		p.store.single.Kill(t)
		p.load.await(t, outage)
		p.store.single.Start(t)
	}},
	{name: "Sentinel failover", o: pairOptions{store: startWatched}, strike: func(t *testing.T, p *pair) {
		former := p.store.sentinels.Current(t)
		former.Kill(t)
		p.store.sentinels.AwaitFailover(t, former)
		p.load.await(t, 1)
	}},
	{name: "Cluster master killed", o: pairOptions{store: startCluster}, strike: func(t *testing.T, p *pair) {
		p.store.cluster.Masters(t)[0].Kill(t)
		p.store.cluster.AwaitComplete(t)
		p.load.await(t, 1)
	}},
}

// TestFaults shows for each fault that no genuine bounce is refused, that no mail is lost, and that forgeries are refused. Rows wait
// most of the time; those that wait longest come first.
func TestFaults(t *testing.T) {
	t.Parallel()
	runFaults(t, false)
}

// TestFaultsAlone does so for faults of which times are measured: no other test of this package runs meanwhile.
func TestFaultsAlone(t *testing.T) { runFaults(t, true) }

func runFaults(t *testing.T, alone bool) {
	needServers(t)
	bouncefilter(t)
	results := make([]*result, len(faults))
	t.Cleanup(func() {
		rows := slices.DeleteFunc(results, func(r *result) bool { return r == nil })
		t.Logf("accepted/deferred/refused:\n%s", table(rows))
	})
	for i := range faults {
		if f := &faults[i]; f.alone == alone {
			t.Run(f.name, func(t *testing.T) {
				if !alone {
					t.Parallel()
				}
				results[i] = f.run(t)
			})
		}
	}
}

// run is one row.
func (f *fault) run(t *testing.T) *result {
	begin := time.Now()
	meter := pace.Start(t)
	p := newPair(t, f.o)
	ports := p.storePorts(t)
	for _, s := range p.nodes() {
		p.rest[s.daemon] = s.daemon.usage(t, ports)
	}
	l := p.startLoad(t, f.bounded)
	l.await(t, 8)
	eventually(t, "a message that was never sent is refused at both hosts", func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.tally.unknown[before].refused >= 3
	})
	l.begin()
	f.strike(t, p)
	l.over()
	l.await(t, 4)
	if f.refuses {
		eventually(t, "a message that was never sent is refused again", func() bool {
			l.mu.Lock()
			defer l.mu.Unlock()
			return l.tally.unknown[after].refused >= 2
		})
	}
	r := p.finish(t, f.name)
	r.check(t, f, meter)
	for _, s := range p.nodes() {
		if err := s.daemon.restsAt(t, p.rest[s.daemon], ports); err != nil {
			t.Errorf("%s: %v", filepath.Base(s.dir), err)
		}
	}
	if !f.complete {
		for _, s := range p.nodes() {
			eventually(t, "the daemon knows that records are lost", func() bool { return s.daemon.metric(t, "bouncefilter_store_last_gap_end_timestamp_seconds") > 0 })
		}
	}
	r.later = p.anHourLater(t)
	r.checkLater(t, f)
	r.step, r.took = meter.Slowest(), time.Since(begin)
	return r
}
