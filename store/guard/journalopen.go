package guard

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"github.com/bouncefilter/bouncefilter/store/internal/timevalue"
)

// openJournal opens the journal at path, or makes one. With an error, missing says that there was none.
//
// lost is set if the file has the mark of a gap, or if some of it cannot be read.
func openJournal(path string, limit int64, wait *sync.WaitGroup, log *slog.Logger, ended func(*commit)) (j *journal, lost mark, missing bool, err error) {
	if _, err := os.Lstat(path); os.IsNotExist(err) {
		missing = true
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, mark{}, missing, fmt.Errorf("journal: %w", err)
	}
	j = &journal{file: file, limit: limit, wait: wait, log: log, ended: ended}
	if lost, err = j.open(path); err != nil {
		_ = file.Close()
		return nil, mark{}, missing, fmt.Errorf("journal %s: %w", path, err)
	}
	return j, lost, missing, nil
}

func (j *journal) open(path string) (lost mark, err error) {
	if err := syscall.Flock(int(j.file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); errors.Is(err, syscall.EWOULDBLOCK) {
		return mark{}, errJournalLocked
	} else if err != nil {
		return mark{}, os.NewSyscallError("flock", err)
	}
	info, err := j.file.Stat()
	if err != nil {
		return mark{}, err
	}
	if !info.Mode().IsRegular() {
		return mark{}, errors.New("not a file")
	}
	j.reserved = info.Size()
	head := make([]byte, min(j.reserved, journalBlock))
	if _, err := j.file.ReadAt(head, 0); err != nil && len(head) > 0 {
		return mark{}, err
	}
	j.head, j.tail = journalBlock, journalBlock
	body := frames{file: j.file, at: journalBlock, end: j.reserved}
	switch {
	case isZero(head) && body.tail() == nothing: // new, or the host crashed while it was being made
		return mark{}, j.create(path)
	case len(head) < journalBlock || string(head[:len(journalMagic)]) != journalMagic:
		return mark{}, errors.New("not a journal that this version can read")
	}
	j.gap = parseMark(head[journalGapAt:])
	j.found = timevalue.Parse(head[journalAliveAt:])
	return j.recover(path)
}

// create makes an empty journal.
func (j *journal) create(path string) error {
	head := make([]byte, journalBlock)
	copy(head, journalMagic)
	copy(head[journalGapAt:], mark{}.octets())
	if _, err := j.file.WriteAt(head, 0); err != nil {
		return err
	}
	j.reserved = journalBlock
	_ = j.reserve(journalBlock + 1) // the next write tries again
	if err := j.file.Sync(); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// recover counts the entries in the file, and cuts off what was being written when the process or the host crashed.
func (j *journal) recover(path string) (lost mark, err error) {
	f := frames{file: j.file, at: journalBlock, end: j.reserved}
	for {
		at := f.at
		if _, ok := f.next(); !ok {
			break
		}
		j.entries++
		j.octets += f.at - at
		j.dirty = true
	}
	rest := f.tail()
	if f.err != nil {
		return mark{}, f.err
	}
	j.tail = f.at
	if f.damaged || rest == unreadable {
		j.log.Error("entries of the journal cannot be read: they are lost", "journal", path)
	}
	if f.damaged || rest == unreadable {
		// The mark comes first: the cut removes the only other sign of the loss. When the records were made is not known.
		j.gap = mark{set: true}
		if err := errors.Join(j.writeMark(j.gap), syncData(j.file)); err != nil {
			return mark{}, err
		}
	}
	if rest == nothing {
		return j.gap, nil
	}
	j.log.Warn("the end of the journal is cut off", "torn", rest == torn, "octets", j.reserved-j.tail)
	if err := j.file.Truncate(j.tail); err != nil {
		return mark{}, err
	}
	j.reserved = j.tail
	_ = j.reserve(j.tail + 1)
	return j.gap, syncData(j.file)
}
