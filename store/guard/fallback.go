package guard

import (
	"errors"
	"path/filepath"
	"time"
)

// JournalStats describes the journal. All numbers but the first two count records since the start of the process.
type JournalStats struct {
	Entries int   // messages, or parts of long ones, that wait for the store, on disk or in memory
	Octets  int64 // the size of these entries

	Journalled uint64 // written to the journal
	Replayed   uint64 // written from the journal to the store
	Lost       uint64 // neither in the store nor in the journal nor in memory
}

// Journal describes the journal. Without one, only Lost is ever other than 0.
func (g *Guard) Journal() JournalStats {
	s := JournalStats{Journalled: g.journalled.Load(), Replayed: g.replayed.Load(), Lost: g.lost.Load()}
	if g.journal != nil {
		s.Entries, s.Octets = g.journal.waiting()
	}
	return s
}

// openJournal opens the journal. It says whether an earlier process has left records or the mark of a gap.
func (g *Guard) openJournal(path string, size int64) bool {
	if size <= 0 {
		size = DefaultJournalSize
	}
	// A process that cannot use the journal marks a gap with this file.
	g.gapFile.path = filepath.Join(filepath.Dir(path), gapFileName)
	left := g.gapFile.read()
	marked := left.set
	j, gone, missing, err := openJournal(path, size, &g.wait, g.log, g.written)
	g.newJournal = missing
	if err != nil {
		g.log.Error("the journal cannot be used: what the store does not take is lost", "error", err)
		gone = mark{set: !missing}
	} else {
		g.journal = j
		if !marked {
			g.gapFile.path = "" // A process without the journal may make one later; that file is not this Guard's to remove.
		}
	}
	left = left.with(gone)
	waiting, octets := 0, int64(0)
	if j != nil {
		waiting, octets = j.waiting()
		if m := killed(j.found, g.now()); m.set {
			g.log.Warn("the process before was killed, or the disk was set back: records of the time since may be lost", "since", m.from)
			left = left.with(m)
		}
		_ = j.writeAlive(g.now()) // or the next time
	}
	if waiting > 0 {
		g.log.Info("records wait for the store from before this start", "entries", waiting, "octets", octets)
	}
	if left.set {
		g.log.Warn("records were lost before this start", "journal", path)
		g.mu.Lock()
		g.widenGap(left.from)
		g.mark()
		g.mu.Unlock()
	}
	return left.set || waiting > 0
}

// outcome is what became of an entry that the store did not take.
type outcome int

const (
	journalled outcome = iota // the journal has it on disk
	waiting                   // it waits in memory, for a disk that does not answer
	lost                      // it is nowhere, and the gap is marked
	again                     // nothing yet: the circuit has left the state open, and the store is to be tried again
)

// divert writes e, which the store did not take because of err, to the journal. It returns once the entry is on disk, or the mark of the
// gap is, or after the timeout. The message will be signed.
func (g *Guard) divert(e entry, err error) outcome {
	g.mu.Lock()
	if errors.Is(err, errOpen) && g.state.Load() != open {
		// An entry that is added after the circuit has closed would wait for the next outage.
		g.mu.Unlock()
		return again
	}
	g.trip("record", err)
	var c *commit
	var late bool
	var notAdded error
	now := g.now()
	if g.journal != nil {
		c, late, notAdded = g.journal.add(e, now)
	}
	if g.journal == nil || notAdded != nil {
		marked := g.lose(e, len(e.records), now, notAdded)
		g.mu.Unlock()
		if !late { // Not even a crash may hide that the record is missing.
			await(marked, g.timeout)
		}
		return lost
	}
	g.mu.Unlock()
	if late {
		return waiting
	}
	timer := time.NewTimer(g.timeout)
	defer timer.Stop()
	select {
	case <-timer.C:
		g.giveUp(c)
		return waiting
	case <-c.done:
	}
	if c.err == nil {
		return journalled
	}
	g.mu.Lock()
	marked := g.marked
	g.mu.Unlock()
	if marked != nil { // by written
		select {
		case <-marked:
		case <-timer.C:
		}
	}
	return lost
}

// giveUp stops waiting for a disk that does not answer.
func (g *Guard) giveUp(c *commit) {
	g.journal.giveUp(c)
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.journalLate {
		g.journalLate = true
		g.log.Warn("the disk of the journal does not answer: records wait in memory", "timeout", g.timeout)
	}
}

// written is called by the journal when a commit is on disk, or has failed.
func (g *Guard) written(c *commit) {
	if c.err == nil {
		g.journalled.Add(uint64(c.records))
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.lose(c.last, c.records, c.since, c.err)
}

// lose counts records as lost, the first of which came at the time since and the last of which are those of e, because of err if there is
// a journal, and marks the gap. The channel is closed when the mark is on disk. The caller holds mu.
func (g *Guard) lose(e entry, records int, since time.Time, err error) <-chan struct{} {
	g.lost.Add(uint64(records))
	g.widenGap(since.Add(-gapMargin - 2*g.timeout)) // They were made before the store and the journal were tried.
	g.retry = &e
	if err != nil {
		g.trip("journal", err) // The circuit may have closed while e was on its way to the disk.
		if !g.journalFailing {
			g.journalFailing = true
			g.log.Error("the journal does not take records: they are lost", "error", err)
		}
	}
	return g.mark()
}

// widenGap notes that records were lost since from, the zero time if that is not known. They may have waited for long in memory, so that
// from may be earlier than what was lost and marked before. The caller holds mu.
func (g *Guard) widenGap(from time.Time) {
	if g.gap && !from.Before(g.lostSince) {
		return
	}
	g.gap, g.lostSince, g.marked = true, from, nil
}

// mark begins to mark the gap on disk, unless that has begun already. The channel is closed when it is done. The caller holds mu.
func (g *Guard) mark() <-chan struct{} {
	if g.journal == nil {
		return g.gapFile.mark(g.lostSince, &g.wait, g.log)
	}
	if g.marked == nil {
		g.marked = g.journal.mark(mark{true, g.lostSince})
	}
	return g.marked
}
