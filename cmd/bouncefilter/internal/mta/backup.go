package mta

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
)

// manifestName is the file of a backup that says what the others are. A backup without it does not exist.
const manifestName = "manifest.json"

// backup is a folder with files as they were before the first change, and a manifest. Everything in it is reached through
// the open folder, which was found to belong to the user who runs this: it says which files root will write, and it may lie in
// a folder of the daemon, which is another user.
type backup struct {
	dir  string
	root *os.Root
	manifest
}

type manifest struct {
	Files []saved `json:"files"`
}

// saved is a file as it was before the first change.
type saved struct {
	Path    string      `json:"path"`
	Missing bool        `json:"missing,omitempty"` // there was no such file
	Copy    string      `json:"copy,omitempty"`    // its name in the backup
	Hash    string      `json:"sha256,omitempty"`
	Mode    fs.FileMode `json:"mode,omitempty"`
	UID     int         `json:"uid"`
	GID     int         `json:"gid"`
	Written []string    `json:"written_sha256"` // what was put there since. More than one: a change upon a change, or a crash
}

// openBackup opens the folder of a backup, which need not hold one yet.
func openBackup(dir string) (*backup, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	b := &backup{dir: dir, root: root}
	if err := b.read(); err != nil {
		return nil, errors.Join(err, root.Close())
	}
	return b, nil
}

func (b *backup) read() error {
	info, err := b.root.Stat(".")
	if err != nil {
		return err
	}
	if owner := info.Sys().(*syscall.Stat_t); int(owner.Uid) != os.Geteuid() || info.Mode().Perm()&0o022 != 0 {
		return fmt.Errorf("other users can write to %s and choose which files are changed; look at it, then remove it or chown and chmod it", b.dir)
	}
	data, err := b.root.ReadFile(manifestName)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, &b.manifest); err != nil {
		return fmt.Errorf("%s: %w", filepath.Join(b.dir, manifestName), err)
	}
	return nil
}

// makeFolder makes the folder of a backup and its parent. All folders above must exist.
func makeFolder(dir string) error {
	for _, d := range []string{filepath.Dir(dir), dir} {
		if err := os.Mkdir(d, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return nil
}

func (b *backup) close() { _ = b.root.Close() } // all that was written has been synced

// empty says whether there is nothing to undo.
func (b *backup) empty() bool { return len(b.Files) == 0 }

// of returns what is saved of a file, nil if nothing is.
func (b *backup) of(path string) *saved {
	if i := slices.IndexFunc(b.Files, func(s saved) bool { return s.Path == path }); i >= 0 {
		return &b.Files[i]
	}
	return nil
}

// save copies a file that is about to be changed, unless it was saved by an earlier change, and notes what it will be.
// The manifest must be written after it.
func (b *backup) save(path string, before *content, after []byte) error {
	s := b.of(path)
	if s == nil {
		b.Files = append(b.Files, saved{Path: path, Missing: before == nil})
		s = &b.Files[len(b.Files)-1]
		if before != nil {
			s.Copy = fmt.Sprintf("%d-%s", len(b.Files), filepath.Base(path))
			s.Hash, s.Mode, s.UID, s.GID = hash(before.data), before.mode, before.uid, before.gid
			if err := b.write(s.Copy, before.data); err != nil {
				return err
			}
		}
	}
	if h := hash(after); !slices.Contains(s.Written, h) {
		s.Written = append(s.Written, h)
	}
	return nil
}

// commit writes the manifest, or takes it away if it would be empty.
func (b *backup) commit() error {
	if b.empty() {
		if err := b.root.Remove(manifestName); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return b.sync()
	}
	data, err := json.MarshalIndent(b.manifest, "", "\t")
	if err != nil {
		return err
	}
	const next = manifestName + ".new"
	if err := b.write(next, append(data, '\n')); err != nil {
		return err
	}
	if err := b.root.Rename(next, manifestName); err != nil {
		return err
	}
	return b.sync()
}

// remove takes away a backup that is not needed any more. The manifest goes first: copies without one mean nothing.
func (b *backup) remove() error {
	copies := b.Files
	b.Files = nil
	if err := b.commit(); err != nil {
		return err
	}
	return b.drop(copies)
}

// drop removes copies that no manifest names any more.
func (b *backup) drop(copies []saved) error {
	var errs []error
	for _, s := range copies {
		if s.Copy != "" {
			errs = append(errs, b.root.Remove(s.Copy))
		}
	}
	return errors.Join(errs...)
}

// write writes a file of the backup, on the disk when it returns.
func (b *backup) write(name string, data []byte) error {
	f, err := b.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Sync(), f.Close())
}

func (b *backup) sync() error {
	d, err := b.root.Open(".")
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// original returns a file as it was, nil if there was none. A copy that is not what the manifest says is an error.
func (b *backup) original(s *saved) (*content, error) {
	if s.Missing {
		return nil, nil
	}
	data, err := b.root.ReadFile(s.Copy)
	if err != nil {
		return nil, err
	}
	if hash(data) != s.Hash {
		return nil, fmt.Errorf("%s is not the copy of %s that was made", filepath.Join(b.dir, s.Copy), s.Path)
	}
	return &content{data: data, mode: s.Mode, uid: s.UID, gid: s.GID}, nil
}

// unchanged says whether a file is what was saved or what was put there since. Anything else is an operator's work.
func (s *saved) unchanged(now *content) bool {
	if now == nil {
		return s.Missing
	}
	h := hash(now.data)
	return !s.Missing && h == s.Hash || slices.Contains(s.Written, h)
}

func hash(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
