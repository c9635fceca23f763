package main

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/logqueue"
	"github.com/bouncefilter/bouncefilter/store"
	"github.com/bouncefilter/bouncefilter/store/open"
)

// world is where a command runs in a test: a folder of its own and a clock that does not move.
type world struct {
	t     *testing.T
	dir   string
	stdin io.Reader
	now   time.Time
	hup   chan os.Signal
	ticks chan time.Time // each value is a round of a daemon that looks after its keys
	store store.Store    // in place of the one that the configuration names; nil for that
	env   map[string]string

	journal  bool           // the standard error goes to the journal
	watchdog time.Duration  // what the service manager asks for
	alive    chan time.Time // each value asks whether mail passes

	mu     sync.Mutex
	states []string // reported to the service manager
}

func newWorld(t *testing.T) *world {
	// Not t.TempDir, whose path may be too long for the control socket in it.
	dir, err := os.MkdirTemp("", "bf-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return &world{
		t: t, dir: dir, now: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC),
		hup: make(chan os.Signal, 1), ticks: make(chan time.Time), env: map[string]string{"HOME": dir},
	}
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

// pass lets days pass, also for a daemon that is running.
func (w *world) pass(days int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.AddDate(0, 0, days)
}

func (w *world) path(name string) string { return filepath.Join(w.dir, name) }

// file writes a file and returns its path.
func (w *world) file(name, content string, mode os.FileMode) string {
	w.t.Helper()
	path := w.path(name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		w.t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil { // whatever the umask is
		w.t.Fatal(err)
	}
	return path
}

// config writes bouncefilter.toml for example.com with its state in the folder, and more lines.
func (w *world) config(lines string) string {
	return w.file("bouncefilter.toml", "domains = [\"example.com\"]\nstate_dir = \""+w.path("state")+"\"\nhttp = \"127.0.0.1:0\"\nlisten = [\"tcp:127.0.0.1:0\"]\n"+
		"store_timeout = \"1m\"\n"+lines, 0o600) // a store that is slow, as everything is on a busy machine, is no outage
}

// lockedBuffer is written by a daemon and read by its test.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func (w *world) app(stdout, stderr io.Writer) *app {
	return &app{
		stdin: w.stdin, stdout: stdout, stderr: stderr,
		now:    w.clock,
		getenv: func(key string) string { return w.env[key] },
		notify: func(state string) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.states = append(w.states, strings.SplitN(state, "\n", 2)[0])
		},
		hangups: func() (<-chan os.Signal, func()) { return w.hup, func() {} },
		ticks: func(interval time.Duration) (<-chan time.Time, func()) {
			if w.watchdog > 0 && interval == w.watchdog/2 {
				return w.alive, func() {}
			}
			return w.ticks, func() {}
		},
		journal:  w.journal,
		watchdog: w.watchdog,
		openStore: func(ctx context.Context, url string, opts ...open.Option) (store.Store, error) {
			if w.store != nil {
				return shared{w.store}, nil
			}
			return open.Open(ctx, url, opts...)
		},
		newLog: logqueue.New,
	}
}

// shared is a store that others go on using when one has closed it.
type shared struct{ store.Store }

func (shared) Close() error { return nil }

// result is how a command ended.
type result struct {
	status         int
	stdout, stderr string
}

// run runs a command to its end.
func (w *world) run(args ...string) result {
	var stdout, stderr lockedBuffer
	status := w.app(&stdout, &stderr).run(context.Background(), args)
	return result{status, stdout.String(), stderr.String()}
}

// running is a serve that runs.
type running struct {
	w      *world
	cancel context.CancelFunc
	stdout lockedBuffer
	stderr daemonLog
	done   chan int
	exit   int
}

// daemonLog is what a daemon has said on its standard error.
type daemonLog struct {
	lockedBuffer
	mu    sync.Mutex
	queue *logqueue.Queue // nil before there is one
}

// String returns all that was logged before the call.
func (l *daemonLog) String() string {
	l.mu.Lock()
	q := l.queue
	l.mu.Unlock()
	if q != nil {
		q.Flush(context.Background())
	}
	return l.lockedBuffer.String()
}

// newLog is logqueue.New.
func (l *daemonLog) newLog(out io.Writer, notice func(uint64) []byte) *logqueue.Queue {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.queue = logqueue.New(out, notice)
	return l.queue
}

// start runs serve and waits until it is ready.
func (w *world) start(args ...string) *running {
	w.t.Helper()
	before := w.notified("READY=1")
	ctx, cancel := context.WithCancel(context.Background())
	d := &running{w: w, cancel: cancel, done: make(chan int, 1)}
	a := w.app(&d.stdout, &d.stderr)
	a.newLog = d.stderr.newLog
	go func() { d.done <- a.run(ctx, append([]string{"serve"}, args...)) }()
	w.t.Cleanup(func() { d.stop() })
	d.eventually("ready", func() bool { return w.notified("READY=1") > before })
	return d
}

// notified returns how often a state was reported to the service manager.
func (w *world) notified(state string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for _, s := range w.states {
		if s == state {
			n++
		}
	}
	return n
}

// eventually polls until something is true.
func (d *running) eventually(what string, is func() bool) {
	d.w.t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !is(); time.Sleep(2 * time.Millisecond) {
		select {
		case d.exit = <-d.done:
			d.done <- d.exit
			d.w.t.Fatalf("%s: serve ended with status %d\n%s", what, d.exit, d.stderr.String())
		default:
		}
		if time.Now().After(deadline) {
			d.w.t.Fatalf("%s did not happen\n%s", what, d.stderr.String())
		}
	}
}

// stop ends serve as SIGTERM does.
func (d *running) stop() result {
	d.cancel()
	d.exit = <-d.done
	d.done <- d.exit
	return result{d.exit, d.stdout.String(), d.stderr.String()}
}

// reload asks for a reload and waits for its end.
func (d *running) reload() {
	d.w.t.Helper()
	before := d.w.notified("READY=1")
	d.w.hup <- os.Interrupt // any value
	d.eventually("reload", func() bool { return d.w.notified("READY=1") > before })
}

// rounds lets the daemon look after its keys n times, and begin once more.
func (d *running) rounds(n int) {
	d.w.t.Helper()
	for range n + 1 { // it takes the last value when it is through with the round before
		select {
		case d.w.ticks <- time.Time{}:
		case <-time.After(2 * time.Minute):
			d.w.t.Fatalf("the daemon does not look after its keys\n%s", d.stderr.String())
		}
	}
}

// address returns where the daemon listens.
func (d *running) address() string {
	d.w.t.Helper()
	return d.find(`listening on (?:tcp|unix):([^ "]+)`)
}

func (d *running) find(pattern string) string {
	d.w.t.Helper()
	m := regexp.MustCompile(pattern).FindStringSubmatch(d.stderr.String())
	if m == nil {
		d.w.t.Fatalf("%s is not in the log\n%s", pattern, d.stderr.String())
	}
	return m[1]
}

// get asks the daemon's HTTP port.
func (d *running) get(path string) (int, string) {
	d.w.t.Helper()
	return d.request(http.DefaultClient, http.MethodGet, d.find(`(http://[^ "]+)`)+path, "")
}

// control asks the daemon over its control socket.
func (d *running) control(method, path, body string) (int, string) {
	d.w.t.Helper()
	return d.request(&http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", d.w.path("state/control.sock"))
		},
	}}, method, "http://daemon"+path, body)
}

// status is what the daemon reports about its domains.
func (d *running) status() string {
	d.w.t.Helper()
	_, body := d.control(http.MethodGet, "/status", "")
	return body
}

func (d *running) request(client *http.Client, method, url, content string) (int, string) {
	d.w.t.Helper()
	req, err := http.NewRequestWithContext(d.w.t.Context(), method, url, strings.NewReader(content))
	if err != nil {
		d.w.t.Fatal(err)
	}
	resp, err := client.Do(req)
	if err != nil {
		d.w.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		d.w.t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func contains(t *testing.T, what, text string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(text, p) {
			t.Errorf("%s: %q is missing in\n%s", what, p, text)
		}
	}
}
