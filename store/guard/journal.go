package guard

import (
	"errors"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/bouncefilter/bouncefilter/store/internal/timevalue"
)

// DefaultJournalSize is the default of [Options.JournalSize], in octets: some 500,000 messages.
const DefaultJournalSize = 64 << 20

// journalMemory is how many octets of entries may wait in memory for a disk that does not answer: some 60,000 messages. They are lost only
// if there are more, or if the process ends before the disk or the store has taken them.
const journalMemory = 8 << 20

// journalChunk is how many octets the journal's file reserves at a time. The first chunk is reserved when the file is opened, so
// that a short outage needs no free space on the disk.
const journalChunk = 1 << 20

// Why the journal does not take an entry, or cannot be used.
var (
	errJournalFull    = errors.New("the journal is full")
	errJournalLate    = errors.New("the disk of the journal does not answer, and too much waits for it in memory")
	errJournalBroken  = errors.New("the journal could not be written a moment ago")
	errJournalLocked  = errors.New("another process uses it")
	errJournalDamaged = errors.New("entries of the journal cannot be read")
)

// journal is a queue on local disk of the entries that the store did not take. All methods may be called from many goroutines. None waits
// for the disk, except open and read.
//
// An entry waits in memory until the disk has taken it. A disk that does not answer loses nothing: it may be frozen for a moment, as by
// the snapshot of a virtual machine.
//
// One goroutine at a time, the writer, writes. What is added while it writes becomes one commit: it is written together, with one wait
// for the disk.
type journal struct {
	file  *os.File
	limit int64
	wait  *sync.WaitGroup // for the writer
	log   *slog.Logger
	found time.Time     // that an earlier process has left, see alive
	ended func(*commit) // called by the writer when a commit is on disk, or has failed

	mu      sync.Mutex
	next    *commit // is written next; nil if there is none
	flight  *commit // is being written; nil if there is none
	writing bool    // the writer runs
	late    bool    // the disk has not answered a caller in time, and not since
	broken  bool    // writing failed: the content of the file behind tail is not known
	gap     mark    // that the file has, or is to have
	head    int64   // offset: all before it has been replayed
	tail    int64   // offset: all before it is on disk
	emptied int     // how often the journal was emptied: offsets from before say nothing
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
	records int
	since   time.Time     // when the first entry was added
	last    entry         // the last that was added
	taken   bool          // the store has taken the records from memory
	empty   bool          // the journal is emptied first
	mark    bool          // the mark of a gap is made or removed
	alive   time.Time     // is written if it is not zero
	done    chan struct{} // closed when the commit is on disk, or err is set
	err     error         // of the frames
}

// waits says whether records in c are nowhere else yet.
func (c *commit) waits() bool { return c != nil && len(c.frames) > 0 && !c.taken }

// mark is the mark of a gap: set says that there is one, and from when on records were lost; the zero time if that is not known.
type mark struct {
	set  bool
	from time.Time
}

// octets are what the file has of the mark: an octet, and the time, see package timevalue.
func (m mark) octets() []byte {
	if !m.set {
		return timevalue.Append([]byte{noGap}, time.Time{})
	}
	return timevalue.Append([]byte{isGap}, m.from)
}

// parseMark is the inverse of octets.
func parseMark(b []byte) mark {
	if b[0] == noGap {
		return mark{}
	}
	return mark{true, timevalue.Parse(b[1:])}
}

// close closes the file. Entries that wait stay in it. The writer has ended, so that none waits in memory.
func (j *journal) close() error {
	_ = j.writeAlive(time.Time{}) // else the next process takes this one to have been killed, which is safe
	return j.file.Close()
}

// waiting returns how many entries wait to be replayed, and their size.
func (j *journal) waiting() (entries int, octets int64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.entries, j.octets
}

// add begins to write e at the time now. The entry is on disk once the commit is done without an error. late says that the disk does not
// answer at the moment, so that nobody should wait for that.
func (j *journal) add(e entry, now time.Time) (c *commit, late bool, err error) {
	if len(e.domain) > maxDomain {
		return nil, false, errEntry
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.broken && (j.next == nil || !j.next.empty) {
		return nil, false, errJournalBroken
	}
	c = j.commit()
	used, memory, before := j.tail, 0, len(c.frames)
	if j.flight != nil {
		used += int64(len(j.flight.frames))
		memory = len(j.flight.frames)
	}
	if c.empty {
		used = journalBlock
	}
	frames, n := appendFrames(c.frames, e)
	switch {
	case used+int64(len(frames)) > j.limit:
		return nil, false, errJournalFull // c.frames is as long as before
	case j.late && memory+len(frames) > journalMemory:
		return nil, true, errJournalLate
	}
	if c.frames = frames; before == 0 {
		c.since = now
	}
	c.entries += n
	c.records += len(e.records)
	c.last = e
	j.entries += n
	j.octets += int64(len(frames) - before)
	return c, j.late, nil
}

// mark begins to make the mark of a gap, or to remove it. The channel is closed when that is done. A mark that cannot be made is
// logged.
func (j *journal) mark(m mark) <-chan struct{} {
	j.mu.Lock()
	defer j.mu.Unlock()
	c := j.commit()
	j.gap, c.mark = m, true
	return c.done
}

// finish begins to empty the journal and to remove the mark of a gap, and returns a channel that is closed when that is done. If entries
// wait to be replayed, it does nothing and returns nil.
func (j *journal) finish() <-chan struct{} {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.head < j.tail || j.next.waits() || j.flight.waits() {
		return nil
	}
	c := j.commit()
	c.empty, c.mark = true, c.mark || j.gap.set
	j.gap = mark{}
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

// flushing returns a channel that is closed when the next entries that are not on disk yet are, or have failed. It is nil if there are none,
// or if the disk is late.
func (j *journal) flushing() <-chan struct{} {
	j.mu.Lock()
	defer j.mu.Unlock()
	switch {
	case j.late:
		return nil
	case j.flight.waits():
		return j.flight.done
	case j.next.waits():
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
		if c.empty {
			j.head = j.tail // the store has taken all, some of it from memory
			j.emptied++
		}
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
		if !c.alive.IsZero() {
			_ = j.writeAlive(c.alive) // an older one is safe
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
		if markErr != nil && gap.set {
			j.log.Error("cannot mark that records were lost: a crash before the store answers again would hide it",
				"error", markErr)
		}

		j.mu.Lock()
		if emptied {
			j.head, j.tail, j.broken = journalBlock, journalBlock, false
		}
		switch {
		case c.err == nil:
			// What the store has taken meanwhile is replayed once more, unless the journal is emptied next.
			j.tail = at + int64(len(c.frames))
		case len(c.frames) > 0:
			// After a failed write or sync the content of the file behind tail is not known.
			j.broken = j.broken || written
			j.uncount(c.entries, int64(len(c.frames)))
		}
		j.late = false
		lost := c.waits()
		j.mu.Unlock()

		if lost || c.err == nil && len(c.frames) > 0 {
			j.ended(c) // before flight is nil: until then the journal is not finished
		}
		j.mu.Lock()
		j.flight = nil
		j.mu.Unlock()
		close(c.done)
	}
}

// uncount takes entries that do not wait any more from the counts. The caller holds mu.
func (j *journal) uncount(entries int, octets int64) {
	j.entries = max(0, j.entries-entries)
	j.octets = max(0, j.octets-octets)
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

func (j *journal) writeMark(m mark) error {
	_, err := j.file.WriteAt(m.octets(), journalGapAt)
	return err
}

// position is an offset in the file, as long as the journal is not emptied again. The zero position is in no journal.
type position struct {
	offset  int64
	emptied int // see journal
}

// read returns the next entries that wait to be replayed, in order, with about so many records, and the position where they end. An
// error says that some before that position cannot be read. If the journal is emptied meanwhile, there are none.
func (j *journal) read(records int) (entries []entry, end position, err error) {
	j.mu.Lock()
	emptied := j.emptied
	f := frames{file: j.file, at: j.head, end: j.tail} // which is the end of a frame
	j.mu.Unlock()
	for tail := f.end; records > 0 && f.at < tail; {
		e, ok := f.next()
		if !ok {
			f.at, f.damaged = tail, true
			break
		}
		entries = append(entries, e)
		records -= len(e.records)
	}
	if f.damaged && f.err == nil {
		f.err = errJournalDamaged
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.emptied != emptied {
		return nil, position{}, nil
	}
	return entries, position{f.at, emptied}, f.err
}

// took is called when the store has taken the next entries, so many, which end at a position. It says whether less than readAhead is left.
func (j *journal) took(entries int, end position) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.emptied == end.emptied {
		j.uncount(entries, end.offset-j.head)
		j.head = end.offset
	}
	return j.tail-j.head < readAhead
}

// fill does the work of allocate on file systems without fallocate.
func fill(f *os.File, from, size int64) error {
	_, err := f.WriteAt(make([]byte, size-from), from)
	return err
}
