package guard

import (
	"context"
	"errors"
	"path/filepath"
)

// JournalStats describes the journal. All numbers but the first two count records since the start of the process.
type JournalStats struct {
	Entries int   // messages, or parts of long ones, that wait for the store
	Octets  int64 // the size of these entries

	Journalled uint64 // written to the journal
	Replayed   uint64 // written from the journal to the store
	Lost       uint64 // neither in the store nor in the journal
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
	gap := g.gapFile.exists()
	j, gone, missing, err := openJournal(path, size, &g.wait, g.log)
	if err != nil {
		g.log.Error("the journal cannot be used: what the store does not take is lost", "error", err)
		gap = gap || !missing
	} else {
		g.journal = j
		gap = gap || gone
		if !g.gapFile.exists() {
			g.gapFile.path = "" // A process without the journal may make one later; that file is not this Guard's to remove.
		}
	}
	waiting, octets := 0, int64(0)
	if j != nil {
		waiting, octets = j.waiting()
	}
	if waiting > 0 {
		g.log.Info("records wait for the store from before this start", "entries", waiting, "octets", octets)
	}
	if gap {
		g.log.Warn("records were lost before this start", "journal", path)
		g.mu.Lock()
		g.gap = true
		g.mark()
		g.mu.Unlock()
	}
	return gap || waiting > 0
}

// outcome is what became of an entry that the store did not take.
type outcome int

const (
	journalled outcome = iota // the journal has it on disk
	lost                      // it is nowhere, and the gap is marked
	again                     // nothing yet: the circuit has left the state open, and the store is to be tried again
)

// divert writes e, which the store did not take because of err, to the journal. It returns once the entry is on disk, or the mark of the
// gap is, or after the timeout: the message will be signed, so not even a crash may hide that its record is missing.
func (g *Guard) divert(e entry, err error) outcome {
	g.mu.Lock()
	if errors.Is(err, errOpen) && g.state.Load() != open {
		// An entry that is added after the circuit has closed would wait for the next outage.
		g.mu.Unlock()
		return again
	}
	g.trip("record", err)
	if g.journal == nil {
		marked := g.lose(e, nil)
		g.mu.Unlock()
		await(marked, g.timeout)
		return lost
	}
	c, err := g.journal.add(e)
	if err != nil {
		marked := g.lose(e, err)
		g.mu.Unlock()
		if !g.journal.isLate() {
			await(marked, g.timeout)
		}
		return lost
	}
	g.mu.Unlock()

	late, cancel := context.WithTimeout(context.Background(), g.timeout)
	defer cancel()
	select {
	case <-c.done:
		if err = c.err; err == nil {
			g.journalled.Add(uint64(len(e.records)))
			return journalled
		}
	case <-late.Done():
		g.journal.giveUp(c)
		err = errJournalLate
	}
	g.mu.Lock()
	marked := g.lose(e, err)
	g.mu.Unlock()
	select {
	case <-marked:
	case <-late.Done():
	}
	return lost
}

// lose counts e as lost, because of err if there is a journal, and marks the gap. The channel is closed when the mark is on disk. The
// caller holds mu.
func (g *Guard) lose(e entry, err error) <-chan struct{} {
	g.lost.Add(uint64(len(e.records)))
	g.gap, g.retry = true, &e
	if err != nil {
		g.trip("journal", err) // The circuit may have closed while e was on its way to the disk.
		if !g.journalFailing {
			g.journalFailing = true
			g.log.Error("the journal does not take records: they are lost", "error", err)
		}
	}
	return g.mark()
}

// mark begins to mark the gap on disk, unless that has begun already. The channel is closed when it is done. The caller holds mu.
func (g *Guard) mark() <-chan struct{} {
	if g.journal == nil {
		return g.gapFile.mark(&g.wait, g.log)
	}
	if g.marked == nil {
		g.marked = g.journal.mark(true)
	}
	return g.marked
}
