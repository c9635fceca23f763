package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/config"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/remedy"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/status"
	"github.com/bouncefilter/bouncefilter/store"
	"github.com/bouncefilter/bouncefilter/store/open"
)

// Client asks the daemon. It is a [Store]: that of the daemon.
type Client struct {
	socket string
	http   *http.Client
}

// NewClient returns a client of the daemon whose control socket has this path. Nothing is connected yet.
func NewClient(socket string) *Client {
	return &Client{socket: socket, http: &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true, // so that there is nothing to close
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", socket)
		},
	}}}
}

// Ping finds out whether a daemon listens on the socket.
func (c *Client) Ping(ctx context.Context) error {
	conn, err := (&net.Dialer{Timeout: timeout}).DialContext(ctx, "unix", c.socket)
	if err != nil {
		return c.unreachable(err)
	}
	return conn.Close()
}

// sameStore says, as an error, that the daemon uses another store than the configuration names.
func (c *Client) sameStore(ctx context.Context, conf *config.Config) error {
	known, err := c.Known(ctx)
	if err != nil {
		return err
	}
	if configured := open.Redacted(conf.Store); known.Store != configured {
		return remedy.With(fmt.Errorf("the running daemon uses %w than the configuration names: %s, not %s", errOtherStore, known.Store, configured),
			"restart the daemon, or name the configuration that it runs with")
	}
	return nil
}

// Status returns what the daemon knows about the site's domains.
func (c *Client) Status(ctx context.Context) (*status.Status, error) {
	s := &status.Status{}
	err := c.ask(ctx, http.MethodGet, "/status", nil, nil, s)
	return s, err
}

// Keys returns the keys that the daemon has in effect.
func (c *Client) Keys(ctx context.Context) (keys []Key, err error) {
	err = c.ask(ctx, http.MethodGet, "/keys", nil, nil, &keys)
	return keys, err
}

// Known returns what bounces are judged by and only the daemon knows.
func (c *Client) Known(ctx context.Context) (k Known, err error) {
	err = c.ask(ctx, http.MethodGet, "/known", nil, nil, &k)
	return k, err
}

// Barrier lets the daemon wait until every other node has written what it signed before; see [view.View.Barrier].
func (c *Client) Barrier(ctx context.Context) (passed, waited bool, err error) {
	var a barrierAnswer
	err = c.askWithin(ctx, BarrierTimeout, maxAnswer, http.MethodPost, "/barrier", nil, nil, &a)
	return a.Passed, a.Waited, err
}

// Lookup looks up records in the daemon's store; see [store.Store].
func (c *Client) Lookup(ctx context.Context, today store.Day, qs []store.Query) (store.Answer, error) {
	var a lookupAnswer
	if err := c.ask(ctx, http.MethodPost, "/lookup", nil, newLookup(today, qs), &a); err != nil {
		return store.Answer{}, err
	}
	if len(a.Found) != len(qs) || len(a.Counts) != len(qs) {
		return store.Answer{}, fmt.Errorf("the daemon has answered %d of %d queries", len(a.Found), len(qs))
	}
	return store.Answer{Found: a.Found, Counts: a.Counts, Complete: a.Complete}, nil
}

// FirstSigned returns since when domains have been signing, as far as the daemon knows.
func (c *Client) FirstSigned(ctx context.Context) (map[string]store.Day, error) {
	known, err := c.Known(ctx)
	return known.View.History.FirstSigned, err
}

// Nodes returns the nodes of the daemon's store; see [store.Store].
func (c *Client) Nodes(ctx context.Context) (nodes []store.Node, err error) {
	err = c.ask(ctx, http.MethodGet, "/nodes", nil, nil, &nodes)
	return nodes, err
}

// Counters returns counters of the daemon's store, and what the daemon has counted and not written yet; see [store.Store]. It asks for one
// day or hour after the other: all together are many.
func (c *Client) Counters(ctx context.Context, by store.Resolution, from, to store.Hour) ([]store.Counter, error) {
	word, each, kept := "hour", store.Hour(1), store.Hour(store.HourRetention)
	if by == store.ByDay {
		word, each, kept = "day", hoursOfADay, hoursOfADay*store.CounterRetention
	}
	var all []store.Counter
	from = max(from, to-kept-2*hoursOfADay) // a store has no others
	for from <= to {
		last := min(to, from-from%each+each-1)
		var cs []store.Counter
		query := url.Values{"by": {word}, "from": {strconv.Itoa(int(from))}, "to": {strconv.Itoa(int(last))}}
		if err := c.askWithin(ctx, countersTimeout, maxCountersAnswer, http.MethodGet, "/counters", query, nil, &cs); err != nil {
			return nil, err
		}
		all, from = append(all, cs...), last+1
	}
	return all, nil
}

// Notes returns the notes of the daemon's store; see [store.Store].
func (c *Client) Notes(ctx context.Context) (notes []store.Note, err error) {
	err = c.ask(ctx, http.MethodGet, "/notes", nil, nil, &notes)
	return notes, err
}

// RemoveNode removes a node from the daemon's store; see [store.Store].
func (c *Client) RemoveNode(ctx context.Context, node string) error {
	return c.ask(ctx, http.MethodDelete, "/nodes", url.Values{"name": {node}}, nil, new(bool))
}

// MarkIncomplete notes a gap in the record of the daemon's store; see [store.Store].
func (c *Client) MarkIncomplete(ctx context.Context, g store.Gap) error {
	return c.ask(ctx, http.MethodPost, "/incomplete", nil, g, new(bool))
}

// Publish stores a broadcast in the daemon's store; see [store.Store].
func (c *Client) Publish(ctx context.Context, b store.Broadcast, onlyNew bool) (published bool, err error) {
	query := url.Values{}
	if onlyNew {
		query.Set("new", "")
	}
	err = c.ask(ctx, http.MethodPost, "/broadcasts", query, b, &published)
	return published, err
}

// Broadcasts returns the broadcasts of a topic in the daemon's store; see [store.Store].
func (c *Client) Broadcasts(ctx context.Context, topic string, today store.Day) (bs []store.Broadcast, err error) {
	err = c.ask(ctx, http.MethodGet, "/broadcasts", url.Values{"topic": {topic}, "today": {strconv.Itoa(int(today))}}, nil, &bs)
	return bs, err
}

// Withdraw removes a broadcast from the daemon's store; see [store.Store].
func (c *Client) Withdraw(ctx context.Context, topic, name string) error {
	return c.ask(ctx, http.MethodDelete, "/broadcasts", url.Values{"topic": {topic}, "name": {name}}, nil, new(bool))
}

// BeginTest returns a mark for mail that is a test of the running daemon, which EndTest makes an end of; see [filter.Server.BeginTest].
func (c *Client) BeginTest(ctx context.Context) (mark string, err error) {
	err = c.ask(ctx, http.MethodPost, "/tests", nil, nil, &mark)
	return mark, err
}

// EndTest makes an end of a mark. If it fails, the mark ends by itself.
func (c *Client) EndTest(ctx context.Context, mark string) error {
	return c.ask(ctx, http.MethodDelete, "/tests", url.Values{"mark": {mark}}, nil, new(bool))
}

// Close does nothing: the daemon goes on using its store.
func (c *Client) Close() error { return nil }

// ask sends a request with body as JSON, if it is not nil, and reads the answer into the value that to points to.
func (c *Client) ask(ctx context.Context, method, path string, query url.Values, body, to any) error {
	return c.askWithin(ctx, timeout, maxAnswer, method, path, query, body, to)
}

// askWithin is ask with other bounds of the time and of the octets of the answer.
func (c *Client) askWithin(ctx context.Context, limit time.Duration, most int64, method, path string, query url.Values, body, to any) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var content []byte
	if body != nil {
		var err error
		if content, err = json.Marshal(body); err != nil {
			return err
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://daemon"+path+"?"+query.Encode(), bytes.NewReader(content))
	if err != nil {
		return err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return c.unreachable(err)
	}
	defer func() { _ = resp.Body.Close() }() // read to its end, or of no use
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
		return fmt.Errorf("the daemon says: %s", strings.TrimSpace(string(text)))
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, most)).Decode(to); err != nil {
		return fmt.Errorf("the daemon's answer to %s: %w", path, err)
	}
	return nil
}

// maxSocketPath is how long the path of a unix socket can be, in octets (unix(7)).
const maxSocketPath = 107

// unreachable adds what an operator can do about a daemon that cannot be asked.
func (c *Client) unreachable(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return remedy.With(fmt.Errorf("the daemon does not answer in time on %s", c.socket), "see its log; restart it if it hangs")
	}
	var failed *net.OpError
	if errors.As(err, &failed) {
		err = failed.Err
	}
	err = fmt.Errorf("the daemon cannot be asked on %s: %w", c.socket, err)
	switch {
	case errors.Is(err, fs.ErrPermission):
		return remedy.With(err, "run this as root, or as the user that the daemon runs as")
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return remedy.With(err, "its log says why it has no control socket; does it run, and with this state_dir? if the socket was removed later, restart it")
	case errors.Is(err, syscall.EINVAL) && len(c.socket) > maxSocketPath:
		return remedy.With(err, fmt.Sprintf("the path of the socket has more than %d octets: choose a shorter state_dir", maxSocketPath))
	}
	return err
}
