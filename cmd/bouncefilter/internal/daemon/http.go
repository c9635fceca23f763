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

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/tomlfile"
	"github.com/bouncefilter/bouncefilter/filter/limit"
)

const (
	// maxHTTPConnections is how many connections for metrics and health are open at once; further ones are closed. Prometheus and a
	// monitor have one each. The descriptors are for the MTA.
	maxHTTPConnections = 32
	// httpTimeout bounds every step of a request for metrics or health, which take milliseconds, and the wait for the next one.
	httpTimeout = 10 * time.Second
	// maxHTTPHeader bounds the octets of the header of a request.
	maxHTTPHeader = 1 << 14
)

// listenHTTP opens the port for metrics and health. Mail must not depend on it: if the default port is in use, the milter runs without.
func (d *Daemon) listenHTTP() error {
	c := d.config
	if c.HTTP == "" {
		return nil
	}
	ln, err := net.Listen("tcp", c.HTTP)
	if err != nil && !c.HTTPChosen {
		d.log.Warn("no metrics and no health checks: cannot listen on the default address; set http", "http", c.HTTP, "error", err)
		return nil
	}
	if err != nil {
		return tomlfile.Problems{c.Problem("http", tomlfile.Quote(c.HTTP), "cannot be listened on: "+err.Error(), "end the other process, or listen elsewhere")}
	}
	d.httpLn = limit.NewOpen(limit.ConnectionOptions{Most: maxHTTPConnections, Name: limit.HTTPConnections, Watch: d.watch}).Listener(ln)
	d.httpRequests = &ownClients{next: d.handler()}
	d.http = &http.Server{
		Handler:           d.httpRequests,
		ReadHeaderTimeout: httpTimeout, ReadTimeout: httpTimeout, WriteTimeout: httpTimeout, IdleTimeout: httpTimeout,
		MaxHeaderBytes: maxHTTPHeader,
		ErrorLog:       slog.NewLogLogger(d.log.Handler(), slog.LevelDebug),
	}
	d.log.Info("metrics and health on http://" + ln.Addr().String())
	return nil
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
	if err := d.http.Serve(d.httpLn); !errors.Is(err, http.ErrServerClosed) {
		d.log.Error("the port for metrics and health has failed", "error", err)
	}
}

// handler serves /metrics, /healthz and /readyz.
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
