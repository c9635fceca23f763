package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/listener"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/status"
	"github.com/bouncefilter/bouncefilter/filter"
	"github.com/bouncefilter/bouncefilter/filter/limit"
	"github.com/bouncefilter/bouncefilter/store"
)

// Daemon is what a Server needs of the daemon.
type Daemon interface {
	Status(ctx context.Context) (*status.Status, error)
	Keys() []Key
	// Known returns what is judged by and only the daemon knows.
	Known() Known
	// Barrier waits until every other node has written what it signed before; see [view.View.Barrier].
	Barrier(ctx context.Context) (passed, waited bool)
	// Lookup asks the daemon's store, with what the daemon is about to write to it.
	Lookup(ctx context.Context, today store.Day, qs []store.Query) (store.Answer, error)
	// Store is the daemon's store, which no other process can open if it is embedded.
	Store() store.Store
	// BeginTest and EndTest are those of the milter, see [filter.Server.BeginTest].
	BeginTest() (mark string, err error)
	EndTest(mark string)
	// FlushFigures writes to the store what the daemon has counted.
	FlushFigures(ctx context.Context) error
	// RefreshRevocations lets the daemon take revocations into effect that have changed in the store.
	RefreshRevocations(ctx context.Context)
}

// maxConnections is how many connections of commands are open at once; further ones are closed. A command has one.
const maxConnections = 64

// connectionTimeout bounds every other step of a connection, so that clients that hang are gone some time.
const connectionTimeout = 10 * time.Second

// Server answers commands on the control socket of a daemon.
type Server struct {
	daemon  Daemon
	ln      net.Listener
	http    *http.Server
	active  sync.RWMutex  // held for reading by each request, and for writing once there may be none
	barrier chan struct{} // held by the one request that waits at the barrier: the other places are for bounces
}

// Listen opens the control socket at path. A socket that a killed process has left is replaced.
func Listen(path string, d Daemon, watch *limit.Watch, log *slog.Logger) (*Server, error) {
	address, err := listener.Parse("unix:" + path)
	if err != nil {
		return nil, err
	}
	ln, err := address.Listen(listener.Options{Mode: 0o600, Group: -1})
	if err != nil {
		return nil, err
	}
	open := limit.NewOpen(limit.ConnectionOptions{Most: maxConnections, Name: limit.ControlConnections, Watch: watch})
	s := &Server{daemon: d, ln: open.Listener(ln), barrier: make(chan struct{}, 1)}
	s.http = &http.Server{
		Handler:           s.handler(),
		ReadHeaderTimeout: connectionTimeout, ReadTimeout: connectionTimeout, WriteTimeout: countersTimeout, IdleTimeout: connectionTimeout,
		MaxHeaderBytes: 1 << 14,
		ErrorLog:       slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	return s, nil
}

// Serve answers until Close is called, when it returns nil.
func (s *Server) Serve() error {
	if err := s.http.Serve(s.ln); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// Close closes the socket, ends Serve, and returns when no request uses the daemon any more. It must be called once.
func (s *Server) Close() error {
	err := s.http.Close() // which ends the contexts of requests
	_ = s.ln.Close()      // closed already if it was served
	s.active.Lock()
	return err
}

func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	for pattern, f := range map[string]func(ctx context.Context, r *http.Request) (any, error){
		"GET /status":        s.status,
		"GET /keys":          func(context.Context, *http.Request) (any, error) { return s.daemon.Keys(), nil },
		"GET /known":         func(context.Context, *http.Request) (any, error) { return s.daemon.Known(), nil },
		"POST /barrier":      s.passBarrier,
		"POST /lookup":       s.lookup,
		"GET /counters":      s.counters,
		"GET /notes":         s.notes,
		"GET /nodes":         s.nodes,
		"DELETE /nodes":      s.removeNode,
		"POST /incomplete":   s.markIncomplete,
		"GET /broadcasts":    s.broadcasts,
		"POST /broadcasts":   s.publish,
		"DELETE /broadcasts": s.withdraw,
		"POST /tests":        func(context.Context, *http.Request) (any, error) { return s.daemon.BeginTest() },
		"DELETE /tests":      s.endTest,
	} {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			if !s.active.TryRLock() {
				http.Error(w, "the daemon stops", http.StatusServiceUnavailable)
				return
			}
			defer s.active.RUnlock()
			ctx, cancel := context.WithTimeout(r.Context(), timeout)
			defer cancel()
			r.Body = http.MaxBytesReader(w, r.Body, maxRequest)
			value, err := f(ctx, r)
			answer(w, value, err)
		})
	}
	return mux
}

// badRequest is a request that cannot be understood.
type badRequest struct{ error }

// answer writes a value as JSON, or an error as text.
func answer(w http.ResponseWriter, value any, err error) {
	var bad badRequest
	switch {
	case errors.As(err, &bad):
		http.Error(w, err.Error(), http.StatusBadRequest)
	case errors.Is(err, filter.ErrTooManyTests), errors.Is(err, store.ErrCrowded):
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
	case err != nil:
		http.Error(w, "the store does not answer: "+err.Error(), http.StatusServiceUnavailable)
	default:
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(value) // the client may be gone
	}
}

func (s *Server) status(ctx context.Context, _ *http.Request) (any, error) {
	return s.daemon.Status(ctx)
}

// passBarrier is answered when the barrier is passed, or not: after the timeout of other requests, but before that of the connection.
func (s *Server) passBarrier(_ context.Context, r *http.Request) (any, error) {
	select {
	case s.barrier <- struct{}{}:
		defer func() { <-s.barrier }()
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	passed, waited := s.daemon.Barrier(r.Context())
	return barrierAnswer{passed, waited}, nil
}

func (s *Server) lookup(ctx context.Context, r *http.Request) (any, error) {
	var l lookup
	if err := json.NewDecoder(r.Body).Decode(&l); err != nil {
		return nil, badRequest{fmt.Errorf("not a lookup: %w", err)}
	}
	qs, err := l.queries()
	if err != nil {
		return nil, badRequest{err}
	}
	a, err := s.daemon.Lookup(ctx, l.Today, qs)
	return lookupAnswer{a.Found, a.Counts, a.Complete}, err
}

// counters is answered for the time of a day at most: a command that wants more asks again. It may take longer than other requests.
func (s *Server) counters(_ context.Context, r *http.Request) (any, error) {
	ctx, cancel := context.WithTimeout(r.Context(), countersTimeout)
	defer cancel()
	by := store.ByHour
	switch r.FormValue("by") {
	case "hour":
	case "day":
		by = store.ByDay
	default:
		return nil, badRequest{errors.New("by is neither hour nor day")}
	}
	from, err := strconv.ParseInt(r.FormValue("from"), 10, 32)
	to, otherErr := strconv.ParseInt(r.FormValue("to"), 10, 32)
	if err != nil || otherErr != nil || to < from || to-from >= hoursOfADay {
		return nil, badRequest{errors.New("from and to are not two hours of at most a day")}
	}
	if err := s.daemon.FlushFigures(ctx); err != nil {
		return nil, err
	}
	cs, err := s.daemon.Store().Counters(ctx, by, store.Hour(from), store.Hour(to))
	if len(cs) > maxCounters {
		return nil, fmt.Errorf("%w: %d counters of one %s, and %d are read at most", store.ErrCrowded, len(cs), r.FormValue("by"), maxCounters)
	}
	if cs == nil {
		cs = []store.Counter{}
	}
	return cs, err
}

// hoursOfADay is how many hours one request for counters is about at most.
const hoursOfADay = 24

func (s *Server) notes(ctx context.Context, _ *http.Request) (any, error) {
	if err := s.daemon.FlushFigures(ctx); err != nil {
		return nil, err
	}
	ns, err := s.daemon.Store().Notes(ctx)
	if ns == nil {
		ns = []store.Note{}
	}
	return ns, err
}

func (s *Server) nodes(ctx context.Context, _ *http.Request) (any, error) {
	return s.daemon.Store().Nodes(ctx)
}

func (s *Server) removeNode(ctx context.Context, r *http.Request) (any, error) {
	return true, s.daemon.Store().RemoveNode(ctx, r.FormValue("name"))
}

func (s *Server) markIncomplete(ctx context.Context, r *http.Request) (any, error) {
	var g store.Gap
	if err := json.NewDecoder(r.Body).Decode(&g); err != nil {
		return nil, badRequest{fmt.Errorf("not a gap: %w", err)}
	}
	if g.Until.IsZero() {
		return nil, badRequest{errors.New("a gap without an end")}
	}
	return true, s.daemon.Store().MarkIncomplete(ctx, g)
}

func (s *Server) broadcasts(ctx context.Context, r *http.Request) (any, error) {
	today, err := strconv.ParseInt(r.FormValue("today"), 10, 32)
	if err != nil {
		return nil, badRequest{errors.New("today is not a day")}
	}
	return s.daemon.Store().Broadcasts(ctx, r.FormValue("topic"), store.Day(today))
}

func (s *Server) publish(ctx context.Context, r *http.Request) (any, error) {
	var b store.Broadcast
	if err := json.NewDecoder(r.Body).Decode(&b); err != nil || b.Name == "" {
		return nil, badRequest{errors.New("not a broadcast")}
	}
	published, err := s.daemon.Store().Publish(ctx, b, r.URL.Query().Has("new"))
	s.daemon.RefreshRevocations(ctx)
	return published, err
}

func (s *Server) withdraw(ctx context.Context, r *http.Request) (any, error) {
	err := s.daemon.Store().Withdraw(ctx, r.FormValue("topic"), r.FormValue("name"))
	s.daemon.RefreshRevocations(ctx)
	return true, err
}

func (s *Server) endTest(_ context.Context, r *http.Request) (any, error) {
	s.daemon.EndTest(r.FormValue("mark"))
	return true, nil
}
