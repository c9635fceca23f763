package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"time"

	"golang.org/x/sys/unix"
)

// diskSize is that of the image in octets: what an hour of records and the append-only file of Redis need. It is sparse.
const diskSize = 16 << 30

// ioctls of a file system (linux/fs.h); x/sys/unix does not have them.
const (
	fiFreeze = 0xC0045877 // FIFREEZE
	fiThaw   = 0xC0045878 // FITHAW
)

// A disk is a file system in an image, which can be frozen as a snapshot of a virtual machine freezes its disks: whoever writes
// waits. Only root can make one.
type disk struct {
	dir  string
	root *os.File
}

// newDisk makes and mounts a disk. It ends with the lab.
func (l *lab) newDisk(name string) (*disk, error) {
	image, dir := l.dir+"/"+name+".ext4", l.dir+"/"+name
	if err := os.WriteFile(image, nil, 0o600); err != nil {
		return nil, err
	}
	if err := errors.Join(os.Truncate(image, diskSize), os.Mkdir(dir, 0o700)); err != nil {
		return nil, err
	}
	for _, command := range [][]string{
		{"mkfs.ext4", "-q", "-m", "0", "-E", "lazy_itable_init=1,lazy_journal_init=1,nodiscard", image},
		{"mount", "-o", "loop", image, dir},
	} {
		if out, err := exec.Command(command[0], command[1:]...).CombinedOutput(); err != nil {
			return nil, fmt.Errorf("a disk to freeze: %s: %w: %s", command[0], err, out)
		}
	}
	d := &disk{dir: dir}
	l.disks = append(l.disks, d)
	var err error
	d.root, err = os.Open(dir)
	return d, err
}

// freeze stops all writing, also of processes that have begun to, until thaw.
func (d *disk) freeze() error { return unix.IoctlSetInt(int(d.root.Fd()), fiFreeze, 0) }

// thaw is the end of freeze.
func (d *disk) thaw() error { return unix.IoctlSetInt(int(d.root.Fd()), fiThaw, 0) }

// close thaws and unmounts the disk. What was on it is lost.
func (d *disk) close() error {
	if d.root != nil {
		_ = d.thaw() // which is an error unless it is frozen
		_ = d.root.Close()
	}
	var last error
	for end := time.Now().Add(stopTimeout); time.Now().Before(end); time.Sleep(pollInterval) {
		out, err := exec.Command("umount", d.dir).CombinedOutput()
		if err == nil {
			return nil
		}
		last = fmt.Errorf("umount %s: %w: %s", d.dir, err, out)
	}
	return last
}
