package config

import (
	"strconv"
	"time"

	"github.com/bouncefilter/bouncefilter/filter"
)

type limitsTable struct {
	Connections  int           `toml:"connections"`
	ReadTimeout  time.Duration `toml:"read_timeout"`
	WriteTimeout time.Duration `toml:"write_timeout"`
}

func defaultLimits() limitsTable {
	return limitsTable{
		Connections: filter.DefaultConnections,
		// libmilter's default (7210 s): as long as the longest SMTP timeouts with a reserve.
		ReadTimeout:  7210 * time.Second,
		WriteTimeout: 10 * time.Second,
	}
}

// limits resolves the limits. Zero would mean the server's default, which an operator who writes 0 does not mean.
func (r *resolver) limits() {
	l := r.c.raw.Limits
	r.c.Limits = filter.Limits{Connections: l.Connections, ReadTimeout: l.ReadTimeout, WriteTimeout: l.WriteTimeout}
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
