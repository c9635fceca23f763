package site

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/config"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/keyring"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/tomlfile"
	"github.com/bouncefilter/bouncefilter/store"
	"github.com/bouncefilter/bouncefilter/store/open"
)

// Prepare makes what a first start needs and later ones find: the state directory, a key, and the hash secret. It does not make files
// that the configuration names itself: a wrong path must not turn into a new key.
func Prepare(c *config.Config, now time.Time, log *slog.Logger) error {
	if err := makeFolder(c.StateDir); err != nil {
		return tomlfile.Problems{c.Problem("state_dir", tomlfile.Quote(c.StateDir), "cannot be made: "+err.Error(), "name another one")}
	}
	if err := prepareKey(c, now, log); err != nil {
		return err
	}
	if c.HashSecretChosen {
		return nil
	}
	_, made, err := keyring.EnsureSecret(c.HashSecret)
	if err != nil {
		return err
	}
	if made {
		log.Info("made the secret for hashes in the store", "file", c.HashSecret)
		warnShared(c, log)
	}
	return nil
}

// prepareKey makes the first key, unless there is an index already.
func prepareKey(c *config.Config, now time.Time, log *slog.Logger) error {
	if c.KeysChosen {
		return nil
	}
	if err := MakeKeyFolder(c); err != nil {
		return err
	}
	if Exists(c.Keys) || len(lostIndex(c)) > 0 {
		return nil // if the index is lost or damaged, loading it reports that
	}
	var key *keyring.Key
	err := keyring.Update(c.Keys, func(k *keyring.Keyring) error {
		if len(k.Keys) > 0 {
			return nil // another process was first
		}
		made, err := k.Add(keyring.AnyNumber, "", keyring.NewSecret(), now)
		key = &made
		return err
	})
	if err != nil {
		return err
	}
	if key != nil {
		log.Info("made a key", "number", key.Number, "file", filepath.Join(filepath.Dir(c.Keys), key.File))
	}
	return nil
}

// warnShared reminds the operator of the other hosts when secrets were made for a store that several hosts may share: with other
// secrets, each would refuse the bounces of the others' mail.
func warnShared(c *config.Config, log *slog.Logger) {
	if c.Embedded() {
		return
	}
	log.Warn("copy keys and hash secret to every other host that uses this store, before it starts",
		"keys", filepath.Dir(c.Keys), "hash_secret", c.HashSecret, "store", open.Redacted(c.Store))
}

// HashSecret reads the secret that keys the hashes in the store.
func HashSecret(c *config.Config) ([]byte, tomlfile.Problems) {
	secret, err := keyring.ReadSecret(c.HashSecret)
	if err == nil {
		return secret, nil
	}
	if !c.HashSecretChosen {
		return nil, tomlfile.AsProblems(c.HashSecret, err)
	}
	var problems tomlfile.Problems
	for _, p := range tomlfile.AsProblems(c.HashSecret, err) {
		problems = append(problems, c.Problem("hash_secret", p.File+":", p.What, p.Remedy))
	}
	return nil, problems
}

// Hasher returns the hasher of a site for a command that makes no secret: one of a secret that nothing was recorded under, if the file of
// the secret is not there yet.
func Hasher(c *config.Config) (*store.Hasher, tomlfile.Problems) {
	secret, problems := HashSecret(c)
	if len(problems) > 0 && !Exists(c.HashSecret) && !c.HashSecretChosen {
		secret, problems = keyring.NewSecret(), nil
	}
	if len(problems) > 0 {
		return nil, problems
	}
	return store.NewHasher(secret), nil
}

// MakeKeyFolder makes the folder of the index of keys, if it is missing.
func MakeKeyFolder(c *config.Config) error {
	if err := makeFolder(filepath.Dir(c.Keys)); err != nil {
		return tomlfile.Problems{c.Problem("keys", tomlfile.Quote(c.Keys), "cannot be written: "+err.Error(), "name another file")}
	}
	return nil
}

// makeFolder makes a folder for state that only its owner can enter, with the folders above it that are missing. If root makes it in
// another user's folder it becomes that user's, because the daemon that runs as that user must be able to use it.
func makeFolder(path string) error {
	if Exists(path) {
		return nil
	}
	above := filepath.Dir(path)
	if err := makeFolder(above); err != nil {
		return err
	}
	err := os.Mkdir(path, 0o700)
	switch {
	case errors.Is(err, fs.ErrExist):
		return nil // another process was first
	case err == nil && os.Geteuid() == 0:
		var info fs.FileInfo
		if info, err = os.Stat(above); err == nil {
			owner := info.Sys().(*syscall.Stat_t)
			err = os.Chown(path, int(owner.Uid), int(owner.Gid))
		}
	}
	return err
}
