package bolt

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
	bbolterrors "go.etcd.io/bbolt/errors"

	"github.com/bouncefilter/bouncefilter/store"
)

// lockWait is how long Open waits for another process to close the file: at a restart the old process may still be ending.
const lockWait = time.Second

// ErrInUse is wrapped by the error of Open on a file that another process has open.
var ErrInUse = errors.New("another process has the file open")

// errDamaged is wrapped by errors about the content of the file.
var errDamaged = errors.New("the file is damaged")

var errNoBucket = fmt.Errorf("%w: a bucket is missing", errDamaged)

// open opens the file. A damaged one is moved aside, once, and replaced.
func (s *Store) open(warn func(string)) error {
	if err := os.MkdirAll(filepath.Dir(s.path), 0o700); err != nil {
		return fmt.Errorf("bolt store %s: %w", s.path, err)
	}
	err := s.openOnce()
	if !errors.Is(err, errDamaged) || s.leaveDamaged {
		return err
	}
	aside := s.path + ".damaged-" + s.now().UTC().Format("20060102T150405Z")
	if renameErr := os.Rename(s.path, aside); renameErr != nil {
		return fmt.Errorf("%w; moving it aside failed: %w", err, renameErr)
	}
	warn(fmt.Sprintf("%v; moved it to %s and started a new one: earlier records are lost, and no bounce is "+
		"refused for want of them", err, aside))
	return s.openOnce()
}

// openOnce opens the file as it is.
func (s *Store) openOnce() error {
	s.broken.Store(nil)
	s.failing = make(chan struct{})
	if err := s.examine(); err != nil {
		return fmt.Errorf("bolt store %s: %w", s.path, err)
	}
	err := s.contain(func() (err error) {
		s.db, err = bbolt.Open(s.path, 0o600, &bbolt.Options{
			Timeout:      lockWait,
			FreelistType: bbolt.FreelistMapType, // The default slows down with the size of what was dropped.
			NoStatistics: true,
		})
		return err
	})
	switch {
	case err == nil:
	case errors.Is(err, bbolterrors.ErrTimeout):
		return fmt.Errorf("bolt store %s: %w", s.path, ErrInUse)
	case s.broken.Load() != nil, errors.Is(err, bbolterrors.ErrInvalid), errors.Is(err, bbolterrors.ErrChecksum),
		errors.Is(err, bbolterrors.ErrVersionMismatch):
		return fmt.Errorf("bolt store %s: %w: %w", s.path, errDamaged, err)
	default:
		return fmt.Errorf("bolt store %s: %w", s.path, err)
	}
	if err := s.load(); err != nil {
		if s.broken.Load() == nil {
			_ = s.db.Close()
		}
		if isNonsense(err) {
			return fmt.Errorf("bolt store %s: %w: %w", s.path, errDamaged, err)
		}
		return fmt.Errorf("bolt store %s: %w", s.path, err)
	}
	return nil
}

// isNonsense says whether the content of the file has led bbolt to an offset that no file has. bbolt finds some of them itself, with an
// error that does not come from the system; the system refuses others as beyond the largest file (EFBIG), which a store does not reach
// unless the size of files is limited (setrlimit(2)).
func isNonsense(err error) bool {
	var of *fs.PathError
	var errno syscall.Errno
	switch {
	case !errors.As(err, &of):
		return false
	case !errors.As(err, &errno):
		return true
	}
	return errno == syscall.EFBIG && !sizeIsLimited()
}

// sizeIsLimited says whether files of this process have a largest size of its own.
func sizeIsLimited() bool {
	var limit syscall.Rlimit
	return syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit) != nil || limit.Cur < math.MaxInt64
}

// load creates missing buckets and reads the file from end to end, so that damage shows now, when the file can be moved aside, and not
// while mail is waiting. It takes about 50 ms for a million records.
func (s *Store) load() error {
	err := s.contain(func() error {
		return s.db.Update(func(tx *bbolt.Tx) error {
			for _, name := range [][]byte{bucketMeta, bucketRecords, bucketDomains, bucketCounters, bucketHours, bucketNotes, bucketBroadcasts} {
				if _, err := tx.CreateBucketIfNotExists(name); err != nil {
					return err
				}
			}
			meta := tx.Bucket(bucketMeta)
			switch v := string(meta.Get(keyFormat)); v {
			case format:
			case "":
				if err := meta.Put(keyFormat, []byte(format)); err != nil {
					return err
				}
			default:
				return fmt.Errorf("the file has format %q, this version knows %s: another version of bouncefilter wrote it", v, format)
			}
			complete, err := completeness(tx)
			if err != nil {
				return err
			}
			s.complete.Store(&complete)
			return errors.Join(readPeriods(tx.Bucket(bucketRecords), time.DateOnly, store.KeySize),
				readPeriods(tx.Bucket(bucketCounters), time.DateOnly, 0), readPeriods(tx.Bucket(bucketHours), hourLayout, 0))
		})
	})
	if s.broken.Load() != nil {
		return fmt.Errorf("%w: %w", errDamaged, err)
	}
	return err
}

// readPeriods reads all of a bucket of days or hours, whose keys have the given size unless that is 0. bbolt's pages have no checksums, but keys that
// were overwritten are no longer in order, and a lookup would miss some of them.
func readPeriods(periods *bbolt.Bucket, layout string, size int) error {
	return periods.ForEach(func(name, v []byte) error {
		b := periods.Bucket(name)
		if _, err := time.Parse(layout, string(name)); err != nil || v != nil || b == nil {
			return fmt.Errorf("%w: there is no day or hour %q", errDamaged, name)
		}
		var last []byte
		return b.ForEach(func(k, _ []byte) error {
			if size > 0 && len(k) != size {
				return fmt.Errorf("%w: a key of %s has %d octets", errDamaged, name, len(k))
			}
			if last != nil && bytes.Compare(last, k) >= 0 {
				return fmt.Errorf("%w: the keys of %s are not in order", errDamaged, name)
			}
			last = k
			return nil
		})
	})
}

// examine checks a file before bbolt maps it into memory: bbolt trusts the sizes that it reads there, and a truncated file would
// fault.
func (s *Store) examine() error {
	info, err := os.Stat(s.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.IsDir():
		return errors.New("this is a folder; name a file in it")
	case !info.Mode().IsRegular():
		return errors.New("this is not a regular file")
	case info.Size() == 0:
		return nil // bbolt makes a new store of it
	}
	file, err := os.OpenFile(s.path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer file.Close()
	// Another process may be writing what is read here.
	if err := lock(file, lockWait); err != nil {
		return err
	}
	return examineMeta(file, info.Size())
}

// lock takes the same lock as bbolt. Closing the file releases it.
func lock(file *os.File, wait time.Duration) error {
	for end := time.Now().Add(wait); ; time.Sleep(20 * time.Millisecond) {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		switch {
		case err == nil:
			return nil
		case !errors.Is(err, syscall.EWOULDBLOCK):
			return fmt.Errorf("cannot lock it: %w", err)
		case time.Now().After(end):
			return ErrInUse
		}
	}
}

// A bbolt file begins with two pages that each describe the whole file: a header of 16 octets, then, in the byte order
// of the machine, magic, version, page size and flags of 4 octets each, and root page, sequence, freelist page, number
// of pages, transaction and checksum of 8 octets each. The checksum is FNV-1a of the fields before it. The page with
// the later transaction counts, unless its checksum is wrong.
const (
	metaOffset   = 16
	metaSize     = 64
	metaChecksum = 56 // of metaSize
	metaMagic    = 0xED0CDAED
	minPage      = 1 << 10
	maxPage      = 1 << 24
)

// examineMeta checks that a file is a bbolt file of at least the size that its first pages state.
func examineMeta(file io.ReaderAt, size int64) error {
	order := binary.NativeEndian
	// A bbolt file begins with the number of its first page, which is 0, in 8 octets. This distinguishes a damaged store from a file of
	// another program, which is not to be touched.
	var begin [8]byte
	if _, err := file.ReadAt(begin[:], 0); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	ours := begin == [8]byte{}

	var pages, pageSize, latest uint64
	valid := false
	// The second page is found by trial: its offset is in the first, which may be the damaged one.
	for at := int64(0); at < size && at <= maxPage; at = max(2*at, minPage) {
		var m [metaSize]byte
		if n, err := file.ReadAt(m[:], at+metaOffset); err != nil && !errors.Is(err, io.EOF) {
			return err
		} else if n < metaSize {
			break
		}
		if order.Uint32(m[:]) != metaMagic {
			continue
		}
		sum := fnv.New64a()
		sum.Write(m[:metaChecksum])
		tx := order.Uint64(m[48:])
		if sum.Sum64() != order.Uint64(m[metaChecksum:]) || valid && tx < latest {
			continue
		}
		valid, latest = true, tx
		pageSize, pages = uint64(order.Uint32(m[8:])), order.Uint64(m[40:])
	}
	switch {
	case !valid && !ours:
		return errors.New("this is not a bouncefilter store; remove the file or name another one")
	case !valid:
		return fmt.Errorf("%w: it does not begin as it should", errDamaged)
	case pageSize < minPage || pageSize > maxPage || pages > uint64(size)/pageSize:
		return fmt.Errorf("%w: it has %d octets and should have %d pages of %d", errDamaged, size, pages, pageSize)
	}
	return nil
}
