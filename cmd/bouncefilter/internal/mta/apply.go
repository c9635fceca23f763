package mta

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"slices"
)

// Apply makes the change. dir is the folder of the backup; it is made if need be, but for what is above its parent.
//
// Copies and manifest are on the disk before the first file is replaced, each file is replaced in one step and has mode
// and owner, and the result is given to verify (which may be nil). If anything fails, verify included, all files are restored.
// After a crash in between, [Undo] or another Apply finishes the work.
//
// An earlier backup stays, so that Undo restores the state before the first change. If the operator has edited a file since then, Undo
// could not distinguish the operator's work from that of the change: Apply refuses.
func (c *Change) Apply(dir string, verify func() error) error {
	if len(c.Files) == 0 {
		return nil
	}
	if err := makeFolder(dir); err != nil {
		return err
	}
	b, err := openBackup(dir)
	if err != nil {
		return err
	}
	defer b.close()
	steps, err := c.steps(b)
	defer func() {
		for _, s := range steps {
			s.replacement.cancel()
		}
	}()
	if err != nil {
		return err
	}
	earlier := slices.Clone(b.Files)
	for i := range earlier {
		earlier[i].Written = slices.Clone(earlier[i].Written)
	}
	for _, s := range steps {
		if err := b.save(s.path, s.before, s.after); err != nil {
			return errors.Join(err, b.restore(earlier))
		}
	}
	if err := b.commit(); err != nil {
		return errors.Join(err, b.restore(earlier))
	}
	done := 0
	for _, s := range steps {
		if err = s.replacement.do(); err != nil {
			break
		}
		done++
	}
	if err == nil && verify != nil {
		err = verify()
	}
	if err == nil {
		return nil
	}
	for _, s := range steps[:done] {
		if back := put(s.path, s.before); back != nil {
			// The manifest stays: it is what leads back.
			return errors.Join(err, fmt.Errorf("not every file could be restored; the copies are in %s: %w", dir, back))
		}
	}
	return errors.Join(err, b.restore(earlier))
}

// Obstacle returns the error with which Apply would refuse the change because of the backup in dir, nil if there is none or if this user
// may not look. It changes nothing.
func (c *Change) Obstacle(dir string) error {
	b, err := openBackup(dir)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return nil
	}
	if err != nil {
		return err
	}
	defer b.close()
	for _, f := range c.Files {
		path, err := resolve(f.Path)
		if err != nil {
			return err
		}
		now, err := readContent(path)
		if err != nil {
			return err
		}
		if err := b.edited(path, now); err != nil {
			return err
		}
	}
	return nil
}

// edited returns an EditedError if a file is neither what was saved nor what was put there since.
func (b *backup) edited(path string, now *content) error {
	if s := b.of(path); s != nil && !s.unchanged(now) {
		return &EditedError{Path: path, Backup: b.dir, Copy: s.copyIn(b.dir)}
	}
	return nil
}

// step is one file of a change, ready to be replaced.
type step struct {
	path        string // behind links
	before      *content
	after       []byte
	replacement replacement
}

// steps prepares all files and replaces none.
func (c *Change) steps(b *backup) ([]step, error) {
	var steps []step
	for _, f := range c.Files {
		path, err := resolve(f.Path)
		if err != nil {
			return steps, err
		}
		before, err := readContent(path)
		if err != nil {
			return steps, err
		}
		if (before == nil) != (f.Old == nil) || before != nil && !bytes.Equal(before.data, f.Old) {
			return steps, fmt.Errorf("%s was changed by another process at this moment; try again", f.Path)
		}
		if err := b.edited(path, before); err != nil {
			return steps, err
		}
		after := &content{data: f.New, mode: f.Mode}
		if before != nil {
			after.mode, after.uid, after.gid = before.mode, before.uid, before.gid
		} else {
			after.uid, after.gid = ownIDs()
		}
		r, err := prepare(path, after)
		if err != nil {
			return steps, err
		}
		steps = append(steps, step{path: path, before: before, after: f.New, replacement: r})
	}
	return steps, nil
}

// restore makes a backup what it was before a change that was undone.
func (b *backup) restore(earlier []saved) error {
	added := b.Files[len(earlier):]
	b.Files = earlier
	if err := b.commit(); err != nil {
		return err
	}
	return b.drop(added)
}
