package guard

import (
	"errors"
	"log/slog"
	"os"
	"sync"
)

// DefaultJournalSize is the default of [Options.JournalSize], in octets: some 500,000 messages.
const DefaultJournalSize = 64 << 20

// journalChunk is how many octets the journal's file reserves at a time. The first chunk is reserved when the file is opened, so
// that a short outage needs no free space on the disk.
const journalChunk = 1 << 20

// Why the journal does not take an entry, or cannot be used.
var (
	errJournalFull    = errors.New("the journal is full")
	errJournalLate    = errors.New("the journal does not get onto disk in time")
	errJournalBroken  = errors.New("the journal could not be written a moment ago")
	errJournalLocked  = errors.New("another process uses it")
	errJournalDamaged = errors.New("entries of the journal cannot be read")
)

// journal is a queue on local disk of the entries that the store did not take. All methods may be called from many goroutines. None waits
// for the disk, except open and read.
//
// One goroutine at a time, the writer, writes. What is added while it writes becomes one commit: it is written together, with one wait
// for the disk.
type journal struct {
	file  *os.File
	limit int64
	wait  *sync.WaitGroup // for the writer
	log   *slog.Logger

	mu      sync.Mutex
	next    *commit // is written next; nil if there is none
	flight  *commit // is being written; nil if there is none
	dropped bool    // flight is given up, see finish
	writing bool    // the writer runs
	late    bool    // a caller gave up waiting for flight
	broken  bool    // writing failed: the content of the file behind tail is not known
	gap     bool    // the mark that the file has, or is to have
	head    int64   // offset: all before it has been replayed
	tail    int64   // offset: all before it is on disk
	entries int     // that wait to be replayed, with those that are not on disk yet
	octets  int64   // of these

	// These belong to the writer.
	reserved int64 // the size of the file
	dirty    bool  // the file has frames
}

// commit is what is written together, with one wait for the disk.
type commit struct {
	frames  []byte
	entries int
	empty   bool          // the journal is emptied first
	mark    bool          // the mark of a gap is made or removed
	done    chan struct{} // closed when the commit is on disk, or err is set
	err     error         // of the frames
}

func (c *commit) hasFrames() bool { return c != nil && len(c.frames) > 0 }

// close closes the file. Entries that wait stay in it.
func (j *journal) close() error { return j.file.Close() }

// waiting returns how many entries wait to be replayed, and their size.
func (j *journal) waiting() (entries int, octets int64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.entries, j.octets
}

// add begins to write e. The entry is on disk once the commit is done without an error.
func (j *journal) add(e entry) (*commit, error) {
	if len(e.domain) > maxDomain {
		return nil, errEntry
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	switch {
	case j.late:
		return nil, errJournalLate
	case j.broken && (j.next == nil || !j.next.empty):
		return nil, errJournalBroken
	}
	c := j.commit()
	used, before := j.tail, len(c.frames)
	if j.flight != nil {
		used += int64(len(j.flight.frames))
	}
	if c.empty {
		used = journalBlock
	}
	frames, n := appendFrames(c.frames, e)
	if used+int64(len(frames)) > j.limit {
		return nil, errJournalFull // c.frames is as long as before
	}
	c.frames = frames
	c.entries += n
	j.entries += n
	j.octets += int64(len(frames) - before)
	return c, nil
}

// mark begins to make the mark of a gap, or to remove it. The channel is closed when that is done. A mark that cannot be made is
// logged.
func (j *journal) mark(gap bool) <-chan struct{} {
	j.mu.Lock()
	defer j.mu.Unlock()
	c := j.commit()
	j.gap, c.mark = gap, true
	return c.done
}

// finish begins to empty the journal and to remove the mark of a gap, and returns a channel that is closed when that is done. If entries
// wait to be replayed, it does nothing and returns nil.
//
// Entries that do not reach a disk which is late do not count: their callers have given up waiting, or get the error errJournalLate.
func (j *journal) finish() <-chan struct{} {
	j.mu.Lock()
	defer j.mu.Unlock()
	queued := j.next.hasFrames()
	if j.head < j.tail || !j.late && (queued || j.flight.hasFrames()) {
		return nil
	}
	c := j.commit()
	if queued {
		c.err = errJournalLate
		close(c.done)
		c = &commit{mark: c.mark, done: make(chan struct{})}
		j.next = c
	}
	c.empty, c.mark = true, c.mark || j.gap
	j.gap = false
	j.dropped = j.flight.hasFrames()
	j.entries, j.octets = 0, 0
	return c.done
}

// giveUp is called by a caller that stops waiting for c. Until the disk answers, no other caller waits for it.
func (j *journal) giveUp(c *commit) {
	j.mu.Lock()
	defer j.mu.Unlock()
	select {
	case <-c.done:
	default:
		j.late = true
	}
}

// isLate says whether the disk has not answered in time, and not since.
func (j *journal) isLate() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.late
}

// flushing returns a channel that is closed when the next entries that are not on disk yet are, or have failed. It is nil if there are none,
// or if the disk is late.
func (j *journal) flushing() <-chan struct{} {
	j.mu.Lock()
	defer j.mu.Unlock()
	switch {
	case j.late:
		return nil
	case j.flight.hasFrames():
		return j.flight.done
	case j.next.hasFrames():
		return j.next.done
	}
	return nil
}

// commit returns the next commit, and starts the writer unless it runs. The caller holds mu.
func (j *journal) commit() *commit {
	if j.next == nil {
		j.next = &commit{done: make(chan struct{})}
	}
	if !j.writing {
		j.writing = true
		j.wait.Go(j.write)
	}
	return j.next
}

// write is the writer. It returns when there is nothing more to write.
func (j *journal) write() {
	for {
		j.mu.Lock()
		c := j.next
		if c == nil {
			j.writing = false
			j.mu.Unlock()
			return
		}
		j.next = nil
		j.flight = c
		at, gap := j.tail, j.gap
		j.mu.Unlock()

		emptied := c.empty && j.dirty && j.truncate() == nil
		if emptied {
			at = journalBlock
		}
		var written bool // some of the file is not known to be on disk
		if len(c.frames) > 0 {
			if c.err = j.reserve(at + int64(len(c.frames))); c.err == nil {
				_, c.err = j.file.WriteAt(c.frames, at)
				written, j.dirty = true, true
			}
		}
		var markErr error
		if c.mark {
			markErr = j.writeMark(gap)
		}
		if written || c.mark || emptied {
			if err := syncData(j.file); err != nil {
				c.err = errors.Join(c.err, err)
				markErr = errors.Join(markErr, err)
			}
		}
		if markErr != nil && gap {
			j.log.Error("cannot mark that records were lost: a crash before the store answers again would hide it",
				"error", markErr)
		}

		j.mu.Lock()
		if emptied {
			j.head, j.tail, j.broken = journalBlock, journalBlock, false
		}
		switch {
		case j.dropped:
			c.err = errors.Join(c.err, errJournalLate)
		case c.err == nil:
			j.tail = at + int64(len(c.frames))
		case len(c.frames) > 0:
			// After a failed write or sync the content of the file behind tail is not known.
			j.broken = j.broken || written
			j.entries -= c.entries
			j.octets -= int64(len(c.frames))
		}
		j.flight, j.late, j.dropped = nil, false, false
		j.mu.Unlock()
		close(c.done)
	}
}

// reserve makes the file at least as long as the offset end, in chunks. Only the writer calls it, and open before there is one.
func (j *journal) reserve(end int64) error {
	if end <= j.reserved {
		return nil
	}
	size := min((end+journalChunk-1)/journalChunk*journalChunk, max(j.limit, end))
	err := allocate(j.file, j.reserved, size)
	if err != nil { // the disk may have less free space than a chunk
		size = end
		err = allocate(j.file, j.reserved, size)
	}
	if err == nil {
		j.reserved = size
	}
	return err
}

// truncate cuts all frames off.
func (j *journal) truncate() error {
	if err := j.file.Truncate(journalBlock); err != nil {
		j.log.Warn("cannot empty the journal: it is replayed once more", "error", err)
		return err
	}
	j.reserved, j.dirty = journalBlock, false
	_ = j.reserve(journalBlock + 1) // the next write tries again
	return nil
}

func (j *journal) writeMark(gap bool) error {
	mark := byte(noGap)
	if gap {
		mark = isGap
	}
	_, err := j.file.WriteAt([]byte{mark}, journalGapAt)
	return err
}

// read returns the next entries that wait to be replayed, in order, with about so many records, and the offset where they end. An
// error says that some before that offset cannot be read.
func (j *journal) read(records int) (entries []entry, end int64, err error) {
	j.mu.Lock()
	end = j.tail // the end of a frame
	f := frames{file: j.file, at: j.head, end: end}
	j.mu.Unlock()
	for records > 0 && f.at < end {
		e, ok := f.next()
		if !ok {
			f.at, f.damaged = end, true
			break
		}
		entries = append(entries, e)
		records -= len(e.records)
	}
	if f.damaged && f.err == nil {
		f.err = errJournalDamaged
	}
	return entries, f.at, f.err
}

// took is called when the store has taken the next entries, so many, which end at the offset end. It says whether less than readAhead is
// left.
func (j *journal) took(entries int, end int64) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.entries = max(0, j.entries-entries)
	j.octets -= end - j.head
	j.head = end
	return j.tail-j.head < readAhead
}

// fill does the work of allocate on file systems without fallocate.
func fill(f *os.File, from, size int64) error {
	_, err := f.WriteAt(make([]byte, size-from), from)
	return err
}
