package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/exporter-toolkit/web"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/config"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/listener"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/tomlfile"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/webconfig"
	"github.com/bouncefilter/bouncefilter/filter/limit"
)

const (
	// maxHTTPConnections is how many connections to the admin listener are open at once; further ones are closed. Prometheus and a
	// monitor have one each, a browser up to six. The descriptors are for the MTA.
	maxHTTPConnections = 32
	// httpTimeout bounds every step of a request, which takes milliseconds, and the wait for the next one. The page waits for the store.
	httpTimeout = 10 * time.Second
	// maxHTTPHeader bounds the octets of the header of a request.
	maxHTTPHeader = 1 << 14
)

// listenHTTP opens the admin listener: page, metrics and health. Mail must not depend on it: if the default port is in use, the milter
// runs without.
func (d *Daemon) listenHTTP() error {
	c := d.config
	if c.HTTP.IsZero() {
		return nil
	}
	address := config.HTTPAddress(c.HTTP)
	ln, err := c.HTTP.Listen(listener.Options{Mode: c.SocketMode, Group: c.SocketGroup})
	if err != nil && !c.HTTPChosen {
		d.log.Warn("no metrics and no health checks: cannot listen on the default address; set http", "http", address, "error", err)
		return nil
	}
	if err != nil {
		return tomlfile.Problems{c.Problem("http", tomlfile.Quote(address), "cannot be listened on: "+err.Error(), listenRemedy(err))}
	}
	access, err := d.access()
	if err != nil {
		return errors.Join(err, ln.Close())
	}
	d.httpLn = limit.NewOpen(limit.ConnectionOptions{Most: maxHTTPConnections, Name: limit.HTTPConnections, Watch: d.watch}).Listener(ln)
	d.httpRequests = &ownClients{next: d.handler(), distant: !c.HTTP.Loopback()}
	if access.Authenticates() {
		d.httpRequests.known = func() bool {
			a, err := webconfig.Read(c.WebConfig)
			return err == nil && a.Authenticates()
		}
	}
	d.http = &http.Server{
		Handler:           d.httpRequests,
		ReadHeaderTimeout: httpTimeout, ReadTimeout: httpTimeout, WriteTimeout: httpTimeout, IdleTimeout: httpTimeout,
		MaxHeaderBytes: maxHTTPHeader,
		Protocols:      new(http.Protocols), // of HTTP/2, one connection has many requests at once
		ErrorLog:       slog.NewLogLogger(d.log.Handler(), slog.LevelDebug),
		ConnContext:    func(ctx context.Context, c net.Conn) context.Context { return context.WithValue(ctx, connection{}, c) },
	}
	d.http.Protocols.SetHTTP1(true)
	d.log.Info("page, metrics and health on " + httpURL(ln.Addr(), access.TLS))
	return nil
}

// access returns what the web configuration asks of a client, and warns of secrets in it that every user of the host can read.
func (d *Daemon) access() (webconfig.Access, error) {
	if d.config.WebConfig == "" {
		return webconfig.Access{}, nil
	}
	access, err := webconfig.Read(d.config.WebConfig)
	if err != nil {
		return access, fmt.Errorf("%s: %w", d.config.WebConfig, err)
	}
	for _, path := range access.Exposed() {
		d.log.Warn("every user of this host can read secrets of the admin listener", "file", path, "remedy", "chmod o-r "+path)
	}
	return access, nil
}

// httpURL returns where a browser or a monitor finds the admin listener.
func httpURL(a net.Addr, tls bool) string {
	switch {
	case a.Network() == "unix":
		return "unix:" + a.String()
	case tls:
		return "https://" + a.String()
	}
	return "http://" + a.String()
}

// closeHTTP ends the connections, and returns when no request uses the daemon any more.
func (d *Daemon) closeHTTP() error {
	if d.http == nil {
		return nil
	}
	err := d.http.Close() // which ends the contexts of requests
	_ = d.httpLn.Close()  // closed already if it was served
	d.httpRequests.end()
	return err
}

func (d *Daemon) serveHTTP() {
	serve := func() error { return d.http.Serve(d.httpLn) }
	if d.config.WebConfig != "" {
		serve = func() error {
			// It reads the file again for each connection and request, and logs what is wrong with it each time.
			log := slog.New(&fewErrors{Handler: d.log.Handler(), now: d.o.Now, rate: new(limit.Rate)})
			return web.Serve(d.httpLn, d.http, &web.FlagConfig{WebConfigFile: &d.config.WebConfig}, log)
		}
	}
	if err := serve(); !errors.Is(err, http.ErrServerClosed) {
		d.log.Error("the admin listener has failed", "error", err)
	}
}

// fewErrors logs an error once in a while, and nothing else.
type fewErrors struct {
	slog.Handler
	now  func() time.Time
	rate *limit.Rate
}

// Enabled implements slog.Handler.
func (*fewErrors) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelError }

// Handle implements slog.Handler.
func (h *fewErrors) Handle(ctx context.Context, r slog.Record) error {
	suppressed, ok := h.rate.Allow(h.now())
	if !ok {
		return nil
	}
	r.Message = "admin listener: " + r.Message
	r.AddAttrs(slog.Uint64("suppressed", suppressed))
	return h.Handler.Handle(ctx, r)
}

// handler serves the page at /, /metrics, /healthz and /readyz.
func (d *Daemon) handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(d.registry(), promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		if reason := d.unhealthy(); reason != "" {
			say(w, http.StatusServiceUnavailable, "not healthy: "+reason)
			return
		}
		say(w, http.StatusOK, "alive")
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		if err := d.ready(r.Context()); err != nil {
			say(w, http.StatusServiceUnavailable, "not ready: "+err.Error())
			return
		}
		say(w, http.StatusOK, "ready")
	})
	page := d.page()
	mux.Handle("GET /{$}", page)
	mux.Handle("POST /{$}", page)
	return mux
}

// ready says what the milter lacks to do all of its work. It signs and delivers without the store, too.
func (d *Daemon) ready(ctx context.Context) error {
	if err := d.server.Ready(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	return d.guard.Store().Ping(ctx)
}

func say(w http.ResponseWriter, status int, sentence string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = fmt.Fprintln(w, sentence) // the client may be gone
}
