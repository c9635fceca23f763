package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/config"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/listener"
	"github.com/bouncefilter/bouncefilter/store"
	"github.com/bouncefilter/bouncefilter/store/bolt"
	"github.com/bouncefilter/bouncefilter/store/open"
)

// noticeBoard is where notices are published: a [store.Store], or the daemon that has one open for itself.
type noticeBoard interface {
	Publish(ctx context.Context, n store.Broadcast, onlyNew bool) (published bool, err error)
	Broadcasts(ctx context.Context, topic string, today store.Day) ([]store.Broadcast, error)
	Withdraw(ctx context.Context, topic, name string) error
}

// listenControl opens the control socket, over which other commands reach an embedded store. Its owner and root alone can
// connect: the port for metrics is open to every user of this host. Mail must not depend on it.
func (d *milterDaemon) listenControl() {
	c := d.current.Load().config
	if !embedded(c) {
		return
	}
	address, err := listener.Parse("unix:" + c.ControlSocket())
	if err == nil {
		d.controlLn, err = address.Listen(listener.Options{Mode: 0o600, Group: -1})
	}
	if err != nil {
		d.log.Warn("no control socket: bouncefilter revoke cannot reach this daemon", "socket", c.ControlSocket(), "error", err)
		return
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /notices", d.serveNotices)
	mux.HandleFunc("POST /notices", d.servePublish)
	mux.HandleFunc("DELETE /notices", d.serveWithdraw)
	d.control = &http.Server{
		Handler:           mux,
		ReadHeaderTimeout: httpTimeout, ReadTimeout: httpTimeout, WriteTimeout: httpTimeout, IdleTimeout: httpTimeout,
		MaxHeaderBytes: 1 << 14,
		ErrorLog:       slog.NewLogLogger(d.log.Handler(), slog.LevelDebug),
	}
}

func (d *milterDaemon) serveControl() {
	if err := d.control.Serve(d.controlLn); !errors.Is(err, http.ErrServerClosed) {
		d.log.Error("the control socket is gone", "error", err)
	}
}

func (d *milterDaemon) closeControl() error {
	if d.controlLn == nil {
		return nil
	}
	err := d.control.Close()
	_ = d.controlLn.Close() // closed already if it was served
	return err
}

// maxNotice bounds a notice that is published, in octets.
const maxNotice = 1 << 16

// maxNotices bounds the notices of a topic that are listed, in octets: some ten thousand.
const maxNotices = 16 << 20

func (d *milterDaemon) serveNotices(w http.ResponseWriter, r *http.Request) {
	today, err := strconv.ParseInt(r.FormValue("today"), 10, 32)
	if err != nil {
		say(w, http.StatusBadRequest, "today is not a day")
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), statusTimeout)
	defer cancel()
	ns, err := d.guard.Store().Broadcasts(ctx, r.FormValue("topic"), store.Day(today))
	answer(w, ns, err)
}

func (d *milterDaemon) servePublish(w http.ResponseWriter, r *http.Request) {
	var n store.Broadcast
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxNotice)).Decode(&n); err != nil || n.Name == "" {
		say(w, http.StatusBadRequest, "not a notice")
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), statusTimeout)
	defer cancel()
	published, err := d.guard.Store().Publish(ctx, n, r.URL.Query().Has("new"))
	d.server.RefreshRevocations(ctx)
	answer(w, published, err)
}

func (d *milterDaemon) serveWithdraw(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), statusTimeout)
	defer cancel()
	err := d.guard.Store().Withdraw(ctx, r.FormValue("topic"), r.FormValue("name"))
	d.server.RefreshRevocations(ctx)
	answer(w, err == nil, err)
}

func answer(w http.ResponseWriter, value any, err error) {
	if err != nil {
		say(w, http.StatusServiceUnavailable, "the store does not answer: "+err.Error())
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(value) // who asked may be gone
}

// daemonNotices are the notices of the daemon whose control socket has this path.
type daemonNotices struct{ socket string }

// Publish implements [noticeBoard].
func (d daemonNotices) Publish(ctx context.Context, n store.Broadcast, onlyNew bool) (published bool, err error) {
	body, err := json.Marshal(n)
	if err != nil {
		return false, err
	}
	query := url.Values{}
	if onlyNew {
		query.Set("new", "")
	}
	err = d.ask(ctx, http.MethodPost, query, body, &published)
	return published, err
}

// Broadcasts implements [noticeBoard].
func (d daemonNotices) Broadcasts(ctx context.Context, topic string, today store.Day) (ns []store.Broadcast, err error) {
	err = d.ask(ctx, http.MethodGet, url.Values{"topic": {topic}, "today": {strconv.Itoa(int(today))}}, nil, &ns)
	return ns, err
}

// Withdraw implements [noticeBoard].
func (d daemonNotices) Withdraw(ctx context.Context, topic, name string) error {
	var done bool
	return d.ask(ctx, http.MethodDelete, url.Values{"topic": {topic}, "name": {name}}, nil, &done)
}

func (d daemonNotices) ask(ctx context.Context, method string, query url.Values, body []byte, to any) error {
	ctx, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", d.socket)
	}}
	defer transport.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, method, "http://daemon/notices?"+query.Encode(), bytes.NewReader(body))
	if err != nil {
		return err
	}
	resp, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		return d.explain(err)
	}
	defer func() { _ = resp.Body.Close() }() // read to its end, or of no use
	if resp.StatusCode != http.StatusOK {
		said, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
		return fmt.Errorf("the daemon says: %s", strings.TrimSpace(string(said)))
	}
	return json.NewDecoder(io.LimitReader(resp.Body, maxNotices)).Decode(to)
}

// explain says what can be done about a daemon that cannot be asked.
func (d daemonNotices) explain(err error) error {
	var failed *net.OpError
	if errors.As(err, &failed) {
		err = failed.Err
	}
	err = fmt.Errorf("the daemon cannot be asked on %s: %w", d.socket, err)
	switch {
	case errors.Is(err, fs.ErrPermission):
		return hinted{err, "run this as root, or as the user that the daemon runs as"}
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return hinted{err, "its log says why it has no control socket; does it run, and with this state_dir?"}
	}
	return err
}

// openBoard finds the notices of the site, and makes no store.
func openBoard(ctx context.Context, a *app, c *config.Config) (b noticeBoard, closeBoard func() error, err error) {
	nothing := func() error { return nil }
	if path, isFile := strings.CutPrefix(c.Store, "bolt:"); isFile && !exists(path) {
		return nil, nothing, hinted{fmt.Errorf("%s does not exist", path), "bouncefilter serve makes it; before it has run nothing was signed"}
	}
	daemon := daemonNotices{c.ControlSocket()}
	if c.Store == "memory:" {
		return daemon, nothing, nil // nobody else knows them
	}
	if embedded(c) {
		// A file that another process has open is waited for, which a daemon that can be asked makes needless.
		if conn, err := net.DialTimeout("unix", daemon.socket, statusTimeout); err == nil {
			_ = conn.Close() // nothing was sent
			return daemon, nothing, nil
		}
	}
	st, err := open.Open(ctx, c.Store, open.LeaveDamaged(), open.Clock(a.now))
	switch {
	case errors.Is(err, bolt.ErrInUse):
		return daemon, nothing, nil // which says why it cannot be asked
	case errors.Is(err, fs.ErrPermission):
		return nil, nothing, hinted{storeProblem(c, err), "run this as root, or as the user that the daemon runs as"}
	case err != nil:
		return nil, nothing, storeProblem(c, err)
	}
	return st, st.Close, nil
}
