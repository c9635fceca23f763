package filter

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"

	"github.com/bouncefilter/bouncefilter/store"
)

// A store that was wiped, or a file that was lost, looks like a new one: nothing in it says that mail was signed before. So a daemon
// keeps on disk since when domains have been signing. With that it knows a record for one that has begun anew.

// LoadSigning reads the file at path, in which a server keeps the first day of each domain's signatures. Without one nothing is known.
func LoadSigning(path string) (map[string]store.Day, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var days map[string]store.Day
	if err == nil {
		err = json.Unmarshal(data, &days)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return days, nil
}

// saveSigning replaces the file at path in one step.
func saveSigning(path string, days map[string]store.Day) error {
	data, err := json.Marshal(days)
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

// keepSigning writes the days down if they have changed, of the domains that are ours.
func (s *Server) keepSigning(days map[string]store.Day) {
	p := s.state.Load().policy
	ours := maps.Clone(days)
	maps.DeleteFunc(ours, func(name string, _ store.Day) bool { return p.domains[name] == nil })
	if s.signingFile == "" || maps.Equal(ours, s.summary.kept) {
		return
	}
	if err := saveSigning(s.signingFile, ours); err != nil {
		s.log.Warn("cannot note since when domains have been signing: a store that is wiped while the daemon is down would be taken for a new one", "error", err)
		return
	}
	s.summary.kept = ours
}

// SigningSince returns the first day of each domain's signatures, as far as known here.
func (s *Server) SigningSince() map[string]store.Day {
	if days := s.signing.Load(); days != nil {
		return maps.Clone(*days)
	}
	return nil
}
