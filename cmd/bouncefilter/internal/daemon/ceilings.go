package daemon

import (
	"log/slog"
	"math"

	"github.com/bouncefilter/bouncefilter/filter"
	"github.com/bouncefilter/bouncefilter/filter/limit"
	"github.com/bouncefilter/bouncefilter/filter/socketmap"
)

const (
	// programMemory is what the daemon needs besides connections and messages, in octets: itself, policy and store, and the reading
	// of bounces.
	programMemory = 48 << 20
	// connectionMemory is what a connection takes while no long message is under way, in octets: the stack of its goroutine, its
	// state, and part of a frame.
	connectionMemory = 12 << 10
	// leastMessageMemory is what messages may hold at least, in octets: some bounces of the longest.
	leastMessageMemory = 4 << 20
	// reservedFiles is how many descriptors are for other things than connections of MTAs and to the lookup service: the control
	// socket, HTTP, the store, the log, files of the configuration.
	reservedFiles = 256
)

// limitMemory lets the runtime keep to the limit of the process's memory. The contents of messages are outside of its heap.
func (d *Daemon) limitMemory() {
	if l := d.o.Memory; l.Octets > 0 {
		l.Set(d.ceilings.mta.Memory)
		d.log.Info("memory is limited", "octets", l.Octets, "messages", d.ceilings.mta.Memory, "source", l.Source, "allowed", l.Most)
	}
}

// ceilings are the limits in effect: those of the configuration, or less if the process has not enough memory or descriptors for them.
type ceilings struct {
	mta     filter.Limits
	lookups socketmap.Limits
}

// newCeilings fits the configured limits to the octets of memory that the process may use, 0 for no limit, and to its descriptors. A
// third of the memory is for connections; messages hold half, and the rest is room for the garbage collector.
func newCeilings(configured filter.Limits, lookups bool, memory int64, files uint64, log *slog.Logger) ceilings {
	c := ceilings{configured, socketmap.DefaultLimits()}
	lower := func(name string, from int, n *int, to int, why string) {
		if to = max(to, 1); to < *n {
			log.Warn("limit lowered: the process has not enough "+why, "limit", name, "configured", from, "value", to)
			*n = to
		}
	}
	if memory > 0 {
		free := max(memory-programMemory, 0)
		c.mta.Memory = max(free/2, leastMessageMemory)
		lower("connections", configured.Connections, &c.mta.Connections, int(free/3/connectionMemory), "memory")
	}
	available := max(int64(min(files, math.MaxInt32))-reservedFiles, 0)
	if !lookups {
		lower("connections", configured.Connections, &c.mta.Connections, int(available), "file descriptors")
	} else if wanted := int64(c.mta.Connections + c.lookups.Connections); available < wanted {
		own := available * int64(c.mta.Connections) / wanted
		lower("connections", configured.Connections, &c.mta.Connections, int(own), "file descriptors")
		lower("lookup-connections", c.lookups.Connections, &c.lookups.Connections, int(available-own), "file descriptors")
	}
	if c.mta.Connections < configured.Connections {
		c.mta.ConnectionsPerPeer = min(c.mta.ConnectionsPerPeer, limit.Share(c.mta.Connections))
	}
	return c
}
