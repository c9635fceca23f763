package site

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/config"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/keyring"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/tomlfile"
	"github.com/bouncefilter/bouncefilter/prvs"
)

// version identifies the file at the path of an index of keys.
type version struct {
	path string
	info fs.FileInfo // nil if there is no file
}

func versionOf(path string) version {
	info, err := os.Stat(path)
	if err != nil {
		return version{path: path}
	}
	return version{path, info}
}

// same says whether nothing has changed. The index is replaced by a new file, so that even two changes within one tick of the file
// system's clock differ.
func (v version) same(o version) bool {
	if v.path != o.path || v.info == nil || o.info == nil {
		return v.path == o.path && v.info == o.info
	}
	return os.SameFile(v.info, o.info) && v.info.ModTime().Equal(o.info.ModTime()) && v.info.Size() == o.info.Size()
}

// indexLost reports that the index of keys is lost, or cannot be read.
func indexLost(c *config.Config) tomlfile.Problems {
	if !Exists(c.Keys) {
		return lostIndex(c)
	}
	f, err := os.Open(c.Keys)
	if err != nil {
		return tomlfile.Problems{{File: c.Keys, What: "cannot be read: " + err.Error(), Remedy: "let the user that the daemon runs as read it"}}
	}
	_ = f.Close() // nothing was written
	return nil
}

// lostIndex reports that there is no index of keys although there must have been one. A new key in place of keys that have signed
// would refuse the bounces of all mail that is in transit.
func lostIndex(c *config.Config) tomlfile.Problems {
	trace := c.HashSecret
	names, _ := os.ReadDir(filepath.Dir(c.Keys)) // none if there is no folder
	for _, n := range names {
		if strings.HasSuffix(n.Name(), ".secret") {
			trace = filepath.Join(filepath.Dir(c.Keys), n.Name())
			break
		}
	}
	if trace == c.HashSecret && (c.KeysChosen || c.HashSecretChosen || !Exists(c.HashSecret)) {
		return nil // an operator who names files may make them in any order
	}
	return tomlfile.Problems{{File: c.Keys, What: "is missing, although there have been keys: " + trace + " is there",
		Remedy: "restore the folder of keys from a backup or from another host, or import each secret again: bouncefilter key add --number K --file FILE; " +
			"if nothing was ever signed with them, remove " + trace}}
}

// MissingIndex reports an index of keys that is missing although there have been keys: no command makes another one.
func MissingIndex(c *config.Config) tomlfile.Problems {
	if Exists(c.Keys) {
		return nil
	}
	return lostIndex(c)
}

// IndexProblems returns the problems that were found in the index of keys. If there is no index, it returns that problem instead, and
// how to make one.
func IndexProblems(c *config.Config, problems tomlfile.Problems) tomlfile.Problems {
	if Exists(c.Keys) {
		return problems
	}
	if lost := lostIndex(c); len(lost) > 0 {
		return lost
	}
	p := tomlfile.Problem{File: c.Keys, What: "no such file", Remedy: "make a key: bouncefilter key add"}
	if c.KeysChosen {
		p = c.Problem("keys", tomlfile.Quote(c.Keys), "does not exist", "make a key: bouncefilter key add")
	}
	return tomlfile.Problems{p}
}

// ErrIndexLost is returned by [Site.UpdateIndex] for an index that is lost.
var ErrIndexLost = errors.New("it is lost, and another one is not begun")

// UpdateIndex changes the index of keys; see [keyring.Update]. An index that has lost keys which are in effect is not written: they
// would be gone for good.
func (s *Site) UpdateIndex(change func(*keyring.Keyring) error) error {
	if s.noIndex {
		return ErrIndexLost
	}
	return keyring.Update(s.Config.Keys, func(r *keyring.Keyring) error {
		if problems := s.dropped(r); len(problems) > 0 {
			return problems
		}
		return change(r)
	})
}

// dropped reports keys of s that verify and are not in next any more, or have another secret there.
func (s *Site) dropped(next *keyring.Keyring) tomlfile.Problems {
	var problems tomlfile.Problems
	for _, key := range s.Keys.Keys {
		if key.State == prvs.StateRetired || key.Absent {
			continue
		}
		now, listed := next.Find(key.Number, key.Domain)
		if !listed || now.State != prvs.StateRetired && !now.Absent && string(now.Secret) != string(key.Secret) {
			problems = append(problems, tomlfile.Problem{File: next.Path, What: keyring.Name(key.Number, key.Domain) + " is missing or has another secret than before",
				Remedy: "put it back; or, if this is meant, systemctl reload bouncefilter"})
		}
	}
	return problems
}

// Exists says whether there is something at path, even if it cannot be used.
func Exists(path string) bool {
	_, err := os.Lstat(path)
	return !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR)
}
