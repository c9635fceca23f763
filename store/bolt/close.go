package bolt

import (
	"fmt"
	"time"
)

// closeWait is how long Close waits for bbolt once the file has failed. What it waits for then is a read that is under
// way, which takes milliseconds, or nothing that will ever come.
const closeWait = 250 * time.Millisecond

// Close implements [store.Store]. What was acknowledged before is on disk already.
//
// Of a file that has failed, bbolt may hold locks of its own for good. Close then gives up after closeWait; the lock on the
// file goes with the process, and the next start moves the file aside.
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
		return nil // The failure itself was the answer to every call.
	}
	if err != nil {
		return fmt.Errorf("bolt store %s: close: %w", s.path, err)
	}
	return nil
}
