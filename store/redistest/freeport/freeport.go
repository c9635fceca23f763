// Package freeport finds ports for the servers of tests.
//
// [Get] returns a TCP port of 127.0.0.1 that no other test process gets as long as this one lives, so that packages can be tested side
// by side, and a server can end and come back on its port.
package freeport

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
)

// Ports are below the range from which the kernel takes ports for connections (ip_local_port_range begins at 32768).
const (
	first = 10000
	last  = 29999
)

var reserved struct {
	sync.Mutex
	next  int
	locks []*os.File // of the ports that this process has, open until it ends
}

// Get returns a port that is free.
func Get(t testing.TB) int {
	t.Helper()
	reserved.Lock()
	defer reserved.Unlock()
	folder := filepath.Join(os.TempDir(), fmt.Sprintf("bouncefilter-test-ports-%d", os.Getuid()))
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	if reserved.next == 0 {
		reserved.next = first + os.Getpid()*100%(last-first) // processes begin at different places
	}
	for range last - first {
		if reserved.next++; reserved.next > last {
			reserved.next = first
		}
		lock, err := reserve(filepath.Join(folder, strconv.Itoa(reserved.next)))
		if err != nil {
			t.Fatal(err)
		}
		if lock == nil {
			continue
		}
		ln, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", reserved.next))
		if err != nil { // a server that is no test's has it
			lock.Close()
			continue
		}
		ln.Close()
		reserved.locks = append(reserved.locks, lock)
		return reserved.next
	}
	t.Fatal("no free port")
	return 0
}

// reserve locks a file until this process ends. It returns nil if another process has locked it, or this one.
func reserve(path string) (*os.File, error) {
	lock, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		lock.Close()
		if err == syscall.EWOULDBLOCK {
			return nil, nil
		}
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return lock, nil
}
