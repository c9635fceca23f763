package mta

import (
	"bytes"
	"io/fs"
	"strings"

	"github.com/aymanbagabas/go-udiff"
)

// Change sets a mail server up: files that are replaced, and what makes that take effect. One without files has nothing left
// to do.
//
// [Change.Diff] shows it, [Change.Apply] makes it and saves the former files, [Undo] restores them.
type Change struct {
	Why   []string // sentences: what is changed, and why in this way and in no other
	Files []File
	Then  []string // commands for a shell, such as "postfix reload"
}

// File is one file before and after.
type File struct {
	Path string
	Old  []byte // nil if there is no such file
	New  []byte
	Mode fs.FileMode // of a file that is new; the mode and owner of an old one stay
}

// Add adds a file unless it stays as it is. A file that is empty is not one that is missing.
func (c *Change) Add(f File) {
	if f.Old == nil || !bytes.Equal(f.Old, f.New) {
		c.Files = append(c.Files, f)
	}
}

// Diff returns the change as patch(1) reads it.
func (c *Change) Diff() string {
	var b strings.Builder
	for _, f := range c.Files {
		before := f.Path
		if f.Old == nil {
			before = "/dev/null"
		}
		b.WriteString(udiff.Unified(before, f.Path, string(f.Old), string(f.New)))
	}
	return b.String()
}
