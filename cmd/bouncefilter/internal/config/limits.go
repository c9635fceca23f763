package config

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/tomlfile"
	"github.com/bouncefilter/bouncefilter/filter"
	"github.com/bouncefilter/bouncefilter/filter/limit"
)

type limitsTable struct {
	Connections        int           `toml:"connections"`
	ConnectionsPerPeer int           `toml:"connections_per_peer"`
	Memory             string        `toml:"memory"`
	ReadTimeout        time.Duration `toml:"read_timeout"`
	WriteTimeout       time.Duration `toml:"write_timeout"`
}

func defaultLimits() limitsTable {
	return limitsTable{
		Connections:        filter.DefaultConnections,
		ConnectionsPerPeer: limit.Share(filter.DefaultConnections),
		// libmilter's default (7210 s): as long as the longest SMTP timeouts with a reserve.
		ReadTimeout:  7210 * time.Second,
		WriteTimeout: 10 * time.Second,
	}
}

// limits resolves the limits. Zero would mean the server's default, which an operator who writes 0 does not mean.
func (r *resolver) limits() {
	l := r.c.raw.Limits
	r.c.Limits = filter.Limits{
		Connections: l.Connections, ConnectionsPerPeer: l.ConnectionsPerPeer, ReadTimeout: l.ReadTimeout, WriteTimeout: l.WriteTimeout,
	}
	if !r.c.doc.Has("limits.connections_per_peer") {
		r.c.Limits.ConnectionsPerPeer = limit.Share(l.Connections)
	} else if l.ConnectionsPerPeer < 1 || l.ConnectionsPerPeer > l.Connections {
		r.problem("limits.connections_per_peer", strconv.Itoa(l.ConnectionsPerPeer), "is not from 1 to limits.connections",
			fmt.Sprintf("use %d: the MTA is one peer, and others find a place all the same", limit.Share(max(l.Connections, 1))))
	}
	r.memory(l.Memory)
	if l.Connections < 1 {
		r.problem("limits.connections", strconv.Itoa(l.Connections), "is too few", "use 100 or more: an MTA holds one connection for each of its clients")
	}
	if l.ReadTimeout < time.Second {
		r.problem("limits.read_timeout", l.ReadTimeout.String(), "is too short", `use "5m" or more: an MTA is silent as long as its client is`)
	}
	if l.WriteTimeout < time.Second {
		r.problem("limits.write_timeout", l.WriteTimeout.String(), "is too short", `use "1s" or more`)
	}
}

// leastMemory is how much memory a daemon needs for itself and some mail, in octets.
const leastMemory = 64 << 20

// memory resolves the limit of the memory: octets, with a unit as GOMEMLIMIT has it.
func (r *resolver) memory(s string) {
	if s == "" {
		return
	}
	const remedy = `use "512MiB" or more, with the unit MiB or GiB, or "" for nine tenths of what the cgroup allows`
	digits, shift := strings.CutSuffix(s, "MiB")
	bits := 20
	if !shift {
		digits, shift = strings.CutSuffix(s, "GiB")
		bits = 30
	}
	n, err := strconv.ParseUint(digits, 10, 32)
	switch {
	case !shift || err != nil:
		r.problem("limits.memory", tomlfile.Quote(s), "is not an amount of memory", remedy)
	case n<<bits < leastMemory:
		r.problem("limits.memory", tomlfile.Quote(s), "is too little", remedy)
	default:
		r.c.Memory = int64(n) << bits
	}
}
