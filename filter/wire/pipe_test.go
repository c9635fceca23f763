package wire

import "syscall"

// pipe returns a descriptor that has nothing to read, and its other end.
func pipe() (r, w int, err error) {
	var p [2]int
	if err := syscall.Pipe2(p[:], syscall.O_NONBLOCK); err != nil {
		return 0, 0, err
	}
	return p[0], p[1], nil
}

func closeBoth(r, w int) {
	_ = syscall.Close(r)
	_ = syscall.Close(w)
}
