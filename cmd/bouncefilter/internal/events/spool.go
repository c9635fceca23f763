package events

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"sync"
)

// A spool is a file of events that a sink has not taken yet. It begins with a line that says how far the sink has come; the other lines
// are events:
//
//	bouncefilter-events 1 00000000000000000034
//	{"version":1,...}
//
// What was written when the process was killed is kept; a line that was cut is removed when the file is opened. The offset is written
// without waiting for the disk: after a failure of power, a sink gets some events again.
type spool struct {
	path string
	most int // events that may wait

	mu      sync.Mutex
	file    *os.File
	head    int64 // offset: the sink has all before it
	tail    int64 // offset: the end
	waiting int   // events between them
	failed  int64 // offset: where head was when the file could not be replaced last
}

const (
	spoolMagic  = "bouncefilter-events 1 "
	spoolHeader = int64(len(spoolMagic) + 20 + 1) // with the offset and the end of the line
	// spoolChunk is how many octets are read at once: far more than the longest event.
	spoolChunk = 256 << 10
	// spoolSlack is how many octets of events that were taken the file may keep, if others wait.
	spoolSlack = 1 << 20
)

func header(offset int64) []byte { return fmt.Appendf(nil, "%s%020d\n", spoolMagic, offset) }

// openSpool opens or makes the spool at path.
func openSpool(path string, most int) (*spool, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the spool of events: %w", err)
	}
	s := &spool{path: path, most: most, file: file}
	if err := s.recover(); err != nil {
		return nil, errors.Join(fmt.Errorf("open the spool of events %s: %w", path, err), file.Close())
	}
	return s, nil
}

// recover finds out what waits in the file.
func (s *spool) recover() error {
	info, err := s.file.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return errors.New("it is no file")
	}
	first := make([]byte, spoolHeader)
	n, err := s.file.ReadAt(first, 0)
	switch {
	case err != nil && !errors.Is(err, io.EOF):
		return err
	case !bytes.HasPrefix(first[:n], []byte(spoolMagic)[:min(n, len(spoolMagic))]):
		return errors.New("it is no spool of this version; move it away")
	case n < len(first): // new, or the process was killed when it was
		return s.empty()
	}
	s.tail = info.Size()
	s.head, err = strconv.ParseInt(string(first[len(spoolMagic):spoolHeader-1]), 10, 64)
	if err != nil || s.head < spoolHeader || s.head > s.tail {
		s.head = spoolHeader // again rather than never
		if _, err := s.file.WriteAt(header(s.head), 0); err != nil {
			return err
		}
	}
	end := s.head
	r := io.NewSectionReader(s.file, s.head, s.tail-s.head)
	buf := make([]byte, spoolChunk)
	for at := s.head; ; {
		n, err := r.Read(buf)
		if n > 0 {
			s.waiting += bytes.Count(buf[:n], []byte{'\n'})
			if i := bytes.LastIndexByte(buf[:n], '\n'); i >= 0 {
				end = at + int64(i) + 1
			}
			at += int64(n)
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
	}
	if end < s.tail {
		if err := s.file.Truncate(end); err != nil {
			return err
		}
		s.tail = end
	}
	return nil
}

// empty leaves nothing but the header. The file is cut first: an offset behind its end is that of a process which was killed meanwhile.
func (s *spool) empty() error {
	if err := s.file.Truncate(spoolHeader); err != nil {
		return err
	}
	s.head, s.tail, s.waiting, s.failed = spoolHeader, spoolHeader, 0, 0
	_, err := s.file.WriteAt(header(spoolHeader), 0)
	return err
}

// add appends events and waits for the disk. It takes as many as there is room for. With an error it has taken none.
func (s *spool) add(lines [][]byte) (taken int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	taken = min(len(lines), s.most-s.waiting)
	if taken <= 0 {
		return 0, nil
	}
	text := bytes.Join(lines[:taken], nil)
	_, err = s.file.WriteAt(text, s.tail)
	if err == nil {
		err = s.file.Sync()
	}
	if err != nil {
		// What was written of it is behind the end, and is written over or cut.
		return 0, errors.Join(fmt.Errorf("write the spool of events: %w", err), s.file.Truncate(s.tail))
	}
	s.tail += int64(len(text))
	s.waiting += taken
	return taken, nil
}

// next returns the first events that wait, at most n.
func (s *spool) next(n int) ([][]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	buf := make([]byte, min(s.tail-s.head, spoolChunk))
	if len(buf) == 0 {
		return nil, nil
	}
	if _, err := s.file.ReadAt(buf, s.head); err != nil {
		return nil, fmt.Errorf("read the spool of events: %w", err)
	}
	var lines [][]byte
	for len(lines) < n {
		end := bytes.IndexByte(buf, '\n') + 1
		if end == 0 {
			break
		}
		lines, buf = append(lines, buf[:end:end]), buf[end:]
	}
	if len(lines) == 0 { // no event is so long: the disk has damaged the line
		return [][]byte{buf}, nil
	}
	return lines, nil
}

// done notes that the sink has taken these events, which are the first that wait.
func (s *spool) done(lines [][]byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, line := range lines {
		s.head += int64(len(line))
		s.waiting -= bytes.Count(line, []byte{'\n'})
	}
	var err error
	switch {
	case s.head == s.tail:
		err = s.empty()
	case s.head > max(spoolHeader, s.failed)+spoolSlack && s.head-spoolHeader > s.tail-s.head:
		if s.compact() == nil {
			s.failed = 0
			break
		}
		s.failed = s.head // a full disk keeps no event from its sink
		fallthrough
	default:
		_, err = s.file.WriteAt(header(s.head), 0)
	}
	if err != nil {
		return fmt.Errorf("write the spool of events: %w", err)
	}
	return nil
}

// compact replaces the file by one that has only what waits.
func (s *spool) compact() error {
	next, err := os.CreateTemp(filepath.Dir(s.path), filepath.Base(s.path)+".*")
	if err != nil {
		return err
	}
	_, err = next.Write(header(spoolHeader))
	if err == nil {
		_, err = io.Copy(next, io.NewSectionReader(s.file, s.head, s.tail-s.head))
	}
	if err == nil {
		err = next.Sync()
	}
	if err == nil {
		err = os.Rename(next.Name(), s.path)
	}
	if err != nil {
		return errors.Join(err, next.Close(), os.Remove(next.Name()))
	}
	former := s.file
	s.file, s.tail, s.head = next, s.tail-s.head+spoolHeader, spoolHeader
	return former.Close()
}

// length returns how many events wait.
func (s *spool) length() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.waiting
}

func (s *spool) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.file.Close()
}
