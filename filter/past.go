package filter

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"time"

	"github.com/bouncefilter/bouncefilter/store"
)

// A store that was wiped, or a file that was lost, looks like a new one: nothing in it says that mail was signed before. So a daemon
// keeps on disk since when domains have been signing. With that it knows a record for one that has begun anew.

// Past is what a server keeps on disk of the time before, whatever becomes of the store.
type Past struct {
	// RecordBegan is the earliest time at which the store's record was seen to begin; the zero time if none was.
	RecordBegan time.Time `json:"record_began,omitzero"`
	// FirstSigned is the first day of each domain's signatures.
	FirstSigned map[string]store.Day `json:"first_signed"`
}

func (p Past) equal(o Past) bool {
	return p.RecordBegan.Equal(o.RecordBegan) && maps.Equal(p.FirstSigned, o.FirstSigned)
}

// LoadPast reads the file at path. Without one nothing is known.
func LoadPast(path string) (Past, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Past{}, nil
	}
	var p Past
	if err == nil {
		err = json.Unmarshal(data, &p)
	}
	if err != nil {
		return Past{}, fmt.Errorf("%s: %w", path, err)
	}
	return p, nil
}

// save replaces the file at path in one step.
func (p Past) save(path string) error {
	data, err := json.Marshal(p)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".new-*") // mode 0600
	if err != nil {
		return err
	}
	_, err = f.Write(append(data, '\n'))
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

// keepPast writes down what has changed, of the domains that are ours.
func (s *Server) keepPast() {
	p := s.state.Load().policy
	now := s.Past()
	maps.DeleteFunc(now.FirstSigned, func(name string, _ store.Day) bool { return p.domains[name] == nil })
	if s.pastFile == "" || now.equal(s.summary.kept) {
		return
	}
	if err := now.save(s.pastFile); err != nil {
		s.log.Warn("cannot note since when domains have been signing: a store that is wiped while the daemon is down would be taken for a new one", "error", err)
		return
	}
	s.summary.kept = now
}

// Past returns what is known here of the time before.
func (s *Server) Past() Past {
	p := Past{RecordBegan: s.recordBegan()}
	if days := s.signing.Load(); days != nil {
		p.FirstSigned = maps.Clone(*days)
	}
	return p
}

// recordBegan returns the earliest time at which the store's record was seen to begin.
func (s *Server) recordBegan() time.Time {
	if t := s.began.Load(); t != nil {
		return *t
	}
	return time.Time{}
}

// noteBeginning notes when the record began, if that is earlier than what is known.
func (s *Server) noteBeginning(m store.Completeness) {
	if began := s.recordBegan(); !m.Since.IsZero() && (began.IsZero() || m.Since.Before(began)) {
		s.began.Store(&m.Since)
		s.keepPast()
	}
}
