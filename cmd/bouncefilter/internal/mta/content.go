package mta

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// content is a file's, with its access rights.
type content struct {
	data     []byte
	mode     fs.FileMode
	uid, gid int
}

// readContent returns a file, nil if there is none.
func readContent(path string) (*content, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close() // only read
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "read", Path: path, Err: errors.New("not a regular file")}
	}
	owner := info.Sys().(*syscall.Stat_t)
	c := &content{mode: info.Mode() & (fs.ModePerm | fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky), uid: int(owner.Uid), gid: int(owner.Gid)}
	c.data, err = os.ReadFile(path)
	return c, err
}

// resolve returns the file that a path leads to: a link stays one.
func resolve(path string) (string, error) {
	real, err := filepath.EvalSymlinks(path)
	if errors.Is(err, fs.ErrNotExist) {
		dir, err := filepath.EvalSymlinks(filepath.Dir(path))
		return filepath.Join(dir, filepath.Base(path)), err
	}
	return real, err
}

// replacement is a file that is ready to take another one's place.
type replacement struct {
	path string
	temp string // "" to remove the file at path
}

// prepare writes a file beside the one that it will replace, on the disk when it returns. All that can easily fail
// (rights, space) fails here, before anything is changed. A nil content prepares to remove the file.
func prepare(path string, c *content) (replacement, error) {
	r := replacement{path: path}
	if c == nil {
		return r, nil
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return r, err
	}
	_, err = f.Write(c.data)
	// The owner comes first: chown(2) takes setuid bits away.
	if err == nil && (c.uid != os.Geteuid() || c.gid != os.Getegid()) {
		err = f.Chown(c.uid, c.gid)
	}
	if err == nil {
		err = f.Chmod(c.mode)
	}
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return r, errors.Join(err, os.Remove(f.Name()))
	}
	r.temp = f.Name()
	return r, nil
}

// do puts the new file in its place in one step.
func (r replacement) do() error {
	var err error
	if r.temp != "" {
		err = os.Rename(r.temp, r.path)
	} else if err = os.Remove(r.path); errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	if err != nil {
		return err
	}
	d, err := os.Open(filepath.Dir(r.path))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// cancel removes what was prepared. It does nothing after do.
func (r replacement) cancel() {
	if r.temp != "" {
		_ = os.Remove(r.temp) // gone already if it took its place
	}
}

// put replaces a file by what is given, nil to remove it.
func put(path string, c *content) error {
	r, err := prepare(path, c)
	if err != nil {
		return err
	}
	defer r.cancel()
	return r.do()
}
