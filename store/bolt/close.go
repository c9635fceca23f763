package bolt

import (
	"fmt"
	"os"
	"syscall"
	"time"
)

// closeWait is how long Close waits for bbolt once the file has failed. What it waits for then is a read that is under
// way, which takes milliseconds, or nothing that will ever come.
const closeWait = 250 * time.Millisecond

// Close implements [store.Store]. What was acknowledged before is on disk already.
//
// A file that has failed is closed as well, after closeWait at most, and its lock is released: the next Open, in this
// process or another, can then move it aside.
func (s *Store) Close() error {
	s.end()
	s.janitor.Wait()
	close(s.writes)
	closed := make(chan error, 1)
	go func() {
		s.writer.Wait()
		closed <- s.contain(s.db.Close)
	}()
	var err error
	select {
	case err = <-closed:
	case <-s.failing:
		select {
		case <-closed:
		case <-time.After(closeWait):
		}
	}
	unlockErr := s.unlock()
	if s.broken.Load() != nil {
		err = unlockErr // The failure itself was the answer to every call.
	}
	if err != nil {
		return fmt.Errorf("bolt store %s: close: %w", s.path, err)
	}
	return nil
}

// openFile opens a file for bbolt and keeps what unlock needs.
func (s *Store) openFile(name string, flag int, mode os.FileMode) (*os.File, error) {
	file, err := os.OpenFile(name, flag, mode)
	if err != nil {
		return nil, err
	}
	syscall.ForkLock.RLock()
	fd, err := syscall.Dup(int(file.Fd()))
	if err == nil {
		syscall.CloseOnExec(fd)
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("%s: second descriptor: %w", name, err)
	}
	s.file, s.lock = file, os.NewFile(uintptr(fd), name)
	return file, nil
}

// unlock releases the lock on the file, whatever state bbolt is in.
//
// After a panic bbolt may hold locks of its own for good, and then its Close never gets to the lock on the file. Closing
// the descriptor would not release that one either, because bbolt's map of the file in memory refers to the same open
// file, and only bbolt could remove it. (It stays until the process ends.) So the lock is released by name, after bbolt
// was cut off from the file: whatever it may still be up to, it is not to write where it has no lock.
func (s *Store) unlock() error {
	err := s.cutOff()
	if unlockErr := syscall.Flock(int(s.lock.Fd()), syscall.LOCK_UN); err == nil {
		err = unlockErr
	}
	if closeErr := s.lock.Close(); err == nil {
		err = closeErr
	}
	return err
}

// cutOff makes bbolt's descriptor, if it is still open, one of a file that cannot be written. To close it under bbolt
// would be a race: its number could be that of another file by the time bbolt uses it.
func (s *Store) cutOff() error {
	conn, err := s.file.SyscallConn()
	if err != nil {
		return err
	}
	// An error of Control means that bbolt has closed the file.
	_ = conn.Control(func(fd uintptr) {
		var null *os.File
		if null, err = os.Open(os.DevNull); err == nil {
			err = replace(int(null.Fd()), int(fd))
			_ = null.Close()
		}
	})
	return err
}
