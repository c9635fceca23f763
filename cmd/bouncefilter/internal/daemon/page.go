package daemon

import (
	"context"
	"net"
	"net/http"
	"time"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/page"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/status"
	"github.com/bouncefilter/bouncefilter/filter/figures"
	"github.com/bouncefilter/bouncefilter/filter/limit"
	"github.com/bouncefilter/bouncefilter/prvs"
	"github.com/bouncefilter/bouncefilter/store"
	"github.com/bouncefilter/bouncefilter/store/open"
)

// connection is the key of the connection in the context of a request.
type connection struct{}

// page returns the page of the admin listener.
func (d *Daemon) page() *page.Page {
	return page.New(page.Options{
		Source: pageSource{controlled{d}}, Local: d.local, Verify: d.verify, Now: d.o.Now, Log: d.log,
		Limited: func(r *http.Request, most int) {
			if c, ok := r.Context().Value(connection{}).(net.Conn); ok {
				d.watch.Reached(limit.PageWrongTags, most, c)
			}
		},
	})
}

// pageSource is the daemon as the page has it.
type pageSource struct{ controlled }

// Status implements [page.Source]. It comes before the figures, and writes first what is counted and not in the store yet.
func (s pageSource) Status(ctx context.Context) (*status.Status, error) {
	if err := s.FlushFigures(ctx); err != nil {
		return nil, err
	}
	return s.controlled.Status(ctx)
}

// Figures implements [page.Source].
func (s pageSource) Figures(ctx context.Context, by store.Resolution, from, to time.Time) ([]figures.Figure, error) {
	return figures.Read(ctx, s.d.guard.Store(), by, from, to)
}

// Notes implements [page.Source].
func (s pageSource) Notes(ctx context.Context) ([]figures.Note, error) {
	return figures.Notes(ctx, s.d.guard.Store(), store.NewHasher(s.d.o.HashSecret))
}

// local returns what the page shows that is known without the store.
func (d *Daemon) local() page.Local {
	s, j := d.sites.Current(), d.guard.Journal()
	tags := s.Config.Ring
	return page.Local{
		Node: d.config.Node, Version: d.o.Version, Store: open.Redacted(d.config.Store), Lifetime: tags.Lifetime + tags.Rotation - 1, Config: d.o.Config,
		Unhealthy: d.unhealthy(), Circuit: d.guard.Available(), Waiting: j.Entries, Octets: j.Octets, Lost: j.Lost,
		Unreadable: len(s.Keys.Unreadable), ReloadFailed: d.reloadFailed.Load(), Connections: d.server.Connections(),
	}
}

// verify verifies the tag of an address with the keys in effect.
func (d *Daemon) verify(a prvs.Address) (r prvs.Result, ours bool) {
	p := d.sites.Current().Policy
	return p.Verify(a, prvs.DayOf(d.o.Now())), p.Domain(a.Domain) != nil
}
