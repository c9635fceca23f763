package bolt

import "syscall"

// replace makes the descriptor old refer to what the descriptor by refers to, at once for all who use it. Not every
// architecture of Linux has dup2.
func replace(by, old int) error { return syscall.Dup3(by, old, syscall.O_CLOEXEC) }
