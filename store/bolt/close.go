package bolt

import (
	"fmt"
	"time"
)

// closeWait is how long Close waits for bbolt once the file has failed: for a read that is under way, which takes milliseconds, or for a lock
// that is never released.
const closeWait = 250 * time.Millisecond

// Close implements [store.Store]. What was acknowledged before is on disk already.
//
// When the file has failed, bbolt may never release its locks. Close then gives up after closeWait; the lock on the file ends with the
// process, and the next start moves the file aside.
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
	if s.broken.Load() != nil {
		return nil // every call has returned the failure already
	}
	if err != nil {
		return fmt.Errorf("bolt store %s: close: %w", s.path, err)
	}
	return nil
}
