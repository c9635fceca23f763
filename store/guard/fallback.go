package guard

import (
	"context"
	"errors"
	"path/filepath"
)

// JournalStats says what a Guard keeps for its store. All numbers but the first two are of records, since the start.
type JournalStats struct {
	Entries int   // messages, or parts of long ones, that wait for the store
	Octets  int64 // of these

	Journalled uint64 // put into the journal
	Replayed   uint64 // written from there to the store
	Lost       uint64 // neither taken by the store nor kept in the journal
}

// Journal says what the Guard keeps for its store. Without a journal all that the store does not take is lost.
func (g *Guard) Journal() JournalStats {
	s := JournalStats{Journalled: g.journalled.Load(), Replayed: g.replayed.Load(), Lost: g.lost.Load()}
	if g.journal != nil {
		s.Entries, s.Octets = g.journal.waiting()
	}
	return s
}

// openJournal opens the journal. It says whether the store has to be told of something.
func (g *Guard) openJournal(path string, size int64) bool {
	if size <= 0 {
		size = DefaultJournalSize
	}
	// Older versions marked a gap with this file, and so do we where there is no journal.
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
			g.gapFile.path = "" // It is not ours: a process that has to do without a journal may make one.
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

// What became of a record that the store did not take.
type fate int

const (
	kept       fate = iota // it is in the journal, on disk
	lost                   // it is not, and that is marked
	takenAgain             // nothing yet: the store takes records again
)

// keep keeps e, which the store did not take because of err, in the journal. It returns once that is on disk, or the mark
// of a gap is, or after the timeout: the message will be signed, so not even a crash may hide that its record is missing.
func (g *Guard) keep(e entry, err error) fate {
	g.mu.Lock()
	if errors.Is(err, errOpen) && g.state.Load() != opened {
		// What is added to the journal after the circuit closed would wait for the next outage.
		g.mu.Unlock()
		return takenAgain
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
			return kept
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

// lose notes that e is lost, because of err if there is a journal. The channel is closed when that is marked on disk. The
// caller holds mu.
func (g *Guard) lose(e entry, err error) <-chan struct{} {
	g.lost.Add(uint64(len(e.records)))
	g.gap, g.retry = true, &e
	if err != nil {
		g.trip("journal", err) // The circuit may have closed while e was on its way to the disk.
		if !g.unkept {
			g.unkept = true
			g.log.Error("the journal does not keep records: they are lost", "error", err)
		}
	}
	return g.mark()
}

// mark sees to it that the gap is marked on disk. The caller holds mu.
func (g *Guard) mark() <-chan struct{} {
	if g.journal == nil {
		return g.gapFile.mark(&g.wait, g.log)
	}
	if g.marked == nil {
		g.marked = g.journal.mark(true)
	}
	return g.marked
}
