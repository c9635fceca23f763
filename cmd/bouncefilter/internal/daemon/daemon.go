// Package daemon is the running milter: its sockets, its store, its background work, and the order in which they begin and end.
//
// [Open] opens everything, [Daemon.Run] serves until its context is done.
package daemon

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	sd "github.com/coreos/go-systemd/v22/daemon"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/config"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/control"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/events"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/keydist"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/listener"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/logqueue"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/memlimit"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/site"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/tomlfile"
	"github.com/bouncefilter/bouncefilter/filter"
	"github.com/bouncefilter/bouncefilter/filter/limit"
	"github.com/bouncefilter/bouncefilter/filter/policy"
	"github.com/bouncefilter/bouncefilter/filter/socketmap"
	"github.com/bouncefilter/bouncefilter/store"
	"github.com/bouncefilter/bouncefilter/store/guard"
	"github.com/bouncefilter/bouncefilter/store/open"
)

// Patience is how long messages in transit may take to come to their end after the context is done. It is less than the service
// manager's patience (TimeoutStopSec in deploy/systemd), so that the last summary is always written.
const Patience = 30 * time.Second

// storeTimeout bounds what the daemon waits for the store beside the mail path.
const storeTimeout = 2 * time.Second

// Options is what a daemon runs with. All fields are needed.
type Options struct {
	Site       *site.Site // the first one; see Load
	HashSecret []byte
	Version    string // for the metrics
	Config     string // the configuration that commands must be told; "" for the usual one

	// Memory is how much the process may use. Files is how many descriptors it may have.
	Memory memlimit.Limit
	Files  uint64

	// Load loads the configuration of a reload.
	Load func() (*config.Config, tomlfile.Problems)
	// Reloads asks for a reload with each value.
	Reloads <-chan os.Signal
	// Ticks lets the daemon send a heartbeat and look after its keys with each value.
	Ticks <-chan time.Time
	// Watchdog asks with each value whether the service manager may go on believing that mail passes. nil for never.
	Watchdog <-chan time.Time
	// Notify reports a state to the service manager; see sd_notify(3).
	Notify func(state string)

	OpenStore control.Opener
	Now       func() time.Time
	Log       *slog.Logger
	Lines     *logqueue.Queue // what is behind Log; the caller closes it
	Level     *slog.LevelVar  // of Log
}

// Daemon is a milter with all its sockets open.
type Daemon struct {
	o       Options
	log     *slog.Logger
	config  *config.Config // of the start, for what needs a restart to change
	sites   *site.Running
	metrics *metrics
	watch   *limit.Watch

	ceilings  ceilings
	guard     *guard.Guard
	server    *filter.Server
	events    *events.Publisher // nil unless configured
	keys      *keydist.Distributor
	listeners []milterListener

	control *control.Server // nil if its socket could not be opened

	http         *http.Server // nil unless configured
	httpLn       net.Listener
	httpRequests *ownClients

	reloadFailed atomic.Bool // the last time

	socketmap   *socketmap.Server // nil unless configured
	socketmapLn net.Listener
}

// milterListener is an open socket and what it is for.
type milterListener struct {
	net.Listener
	role policy.Role
}

// Open opens store and sockets. Nothing is served before [Daemon.Run], which must be called unless there is an error.
func Open(ctx context.Context, o Options) (*Daemon, error) {
	d := &Daemon{o: o, log: o.Log, config: o.Site.Config, metrics: newMetrics(o.Now()), watch: limit.NewWatch(o.Log, o.Now)}
	if err := d.open(ctx); err != nil {
		return nil, errors.Join(err, d.close())
	}
	return d, nil
}

func (d *Daemon) open(ctx context.Context) error {
	c := d.config
	warn := func(message string) { d.log.Warn("store: " + message) }
	hasher := store.NewHasher(d.o.HashSecret)
	st, err := d.o.OpenStore(ctx, c.Store, open.Warn(warn), open.Clock(d.o.Now), open.Hasher(hasher))
	if err != nil {
		return c.StoreProblem(err)
	}
	d.guard = guard.New(st, guard.Options{Timeout: c.StoreTimeout, JournalFile: c.JournalFile(), Logger: d.log, Now: d.o.Now, Took: d.metrics.called})
	d.ceilings = newCeilings(c.Limits, !c.Socketmap.IsZero(), d.o.Memory.Octets, d.o.Files, d.log)
	d.limitMemory()
	genuine, err := d.openEvents()
	if err != nil {
		return err
	}
	d.server, err = filter.NewServer(filter.Options{
		Policy: d.o.Site.Policy, Store: d.guard, Hasher: hasher, Logger: d.log,
		Node: c.Node, HistoryFile: c.HistoryFile(), Limits: d.ceilings.mta, Watch: d.watch,
		SummaryInterval: c.SummaryInterval, Notes: c.Notes, Genuine: genuine, Clock: d.o.Now,
	})
	if err != nil {
		return err
	}
	d.metrics.show(d.o.Site)
	d.sites = site.NewRunning(d.o.Site, d.o.Now, func(s *site.Site) {
		d.metrics.show(s)
		d.server.Reload(s.Policy)
	})
	d.keys = keydist.New(keydist.Options{
		Sites: d.sites, Store: d.guard.Store(), Guard: d.guard, Hasher: hasher, Log: d.log, Now: d.o.Now, Instance: rand.Text(),
	})
	if err := d.listen(); err != nil {
		return err
	}
	if err := d.listenSocketmap(); err != nil {
		return err
	}
	d.listenControl()
	return d.listenHTTP()
}

func (d *Daemon) listen() error {
	c := d.config
	for _, l := range c.Listeners {
		if !l.Address.Loopback() {
			d.log.Warn("the milter protocol has no authentication: every client that can connect can have any address signed; use a firewall", "listen", l.Address.String())
		}
		ln, err := l.Address.Listen(listener.Options{Mode: c.SocketMode, Group: c.SocketGroup})
		if err != nil {
			return tomlfile.Problems{c.Problem(l.Key, "", err.Error(), listenRemedy(err))}
		}
		d.listeners = append(d.listeners, milterListener{ln, l.Role})
		d.log.Info("listening on "+ln.Addr().Network()+":"+ln.Addr().String(), "role", l.Role.String())
	}
	return nil
}

// listenRemedy returns what the operator can do about a listener that cannot be opened.
func listenRemedy(err error) string {
	if errors.Is(err, listener.ErrGroup) {
		return "make its folder with install -d -m 2750 -o bouncefilter -g GROUP, whose group the socket inherits, and leave socket_group empty"
	}
	return "end the other process, or listen elsewhere"
}

// Run serves until ctx is done or a socket of the mail path fails. It returns nil if everything was brought to its end.
func (d *Daemon) Run(ctx context.Context) error {
	background, endBackground := context.WithCancel(context.WithoutCancel(ctx))
	defer endBackground()
	d.keys.Round(ctx) // before the first message: what the store has for this node since it was stopped
	d.prepare(ctx)

	var tasks, backgroundTask sync.WaitGroup
	failed := make(chan error, len(d.listeners)+1) // 1 for lookups
	d.serve(&tasks, failed)
	backgroundTask.Go(func() { d.server.Run(background) })
	backgroundTask.Go(func() { d.keys.Run(background, d.o.Ticks) })
	backgroundTask.Go(func() { d.answerWatchdog(background) })
	look := time.NewTicker(memlimit.Interval)
	defer look.Stop()
	backgroundTask.Go(func() { memlimit.GiveBack(background, look.C) })

	d.o.Notify(sd.SdNotifyReady)
	err := d.reloadUntil(ctx, failed)
	d.o.Notify(sd.SdNotifyStopping)
	d.log.Info("stopping")
	endBackground()
	backgroundTask.Wait() // the summary has one owner at a time: Run, then Shutdown
	err = errors.Join(err, d.close())
	tasks.Wait()
	return err
}

// serve serves all sockets. Those of the mail path report when they fail.
func (d *Daemon) serve(tasks *sync.WaitGroup, failed chan<- error) {
	for _, ln := range d.listeners {
		tasks.Go(func() {
			if err := d.server.Serve(ln.Listener, ln.role); err != nil {
				failed <- fmt.Errorf("serve %s: %w", ln.Addr(), err)
			}
		})
	}
	if d.socketmapLn != nil {
		tasks.Go(func() {
			if err := d.socketmap.Serve(d.socketmapLn); err != nil {
				failed <- fmt.Errorf("serve lookups on %s: %w", d.socketmapLn.Addr(), err)
			}
		})
	}
	if d.httpLn != nil {
		tasks.Go(d.serveHTTP)
	}
	if d.control != nil {
		tasks.Go(func() {
			if err := d.control.Serve(); err != nil {
				d.log.Error("the control socket has failed", "error", err)
			}
		})
	}
}

// reloadUntil reloads when it is asked to, until ctx is done or there is a failure, which it returns.
func (d *Daemon) reloadUntil(ctx context.Context, failed <-chan error) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-failed:
			return err
		case <-d.o.Reloads:
			d.o.Notify(sd.SdNotifyReloading + "\n" + sd.SdNotifyMonotonicUsec())
			d.reload()
			d.keys.Heartbeat(ctx)
			d.o.Notify(sd.SdNotifyReady)
		}
	}
}

// reload puts a new configuration and new keys into effect as a whole, or stays with the old ones. Messages in transit stay with the
// policy they began with.
func (d *Daemon) reload() {
	s, problems := d.sites.Reload(d.o.Load)
	d.metrics.reloaded(len(problems) == 0, d.o.Now())
	d.reloadFailed.Store(len(problems) > 0)
	if len(problems) > 0 {
		for _, p := range problems {
			d.log.Error("configuration not loaded, the old one stays in effect", "problem", p.String())
		}
		return
	}
	d.o.Level.Set(s.Config.LogLevel)
	d.log.Info("configuration loaded", "domains", len(s.Config.Settings.Domains), "keys", len(s.Keys.Keys))
}

// prepare asks the store what the first bounces are judged by. Mail does not wait for a store that does not answer.
func (d *Daemon) prepare(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	d.server.Prepare(ctx)
}

// close ends what open opened, in reverse order. Messages in transit come to their end first, but for those that take longer than
// Patience.
func (d *Daemon) close() error {
	var errs []error
	for _, ln := range d.listeners {
		_ = ln.Close() // Serve closes it as well
	}
	if d.server != nil {
		ctx, cancel := context.WithTimeout(context.Background(), Patience)
		defer cancel()
		if err := d.server.Shutdown(ctx); err != nil {
			d.log.Warn("connections were cut: messages in them took too long", "patience", Patience)
		}
	}
	if d.events != nil { // no mail passes any more
		errs = append(errs, d.events.Close())
	}
	d.closeSocketmap()
	if d.control != nil {
		errs = append(errs, d.control.Close())
	}
	errs = append(errs, d.closeHTTP())
	if d.keys != nil {
		d.keys.Leave()
	}
	if d.guard != nil {
		errs = append(errs, d.guard.Close())
	}
	return errors.Join(errs...)
}
