package keyring

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/pelletier/go-toml/v2"
)

// header opens every index written here.
const header = `# The keys of bouncefilter, written by "bouncefilter key". The secrets are in the files beside it; back them up
# together. Retired keys stay listed: their numbers must not be used again for 1000 days.

`

// Update loads the index at path, which need not exist, lets change work on it and writes it back durably and in one
// step. Nothing is written if change fails. Two processes cannot update one index at the same time.
func Update(path string, change func(*Keyring) error) error {
	dir := filepath.Dir(path)
	unlock, err := lock(dir)
	if err != nil {
		return fmt.Errorf("lock %s: %w", dir, err)
	}
	defer unlock()
	k := &Keyring{Path: path}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		loaded, problems := LoadUsable(path) // the secrets are not written
		if len(problems) > 0 {
			return problems
		}
		k = loaded
	}
	if err := change(k); err != nil {
		return err
	}
	if err := k.write(); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

func (k *Keyring) write() error {
	out := index{Rotate: k.Rotations}
	for _, key := range k.Keys {
		if key.fingerprint == "" && len(key.Secret) > 0 {
			key.fingerprint = Fingerprint(key.Secret)
		}
		out.Keys = append(out.Keys, entry{
			Number: int(key.Number), Domain: key.Domain, State: key.State.String(), Next: key.Next, File: key.File,
			Created: format(key.Created, time.RFC3339), SignedUntil: format(key.SignedUntil, time.DateOnly),
			Fingerprint: key.fingerprint,
		})
	}
	data, err := toml.Marshal(out)
	if err != nil {
		return err
	}
	dir := filepath.Dir(k.Path)
	temp, err := writeTemp(dir, append([]byte(header), data...), 0o600)
	if err != nil {
		return err
	}
	if err := os.Rename(temp, k.Path); err != nil {
		return errors.Join(err, os.Remove(temp))
	}
	return syncDir(dir)
}

func format(t time.Time, layout string) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(layout)
}

// lock holds the folder for this process, until unlock is called or the process ends.
func lock(dir string) (unlock func(), err error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(d.Fd()), syscall.LOCK_EX); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return func() { _ = d.Close() }, nil // which ends the lock
}
