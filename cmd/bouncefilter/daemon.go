package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	sd "github.com/coreos/go-systemd/v22/daemon"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/config"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/listener"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/tomlfile"
	"github.com/bouncefilter/bouncefilter/filter"
	"github.com/bouncefilter/bouncefilter/filter/socketmap"
	"github.com/bouncefilter/bouncefilter/store"
	"github.com/bouncefilter/bouncefilter/store/guard"
	"github.com/bouncefilter/bouncefilter/store/open"
)

// patience is how long messages in flight may take to come to their end after SIGTERM. It is less than the service
// manager's patience (TimeoutStopSec in deploy/systemd), so that the last summary is always written.
const patience = 30 * time.Second

// milterDaemon is the running milter: what serve opens, and closes in reverse order.
type milterDaemon struct {
	app     *app
	log     *slog.Logger
	level   *slog.LevelVar
	current atomic.Pointer[site] // in effect
	former  []formerSite         // in effect before, while their tags live; belongs to who reloads
	load    func() (*config.Config, tomlfile.Problems)
	metrics *metrics

	reloading sync.Mutex  // held by whoever replaces current
	announced atomic.Bool // the store knows this node

	instance  string // of this process, among daemons that have its name by mistake
	guard     *guard.Guard
	hasher    *store.Hasher
	server    *filter.Server
	listeners []milterListener
	http      *http.Server
	httpLn    net.Listener

	control   *http.Server // nil unless the store is embedded
	controlLn net.Listener

	socketmap   *socketmap.Server // nil unless configured
	socketmapLn net.Listener
}

// milterListener is an open socket and what it is there for.
type milterListener struct {
	net.Listener
	role filter.Role
}

// open opens store and sockets. Nothing is served yet.
func (d *milterDaemon) open(ctx context.Context, hashSecret []byte) error {
	c := d.current.Load().config
	warn := func(message string) { d.log.Warn("store: " + message) }
	st, err := d.app.openStore(ctx, c.Store, open.Warn(warn), open.Clock(d.app.now))
	if err != nil {
		return storeProblem(c, err)
	}
	d.guard = guard.New(st, guard.Options{Timeout: c.StoreTimeout, JournalFile: c.JournalFile(), Logger: d.log, Now: d.app.now})
	filter.RedirectLibraryLog(d.log)
	d.hasher = store.NewHasher(hashSecret)
	d.server, err = filter.NewServer(filter.Options{
		Policy: d.current.Load().policy, Store: d.guard, Hasher: d.hasher, Logger: d.log,
		Node: c.Node, PastFile: c.PastFile(), Limits: c.Limits, SummaryInterval: c.SummaryInterval, Clock: d.app.now,
	})
	if err != nil {
		return err
	}
	if err := d.listen(); err != nil {
		return err
	}
	if err := d.listenSocketmap(); err != nil {
		return err
	}
	d.listenControl()
	return d.listenHTTP()
}

func (d *milterDaemon) listen() error {
	c := d.current.Load().config
	for _, l := range c.Listeners {
		if !l.Address.Loopback() {
			d.log.Warn("the milter protocol has no authentication: whoever can connect can have any address signed; use a firewall", "listen", l.Address.String())
		}
		ln, err := l.Address.Listen(listener.Options{Mode: c.SocketMode, Group: c.SocketGroup})
		if err != nil {
			return tomlfile.Problems{c.Problem(l.Key, "", err.Error(), "end the other process, or listen elsewhere")}
		}
		d.listeners = append(d.listeners, milterListener{ln, l.Role})
		d.log.Info("listening on "+ln.Addr().Network()+":"+ln.Addr().String(), "role", l.Role.String())
	}
	return nil
}

// run serves until ctx is done or a listener fails. It returns nil if everything was brought to its end.
func (d *milterDaemon) run(ctx context.Context) error {
	hangups, ignore := d.app.hangups()
	defer ignore()
	background, endBackground := context.WithCancel(context.WithoutCancel(ctx))
	defer endBackground()

	keys := newKeeper(d)
	keys.round(ctx) // before the first message: whatever came while this node was away
	d.prepare(ctx)
	ticks, endTicks := d.app.ticks(store.HeartbeatInterval)
	defer endTicks()
	var tasks, backgroundTask sync.WaitGroup
	failed := make(chan error, len(d.listeners)+1) // 1 for lookups
	for _, ln := range d.listeners {
		tasks.Go(func() {
			if err := d.server.Serve(ln.Listener, ln.role); err != nil {
				failed <- fmt.Errorf("serve %s: %w", ln.Addr(), err)
			}
		})
	}
	if d.socketmapLn != nil {
		tasks.Go(func() {
			if err := d.serveSocketmap(); err != nil {
				failed <- err
			}
		})
	}
	if d.httpLn != nil {
		tasks.Go(func() { d.serveHTTP() })
	}
	if d.controlLn != nil {
		tasks.Go(func() { d.serveControl() })
	}
	backgroundTask.Go(func() { d.server.Run(background) })
	backgroundTask.Go(func() { keys.run(background, ticks) })

	d.app.notify(sd.SdNotifyReady)
	var err error
	for running := true; running; {
		select {
		case <-ctx.Done():
			running = false
		case err = <-failed:
			running = false
		case <-hangups:
			d.app.notify(sd.SdNotifyReloading + "\n" + sd.SdNotifyMonotonicUsec())
			d.reload()
			d.announce(ctx)
			d.app.notify(sd.SdNotifyReady)
		}
	}
	d.app.notify(sd.SdNotifyStopping)
	d.log.Info("stopping")
	endBackground()
	backgroundTask.Wait() // the summary has one owner at a time: Run, then Shutdown
	err = errors.Join(err, d.close())
	tasks.Wait()
	return err
}

// prepare lets the first bounces find the record known. Mail does not wait for a store that does not answer.
func (d *milterDaemon) prepare(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	d.server.Prepare(ctx)
}

// close ends what open opened. Messages in flight come to their end first, but for those that take longer than patience.
func (d *milterDaemon) close() error {
	var errs []error
	for _, ln := range d.listeners {
		_ = ln.Close() // Serve closes it as well
	}
	if d.server != nil {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := d.server.Shutdown(ctx); err != nil {
			d.log.Warn("connections were cut: messages in them took too long", "patience", patience)
		}
	}
	d.closeSocketmap()
	errs = append(errs, d.closeControl())
	if d.httpLn != nil {
		errs = append(errs, d.http.Close())
		_ = d.httpLn.Close() // closed already if it was served
	}
	d.dismiss()
	if d.guard != nil {
		errs = append(errs, d.guard.Close())
	}
	return errors.Join(errs...)
}

// storeProblem is a store that cannot be opened.
func storeProblem(c *config.Config, err error) tomlfile.Problems {
	return tomlfile.Problems{c.Problem("store", "", err.Error(), "see the store option in deploy/bouncefilter.toml")}
}
