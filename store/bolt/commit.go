package bolt

import (
	"context"
	"fmt"
	"runtime/debug"

	"go.etcd.io/bbolt"

	"github.com/bouncefilter/bouncefilter/store"
)

// maxCommit bounds how many writes share a commit, so that the first of them does not wait for long.
const maxCommit = 1024

// write is a change that waits for its commit.
type write struct {
	op    string
	apply func(*bbolt.Tx) error
	err   chan error
}

// update applies a change and waits until it is on disk. If ctx ends first the change may still be made.
func (s *Store) update(ctx context.Context, op string, apply func(*bbolt.Tx) error) error {
	if err := s.usable(ctx, op); err != nil {
		return err
	}
	w := &write{op: op, apply: apply, err: make(chan error, 1)}
	select {
	case s.writes <- w:
	case <-s.failing:
		return s.failed(op, *s.broken.Load())
	case <-ctx.Done():
		return s.failed(op, ctx.Err())
	}
	select {
	case err := <-w.err:
		return err
	case <-s.failing:
		return s.failed(op, *s.broken.Load())
	case <-ctx.Done():
		return s.failed(op, ctx.Err())
	}
}

// commitAll is the writer. It makes the changes until Close, all that wait at a time in one commit. While one commit waits for the disk, the
// next changes queue up; a single change never waits for others.
func (s *Store) commitAll() {
	var group []*write
	for w := range s.writes {
		group = append(group[:0], w)
	gather:
		for len(group) < maxCommit {
			select {
			case w, ok := <-s.writes:
				if !ok {
					break gather
				}
				group = append(group, w)
			default:
				break gather
			}
		}
		s.commit(group)
		clear(group)
	}
}

// commit makes the changes of group in one transaction: all of them or none.
func (s *Store) commit(group []*write) {
	err := s.transact(group)
	for _, w := range group {
		if err != nil {
			w.err <- s.failed(w.op, err)
		} else {
			w.err <- nil
		}
	}
}

func (s *Store) transact(group []*write) error {
	if err := s.broken.Load(); err != nil {
		return *err
	}
	var complete store.Completeness
	err := s.contain(func() error {
		return s.db.Update(func(tx *bbolt.Tx) (err error) {
			for _, w := range group {
				if err := w.apply(tx); err != nil {
					return err
				}
			}
			complete, err = completeness(tx)
			return err
		})
	})
	if err == nil {
		s.complete.Store(&complete)
	}
	return err
}

// view reads from the file. It waits for no writer. If ctx ends first, or the file fails, read may still be running when
// view returns its error, and the caller must not touch what read writes to.
//
// The goroutine costs a few microseconds. Without it, a call that waits for a lock of bbolt's would hang for good when another one panics
// and never releases it.
func (s *Store) view(ctx context.Context, op string, read func(*bbolt.Tx) error) error {
	if err := s.usable(ctx, op); err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() { done <- s.contain(func() error { return s.db.View(read) }) }()
	var err error
	select {
	case err = <-done:
	case <-s.failing:
		err = *s.broken.Load()
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil {
		return s.failed(op, err)
	}
	return nil
}

func (s *Store) usable(ctx context.Context, op string) error {
	if err := ctx.Err(); err != nil {
		return s.failed(op, err)
	}
	if err := s.broken.Load(); err != nil {
		return s.failed(op, *err)
	}
	return nil
}

// contain calls f and turns a panic into an error. bbolt panics on damaged pages. The file is mapped into memory, so that a part of it
// that is gone or cannot be read is a fault of this process.
func (s *Store) contain(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the file is damaged: %v", p)
			if s.broken.CompareAndSwap(nil, &err) {
				close(s.failing)
			}
		}
	}()
	return f()
}

func (s *Store) failed(op string, err error) error {
	return fmt.Errorf("bolt store %s: %s: %w: %w", s.path, op, store.ErrUnavailable, err)
}
