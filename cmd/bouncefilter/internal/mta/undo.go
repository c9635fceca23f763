package mta

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// ErrNothingToUndo says that there is no backup.
var ErrNothingToUndo = errors.New("there is nothing to undo")

// EditedError says that a file is neither what it was before a change nor what the change made of it.
type EditedError struct {
	Path   string
	Backup string // the folder
	Copy   string // of the file as it was; "" if there was none
}

// Error implements error.
func (e *EditedError) Error() string {
	if e.Copy == "" {
		return fmt.Sprintf("%s was edited after bouncefilter made it", e.Path)
	}
	return fmt.Sprintf("%s was edited after bouncefilter changed it", e.Path)
}

// Remedy says what to do about it.
func (e *EditedError) Remedy() string {
	leave := fmt.Sprintf("or move %s away to leave everything as it is now: undo then no longer removes bouncefilter's settings", e.Backup)
	if e.Copy == "" {
		return "keep what you need of it and remove it, " + leave
	}
	return fmt.Sprintf("see diff -u %s %s and edit by hand, %s", e.Copy, e.Path, leave)
}

func (s *saved) copyIn(dir string) string {
	if s.Missing {
		return ""
	}
	return filepath.Join(dir, s.Copy)
}

// Undo restores the files as they were before the first change whose backup is in dir, to the last byte, with mode and owner,
// and removes files that the changes made. It returns the files, and removes the backup. It changes nothing if one of
// them was edited since ([EditedError]) or if there is no backup ([ErrNothingToUndo]). Undo can be tried again after it
// failed in between.
func Undo(dir string) ([]string, error) {
	b, err := openBackup(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNothingToUndo
	}
	if err != nil {
		return nil, err
	}
	defer b.close()
	if b.empty() {
		return nil, ErrNothingToUndo
	}
	var paths []string
	var ready []replacement
	defer func() {
		for _, r := range ready {
			r.cancel()
		}
	}()
	for i := range b.Files {
		s := &b.Files[i]
		now, err := readContent(s.Path)
		if err != nil {
			return nil, err
		}
		if !s.unchanged(now) && now != nil {
			return nil, &EditedError{Path: s.Path, Backup: dir, Copy: s.copyIn(dir)}
		}
		original, err := b.original(s)
		if err != nil {
			return nil, err
		}
		r, err := prepare(s.Path, original)
		if err != nil {
			return nil, err
		}
		ready = append(ready, r)
		paths = append(paths, s.Path)
	}
	for _, r := range ready {
		if err := r.do(); err != nil {
			return nil, err
		}
	}
	return paths, b.remove()
}

func ownIDs() (uid, gid int) { return os.Geteuid(), os.Getegid() }
