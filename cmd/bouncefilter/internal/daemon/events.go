package daemon

import (
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/events"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/tomlfile"
	"github.com/bouncefilter/bouncefilter/filter"
)

// openEvents opens what tells other programs of genuine bounces, and returns what the server calls for each; nil if that is not configured.
func (d *Daemon) openEvents() (func(filter.Genuine), error) {
	c := d.config
	if !c.Events.Any() {
		return nil, nil
	}
	var err error
	d.events, err = events.Open(events.Options{Sinks: c.Events, Node: c.Node, StateDir: c.StateDir, Log: d.log, Now: d.o.Now})
	if err != nil {
		return nil, tomlfile.Problems{c.Problem("events", "", err.Error(), "the daemon must be able to write to the state directory")}
	}
	return d.events.Publish, nil
}
