// Package pace measures how slow a busy machine is while a test runs.
//
// A test that holds a promised time, such as a timeout, adds to it what the machine takes at the same time for the steps between:
// [Meter.Allow]. Nothing else in a test should bound real time, but for a deadline that ends a test which hangs.
package pace

import (
	"os/exec"
	"sync"
	"testing"
	"time"
)

// A Meter watches the machine from Start to the end of a test.
type Meter struct {
	mu      sync.Mutex
	slowest time.Duration
	begun   time.Time // of the step that is being measured
}

// pause is between two steps that are measured.
const pause = 25 * time.Millisecond

// Start starts a Meter. It ends with the test.
func Start(t testing.TB) *Meter {
	t.Helper()
	m := &Meter{}
	m.step(t)
	done := make(chan struct{})
	var wait sync.WaitGroup
	wait.Go(func() {
		for {
			m.begin()
			select {
			case <-done:
				return
			case <-time.After(pause):
			}
			m.end(pause)
			m.step(t)
		}
	})
	t.Cleanup(func() {
		close(done)
		wait.Wait()
	})
	return m
}

// step measures how long the smallest step takes that involves another process: to start one that does nothing, and to learn that it
// has ended.
func (m *Meter) step(t testing.TB) {
	m.begin()
	if err := exec.Command("true").Run(); err != nil {
		t.Errorf("true: %v", err)
	}
	m.end(0)
}

func (m *Meter) begin() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.begun = time.Now()
}

// end ends a step that was to take so long, and takes longer on a busy machine.
func (m *Meter) end(due time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.slowest = max(m.slowest, time.Since(m.begun)-due)
}

// Slowest returns how long the slowest step has taken, the one that has not ended included: some milliseconds on an idle machine.
func (m *Meter) Slowest() time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	return max(m.slowest, time.Since(m.begun)-pause)
}

// Allow returns the promised time and what so many steps may take at the pace of this machine.
func (m *Meter) Allow(promised time.Duration, steps int) time.Duration {
	return promised + time.Duration(steps)*m.Slowest()
}
