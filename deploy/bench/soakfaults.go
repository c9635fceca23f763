package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"syscall"
	"time"
)

// The names of the faults.
const (
	faultRestart = "restart" // Redis ends, by SIGTERM or SIGKILL, and starts again
	faultStop    = "stop"    // Redis is stopped for seconds and goes on
	faultFreeze  = "freeze"  // the disk of daemon and store is frozen for two seconds
	faultReload  = "reload"  // SIGHUP
	faultReset   = "reset"   // the MTA resets its connection in the middle of a message
	faultRotate  = "rotate"  // bouncefilter key rotate
	faultLog     = "log"     // the standard error of the daemon is not read, or slowly
	faultScrape  = "scrape"  // several readers of the metrics at a time
)

// A fault is something that goes wrong again and again during the soak, on a schedule of its own.
type fault struct {
	name  string
	every time.Duration // on average in an hour; a shorter soak has it more often
	most  int           // 0 for no bound
	play  func(ctx context.Context, s *soakSite, random *rand.Rand) error
}

// freezeTime is what a snapshot of a virtual machine takes.
const freezeTime = 2 * time.Second

// mostRotations leaves room among the ten numbers that keys can have.
const mostRotations = 8

// faults are all that have a schedule. That of resets is up to the traffic: they happen in the middle of messages.
func faults(length time.Duration) []fault {
	blocked := min(30*time.Second, length/6)
	return []fault{
		{faultRestart, 3 * time.Minute, 0, func(ctx context.Context, s *soakSite, random *rand.Rand) error {
			with := []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL}[random.IntN(2)]
			return s.redis.restart(ctx, with, between(random, 100*time.Millisecond, 2*time.Second))
		}},
		{faultStop, 2 * time.Minute, 0, func(ctx context.Context, s *soakSite, random *rand.Rand) error {
			return s.redis.pause(ctx, between(random, time.Second, min(5*time.Second, blocked)))
		}},
		{faultFreeze, 90 * time.Second, 0, func(ctx context.Context, s *soakSite, _ *rand.Rand) error {
			if err := s.disk.freeze(); err != nil {
				return fmt.Errorf("freezing: %w", err)
			}
			wait(ctx, freezeTime)
			return s.disk.thaw()
		}},
		{faultReload, time.Minute, 0, func(_ context.Context, s *soakSite, _ *rand.Rand) error { return s.reload() }},
		{faultRotate, 7 * time.Minute, mostRotations, func(ctx context.Context, s *soakSite, _ *rand.Rand) error { return s.rotate(ctx) }},
		{faultLog, 2 * time.Minute, 0, func(ctx context.Context, s *soakSite, random *rand.Rand) error {
			if d := between(random, blocked/6, blocked); random.IntN(2) == 0 {
				s.log.dawdle(ctx, d)
			} else {
				s.log.block(ctx, d)
			}
			return nil
		}},
		{faultScrape, 5 * time.Second, 0, func(ctx context.Context, s *soakSite, _ *rand.Rand) error {
			var readers sync.WaitGroup
			for range 4 {
				readers.Go(func() { _, _ = scrape(ctx, s.http) }) // a sample tells if nobody is answered
			}
			readers.Wait()
			return nil
		}},
	}
}

// faultNames are those that go with a store.
func faultNames(store string) []string {
	names := []string{faultFreeze, faultReload, faultReset, faultRotate, faultLog, faultScrape}
	if store == targetRedis {
		names = append(names, faultRestart, faultStop)
	}
	return names
}

func between(random *rand.Rand, least, most time.Duration) time.Duration {
	return least + time.Duration(random.Int64N(int64(max(1, most-least))))
}

// moments returns when a fault begins during a soak: by its name and the seed, and once at least.
func (f *fault) moments(length time.Duration, seed uint64) []time.Duration {
	name := uint64(0)
	for _, c := range f.name {
		name = name*31 + uint64(c)
	}
	random := rand.New(rand.NewPCG(seed, name))
	every := min(f.every, length/4)
	var all []time.Duration
	for at := between(random, every/4, every); at < length; at += between(random, every*6/10, every*14/10) {
		if f.most > 0 && len(all) == f.most {
			break
		}
		all = append(all, at)
	}
	return all
}

// A faultCount counts the faults that were played.
type faultCount struct {
	mu     sync.Mutex
	total  map[string]int
	recent map[string]int
	errs   []error
}

func newFaultCount() *faultCount {
	return &faultCount{total: map[string]int{}, recent: map[string]int{}}
}

func (c *faultCount) played(name string, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if errors.Is(err, errNotNow) {
		return
	}
	c.total[name]++
	c.recent[name]++
	if err != nil && len(c.errs) < keptErrors {
		c.errs = append(c.errs, fmt.Errorf("fault %s: %w", name, err))
	}
}

// take returns what was played since the last call.
func (c *faultCount) take() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	recent := c.recent
	c.recent = map[string]int{}
	return recent
}

// err returns what went wrong with the faults themselves.
func (c *faultCount) err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return errors.Join(c.errs...)
}

func inWords(counts map[string]int) string {
	words := ""
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		if words != "" {
			words += ", "
		}
		words += fmt.Sprintf("%s %d", name, counts[name])
	}
	return words
}

// playFaults plays all that was asked for until the time is over. It returns when each has been undone.
func playFaults(ctx context.Context, s *soakSite, o soakOptions, c *faultCount) {
	var players sync.WaitGroup
	begun := time.Now()
	for _, f := range faults(o.duration) {
		if !o.plays(f.name) {
			continue
		}
		players.Go(func() {
			random := rand.New(rand.NewPCG(o.seed, uint64(len(f.name))))
			for _, at := range f.moments(o.duration, o.seed) {
				if wait(ctx, time.Until(begun.Add(at))); ctx.Err() != nil {
					return
				}
				c.played(f.name, f.play(ctx, s, random))
			}
		})
	}
	players.Wait()
}
