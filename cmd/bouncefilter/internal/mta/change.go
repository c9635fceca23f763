package mta

import "io/fs"

// Change sets a mail server up: files that are replaced, and what makes that take effect. One without files has nothing left
// to do.
type Change struct {
	Why   []string // sentences: what is changed, and why in this way and in no other
	Files []File
	Then  []string // commands, such as "postfix reload"
}

// File is one file before and after.
type File struct {
	Path string
	Old  []byte // nil if there is no such file
	New  []byte
	Mode fs.FileMode // of a file that is new; an old one keeps its mode and owner
}
