//go:build !linux

package bolt

import "syscall"

// replace makes the descriptor old refer to what the descriptor by refers to, at once for all who use it.
func replace(by, old int) error {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	err := syscall.Dup2(by, old)
	if err == nil {
		syscall.CloseOnExec(old)
	}
	return err
}
