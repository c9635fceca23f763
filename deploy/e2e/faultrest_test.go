package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// usage is what a daemon holds.
type usage struct {
	descriptors int // open files, without connections to the store
	goroutines  int
}

// usage asks the kernel and the daemon. How many idle connections to the store there are depends on how much was done at once.
func (d *daemon) usage(t *testing.T, storePorts map[int]bool) usage {
	t.Helper()
	proc := filepath.Join("/proc", itoa(pid(d)))
	toStore := map[string]bool{}
	text, err := os.ReadFile(filepath.Join(proc, "net", "tcp"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line) // sl local remote st queues timer retransmits uid timeout inode
		if len(fields) < 10 {
			continue
		}
		_, hex, _ := strings.Cut(fields[2], ":")
		if port, err := strconv.ParseUint(hex, 16, 16); err == nil && storePorts[int(port)] {
			toStore["socket:["+fields[9]+"]"] = true
		}
	}
	u := usage{goroutines: int(d.metric(t, "go_goroutines"))}
	files, err := os.ReadDir(filepath.Join(proc, "fd"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if target, err := os.Readlink(filepath.Join(proc, "fd", f.Name())); err == nil && !toStore[target] {
			u.descriptors++
		}
	}
	return u
}

// ownGoroutines is how many more goroutines are no leak: those that the runtime begins with the first garbage collection, for finalizers
// and clean-ups, and one by which the client of Redis follows what becomes of the servers. One for each message that met the fault
// would be a dozen.
const ownGoroutines = 4

// restsAt waits until the daemon holds no more than before: what is at work for a moment may be counted once, and what leaks
// stays.
func (d *daemon) restsAt(t *testing.T, before usage, storePorts map[int]bool) error {
	t.Helper()
	var now usage
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if now = d.usage(t, storePorts); now.descriptors <= before.descriptors && now.goroutines <= before.goroutines+ownGoroutines {
			return nil
		}
	}
	d.process.end(t, syscall.SIGQUIT) // which makes it show all goroutines
	text := d.process.out.String()
	if _, trace, found := strings.Cut(text, "SIGQUIT: quit"); found {
		text = trace
	}
	made := map[string]int{} // by what
	for line := range strings.Lines(text) {
		if by, found := strings.CutPrefix(line, "created by "); found {
			by, _, _ = strings.Cut(by, " in goroutine")
			made[by]++
		}
	}
	return fmt.Errorf("the daemon holds %+v, and before the fault %+v; its goroutines are made by %v", now, before, made)
}
