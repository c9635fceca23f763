package daemon

import (
	"context"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/control"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/status"
	"github.com/bouncefilter/bouncefilter/store"
	"github.com/bouncefilter/bouncefilter/store/open"
)

// listenControl opens the control socket. Mail must not depend on it.
func (d *Daemon) listenControl() {
	s, err := control.Listen(d.config.ControlSocket(), controlled{d}, d.watch, d.log)
	if err != nil {
		d.log.Warn("no control socket: other commands cannot reach this daemon", "socket", d.config.ControlSocket(), "error", err)
		return
	}
	d.control = s
}

// controlled is the daemon as the control socket has it.
type controlled struct{ d *Daemon }

// Status implements [control.Daemon].
func (c controlled) Status(ctx context.Context) (*status.Status, error) {
	server := c.d.server
	s, err := status.New(ctx, c.d.sites.Current().Policy, c.d.guard.Store(), server.View().History(), c.d.o.Now())
	if err != nil {
		return nil, err
	}
	s.Store = open.Redacted(c.d.config.Store)
	s.Connections = server.Connections()
	s.OtherRoutes, s.Sources = server.OtherRoutes(), server.Sources()
	return s, nil
}

// Keys implements [control.Daemon].
func (c controlled) Keys() []control.Key {
	keys := []control.Key{}
	for _, k := range c.d.sites.Current().Keys.Keys {
		keys = append(keys, control.Key{Number: k.Number, Domain: k.Domain, State: k.State.String(), Next: k.Next, Created: k.Created})
	}
	return keys
}

// Known implements [control.Daemon].
func (c controlled) Known() control.Known {
	known := control.Known{Store: open.Redacted(c.d.config.Store), View: c.d.server.View().Snapshot(), Foreign: []control.Slot{}}
	for _, k := range c.d.sites.Current().Foreign() {
		known.Foreign = append(known.Foreign, control.Slot{Number: k.Number, Domain: k.Domain})
	}
	return known
}

// Barrier implements [control.Daemon].
func (c controlled) Barrier(ctx context.Context) (passed, waited bool) {
	return c.d.server.View().BarrierFor(ctx)
}

// Lookup implements [control.Daemon].
func (c controlled) Lookup(ctx context.Context, today store.Day, qs []store.Query) (store.Answer, error) {
	return c.d.server.View().LookupStore(ctx, today, qs)
}

// Store implements [control.Daemon].
func (c controlled) Store() store.Store { return c.d.guard.Store() }

// FlushFigures implements [control.Daemon].
func (c controlled) FlushFigures(ctx context.Context) error { return c.d.server.FlushFigures(ctx) }

// RefreshRevocations implements [control.Daemon].
func (c controlled) RefreshRevocations(ctx context.Context) {
	c.d.server.View().RefreshRevocations(ctx)
}

// BeginTest implements [control.Daemon].
func (c controlled) BeginTest() (mark string, err error) { return c.d.server.BeginTest() }

// EndTest implements [control.Daemon].
func (c controlled) EndTest(mark string) { c.d.server.EndTest(mark) }
