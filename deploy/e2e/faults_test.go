package e2e

import (
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// fault is what happens to a pair of hosts while mail goes out and comes back.
type fault struct {
	name       string
	o          pairOptions
	strike     func(t *testing.T, p *pair) // makes the fault and ends it
	alone      bool                        // nothing else runs meanwhile: times are measured
	complete   bool                        // the record is, afterwards
	refuses    bool                        // unknown messages are refused afterwards, as before
	keyMissing bool                        // a key is missing on a host, which then accepts what it cannot verify
	bounded    bool                        // a message takes the store's timeout longer once, and after that nothing
}

// settles is how long after the end of the fault the last bounce may be accepted that was deferred: the daemons try the store again
// every second, a bounce waits up to 5 seconds until the other host is heard, and an MTA here comes again after 0.4 seconds.
const settles = 10 * time.Second

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
	{name: "Redis takes 200 ms", o: pairOptions{slow: true}, complete: true, refuses: true, strike: func(t *testing.T, p *pair) {
		p.link.delay.Store(int64(100 * time.Millisecond))
		p.load.await(t, outage)
		p.link.delay.Store(0)
	}},
	{name: "wipe", strike: func(t *testing.T, p *pair) {
		if err := p.store.single.Client(t).FlushAll(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		p.load.await(t, outage)
	}},
	{name: "restart without data", strike: func(t *testing.T, p *pair) {
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

// atOnce is how many rows run at the same time. They wait most of it, so those that wait longest come first.
const atOnce = 6

// TestFaults shows for each fault that no genuine bounce is refused, that no mail is lost, and that forgeries are refused.
func TestFaults(t *testing.T) {
	needServers(t)
	bouncefilter(t)
	results := make([]*result, len(faults))
	run := func(i int) {
		f := &faults[i]
		t.Run(f.name, func(t *testing.T) { results[i] = f.run(t) })
	}
	var others sync.WaitGroup
	free := make(chan struct{}, atOnce)
	for i := range faults {
		if faults[i].alone {
			run(i)
		}
	}
	for i := range faults {
		if !faults[i].alone {
			free <- struct{}{}
			others.Go(func() {
				defer func() { <-free }()
				run(i)
			})
		}
	}
	others.Wait()
	var rows []*result
	for _, r := range results {
		if r != nil {
			rows = append(rows, r)
		}
	}
	t.Logf("accepted/deferred/refused:\n%s", table(rows))
}

// run is one row.
func (f *fault) run(t *testing.T) *result {
	begin := time.Now()
	p := newPair(t, f.o)
	ports := p.storePorts(t)
	for _, s := range p.nodes() {
		p.rest[s.daemon] = s.daemon.usage(t, ports)
	}
	l := p.startLoad(t)
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
	r.check(t, f)
	for _, s := range p.nodes() {
		if err := s.daemon.restsAt(t, p.rest[s.daemon], ports); err != nil {
			t.Errorf("%s: %v", filepath.Base(s.dir), err)
		}
	}
	r.took = time.Since(begin)
	return r
}
