package guard

import (
	"time"

	"github.com/bouncefilter/bouncefilter/store/internal/timevalue"
)

// A process that is killed while a disk does not answer takes with it what waits in memory, and cannot mark the gap: the mark would wait for
// the same disk. So a running process writes the time into its journal as long as nothing waits in memory, and one that is closed takes it
// away. A successor that finds an old time there marks the gap. The time is not synced: after a crash of the host the gap is longer than
// it need be, which is safe. The same shows that the disk was set back to a snapshot of a running process.

const (
	// aliveInterval is how often the time is written.
	aliveInterval = 5 * time.Second
	// aliveTimeout is how old the time may be that a process leaves which is killed and started again at once. A disk that does not answer
	// for less, and a crash meanwhile, go unnoticed.
	aliveTimeout = 3 * aliveInterval

	journalAliveAt = 128 // offset of the time, see package timevalue
)

// keepAlive writes the time until the Guard is closed.
func (g *Guard) keepAlive() {
	tick := time.NewTicker(aliveInterval)
	defer tick.Stop()
	for {
		select {
		case <-g.life.Done():
			return
		case <-tick.C:
			g.journal.alive(g.now())
		}
	}
}

// alive begins to write the time now, unless records wait in memory.
func (j *journal) alive(now time.Time) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if !j.late && !j.next.waits() && !j.flight.waits() {
		j.commit().alive = now
	}
}

// writeAlive writes a time, or that the process has closed the journal.
func (j *journal) writeAlive(t time.Time) error {
	_, err := j.file.WriteAt(timevalue.Append(nil, t), journalAliveAt)
	return err
}

// killed returns the mark of what a process may have had in memory that was killed and wrote the time last at the time alive.
func killed(alive, now time.Time) mark {
	if alive.IsZero() || now.Sub(alive) <= aliveTimeout {
		return mark{}
	}
	return mark{set: true, from: alive.Add(-gapMargin)}
}

// with returns a mark for both: of two times the earlier one, which is the zero time if one of them is not known.
func (m mark) with(o mark) mark {
	if !m.set || o.set && o.from.Before(m.from) {
		return o
	}
	return m
}
