// Package memlimit finds how much memory the process may use, and lets the Go runtime keep to it. [Find] returns the limit,
// [Limit.Set] puts it into effect, [GiveBack] returns to the system what is no longer needed.
package memlimit

import (
	"context"
	"io/fs"
	"math"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// Limit is how much memory the process may use.
type Limit struct {
	Octets int64  // 0 for no limit
	Source string // what sets it: GOMEMLIMIT, limits.memory, or a file of a cgroup
	Most   int64  // what the source allows; Octets are less, for the kernel counts more than the runtime does
}

// variable is the one of the environment that the runtime reads itself.
const variable = "GOMEMLIMIT"

// share is how much of the limit of a cgroup the Go runtime gets, in tenths: the kernel counts pages of files and of sockets, too.
const share = 9

// Find returns the limit of the process: that of the variable GOMEMLIMIT, which the runtime has read, or the configured one, or that of
// the cgroup. root is the root of the file system.
func Find(root fs.FS, gomemlimit string, configured int64) (Limit, error) {
	if gomemlimit != "" {
		l := Limit{Octets: debug.SetMemoryLimit(-1), Source: variable}
		if l.Octets == math.MaxInt64 { // "off"
			l.Octets = 0
		}
		l.Most = l.Octets
		return l, nil
	}
	if configured > 0 {
		return Limit{Octets: configured, Source: "limits.memory", Most: configured}, nil
	}
	most, source, err := cgroup(root)
	if err != nil || most == 0 {
		return Limit{}, err
	}
	return Limit{Octets: most / 10 * share, Source: source, Most: most}, nil
}

// Set lets the runtime keep to the limit, as far as the memory in use allows, but for octets that are outside of its heap. What
// GOMEMLIMIT says is in effect already, and stays.
func (l Limit) Set(outside int64) {
	if l.Octets > 0 && l.Source != variable {
		debug.SetMemoryLimit(l.Octets - outside)
	}
}

const (
	// Interval is the time between two looks of [GiveBack].
	Interval = time.Minute
	// spare is how much memory, in octets, is left to the runtime although it is not in use.
	spare = 16 << 20
	// quiet is up to how many octets a process allocates between two looks that has little to do.
	quiet = 8 << 20
)

// GiveBack returns memory to the system, with a tick and until ctx is done, when the process holds much more than it needs: after a burst
// of connections their stacks and buffers would stay, for the runtime waits until the heap has grown to a multiple of what was in use.
func GiveBack(ctx context.Context, ticks <-chan time.Time) {
	var last, given memory // at the last look, and when memory was given back
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticks:
			now := read()
			if now.toGive(last, given) {
				debug.FreeOSMemory()
				given = now
			}
			last = now
		}
	}
}

// memory is that of the process, in octets.
type memory struct {
	held      uint64 // from the system
	used      uint64 // when the heap was collected last
	allocated uint64 // since the start
}

// toGive says whether there is much to give back. While much is allocated, the runtime needs what it holds for what comes next. Once that
// has ended, a collection shows how little is needed, of the stacks, too.
func (m memory) toGive(last, given memory) bool {
	return m.held > m.used+m.used/2+spare ||
		m.allocated-last.allocated < quiet && m.allocated-given.allocated > spare
}

// read returns the memory of the process.
func read() memory {
	const total, released, live, stacks, allocs = "/memory/classes/total:bytes", "/memory/classes/heap/released:bytes",
		"/gc/heap/live:bytes", "/memory/classes/heap/stacks:bytes", "/gc/heap/allocs:bytes"
	s := []metrics.Sample{{Name: total}, {Name: released}, {Name: live}, {Name: stacks}, {Name: allocs}}
	metrics.Read(s)
	return memory{held: s[0].Value.Uint64() - s[1].Value.Uint64(), used: s[2].Value.Uint64() + s[3].Value.Uint64(), allocated: s[4].Value.Uint64()}
}
