package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/probe"
	"github.com/bouncefilter/bouncefilter/store"
	"github.com/bouncefilter/bouncefilter/store/memory"
)

// maxHTTPConnections is the limit as the manual has it.
const maxHTTPConnections = 32

// Connections for metrics and health have a limit: at it all are answered, the one past it is closed, counted and logged with its peer
// and listener, once a minute. One that ends makes room.
func TestLimitOfHTTPConnections(t *testing.T) {
	w := newWorld(t)
	d := w.start("-c", w.config(""))
	address := strings.TrimPrefix(d.find(`(http://[^ "]+)`), "http://")
	var conns []net.Conn
	dial := func() net.Conn {
		t.Helper()
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, c)
		return c
	}
	defer func() {
		for _, c := range conns {
			_ = c.Close()
		}
	}()
	ask := func(c net.Conn, path string) (string, error) {
		_, err := fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", path)
		if err != nil {
			return "", err
		}
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			return "", err
		}
		defer func() { _ = resp.Body.Close() }()
		var body strings.Builder
		_, err = bufio.NewReader(resp.Body).WriteTo(&body)
		return body.String(), err
	}
	for i := range maxHTTPConnections {
		if body, err := ask(dial(), "/healthz"); body != "alive\n" {
			t.Fatalf("connection %d: %q, %v", i+1, body, err)
		}
	}
	for range 2 {
		if body, err := ask(dial(), "/healthz"); err == nil {
			t.Errorf("the connection past the limit got %q", body)
		}
	}
	metrics, err := ask(conns[0], "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	contains(t, "metrics", metrics, "bouncefilter_limit_reached_total{limit=\"http-connections\"} 2\n")
	log := d.stderr.String()
	contains(t, "log", log, `msg="limit reached" limit=http-connections value=32 peer=127.0.0.1 listener=tcp:`+address+" ")
	if n := strings.Count(log, "limit=http-connections"); n != 1 {
		t.Errorf("%d lines", n)
	}
	_ = conns[0].Close()
	d.eventually("room for another connection", func() bool {
		body, _ := ask(dial(), "/healthz")
		return body == "alive\n"
	})
}

// Every process of the host, and every page in a browser there, can ask for metrics and health: they name no address and no Message-ID,
// whatever mail there was, and nothing can be changed.
func TestHTTPShowsNoAddressAndTakesNothing(t *testing.T) {
	w := newWorld(t)
	d := w.start("-c", w.config("mode = \"enforce\"\n"))
	tagged := d.sign("user@example.com")
	if got := d.replay(tagged); got != taken {
		t.Fatalf("a genuine bounce: %s", got)
	}
	if got := d.replay("user@example.com"); !strings.HasPrefix(got, "550 ") {
		t.Fatalf("a forged bounce: %s", got)
	}
	sender := probe.Client{Name: "mx", Address: stranger.Address, Login: "alice"}
	d.deliver(sender, "alice.unseen@example.com", "bob.unseen@example.net", "Message-ID: <1.unseen@example.com>\n\ntext\n")
	d.deliver(stranger, "", "carol.unseen@example.com", "From: mailer-daemon@example.net\nSubject: Undelivered mail\n\ntext\n")
	d.deliver(stranger, "dave.unseen@example.net", "prvs=0787788259=erin.unseen@example.com", "From: dave.unseen@example.net\n\ntext\n")
	contains(t, "log", d.stderr.String(), "alice.unseen", "carol.unseen", "erin.unseen")
	url := d.find(`(http://[^ "]+)`)
	for path, want := range map[string]int{"/metrics": 200, "/healthz": 200, "/readyz": 200, "/": 200, "/status": 404, "/keys": 404,
		"/lookup?address=alice.unseen@example.com": 404, "/debug/pprof/": 404} {
		status, body := d.get(path)
		if status != want {
			t.Errorf("%s is answered with %d, expected %d", path, status, want)
		}
		hidden := []string{"unseen", "friend"}
		if path == "/" { // the page has networks, clients and masked addresses
			body = strings.ReplaceAll(body, `placeholder="prvs=0336abcdef=user@example.com"`, "")
			hidden = append(hidden, "user@", "prvs=")
		} else {
			hidden = append(hidden, "@", "prvs", "client.example.net", "192.0.2")
		}
		for _, word := range hidden {
			if strings.Contains(body, word) {
				t.Errorf("%s shows %q:\n%s", path, word, body)
			}
		}
		if want != 200 {
			continue
		}
		for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions} {
			want := http.StatusMethodNotAllowed
			if path == "/" && method == http.MethodPost {
				want = http.StatusOK // the form, which judges an address
			}
			if status, _ := d.request(http.DefaultClient, method, url+path, "x"); status != want {
				t.Errorf("%s %s is answered with %d", method, path, status)
			}
		}
	}
}

// stuckStore holds up each Record of a message, whatever its context says, until release is closed.
type stuckStore struct {
	store.Store
	stuck   chan struct{} // gets a value from each call
	release chan struct{}
}

func newStuckStore(w *world) *stuckStore {
	return &stuckStore{Store: memory.NewWithClock(w.clock), stuck: make(chan struct{}, 1), release: make(chan struct{})}
}

// holdUp hands a message to the daemon, and returns when it is held up. delivered gets a value when the message is through.
func (s *stuckStore) holdUp(d *running) (delivered <-chan error) {
	done := make(chan error, 1)
	go func() {
		_, err := probe.Deliver("tcp", d.address(), probe.Client{Name: "pc", Address: stranger.Address, Login: "user"},
			probe.Message{From: "user@example.com", To: "friend@example.net", Text: "Subject: x\n\ntext\n"})
		done <- err
	}()
	<-s.stuck
	return done
}

func (s *stuckStore) Record(ctx context.Context, today store.Day, domain string, rs ...store.Record) error {
	if domain != "" { // the daemon's own records have none
		select {
		case s.stuck <- struct{}{}:
		default:
		}
		<-s.release
	}
	return s.Store.Record(ctx, today, domain, rs...)
}

// Health looks at the mail path: a message on which the daemon works for longer than a store can explain is not well, at the bound it
// still is.
func TestHealthLooksAtTheMailPath(t *testing.T) {
	w := newWorld(t)
	s := newStuckStore(w)
	w.store = s
	d := w.start("-c", w.config(""))
	delivered := s.holdUp(d)
	after := func(d time.Duration) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.now = w.now.Add(d)
	}
	after(30*time.Second + 4*time.Minute) // store_timeout is a minute
	if status, body := d.get("/healthz"); status != 200 || body != "alive\n" {
		t.Errorf("at the bound: %d %q", status, body)
	}
	after(time.Second)
	const want = "not healthy: an event of the MTA has been worked on for 4m31s, which is more than 4m30s\n"
	if status, body := d.get("/healthz"); status != 503 || body != want {
		t.Errorf("past the bound: %d %q", status, body)
	}
	close(s.release)
	d.eventually("it is well again", func() bool {
		status, _ := d.get("/healthz")
		return status == 200
	})
	<-delivered
}

// A socket that another program has removed is found by no MTA.
func TestHealthMissesTheSocket(t *testing.T) {
	w := newWorld(t)
	socket := w.path("m.sock")
	d := w.start("-c", w.config(""), "--listen", "unix:"+socket)
	d.eventually("it is well", func() bool {
		status, _ := d.get("/healthz")
		return status == 200
	})
	if err := os.Remove(socket); err != nil {
		t.Fatal(err)
	}
	want := "not healthy: the MTA does not find the socket: lstat " + socket + ": no such file or directory; restart bouncefilter\n"
	if status, body := d.get("/healthz"); status != 503 || body != want {
		t.Errorf("%d %q", status, body)
	}
}

// The service manager hears that mail passes while it does, and no longer.
func TestWatchdog(t *testing.T) {
	w := newWorld(t)
	s := newStuckStore(w)
	w.store, w.watchdog, w.alive = s, time.Minute, make(chan time.Time)
	d := w.start("-c", w.config(""))
	for n := 1; n <= 2; n++ {
		w.alive <- time.Time{}
		d.eventually("the service manager hears", func() bool { return w.notified("WATCHDOG=1") == n })
	}
	delivered := s.holdUp(d)
	w.pass(1)
	w.alive <- time.Time{}
	w.alive <- time.Time{} // taken when it is through with the one before
	if n := w.notified("WATCHDOG=1"); n != 2 {
		t.Errorf("the service manager heard %d times that mail passes", n)
	}
	close(s.release)
	<-delivered
}

// A reload that waits for a disk keeps no mail from passing, and the service manager hears that.
func TestWatchdogDuringAReload(t *testing.T) {
	w := newWorld(t)
	w.watchdog, w.alive = time.Minute, make(chan time.Time)
	domains, pipe := filepath.Join(t.TempDir(), "domains"), filepath.Join(t.TempDir(), "pipe")
	content := []byte("example.net\n")
	if err := errors.Join(os.WriteFile(domains, content, 0o600), syscall.Mkfifo(pipe, 0o600)); err != nil {
		t.Fatal(err)
	}
	d := w.start("-c", w.config(fmt.Sprintf("domains_file = %q\n", domains)))
	if err := os.Rename(pipe, domains); err != nil {
		t.Fatal(err)
	}
	w.hup <- syscall.SIGHUP
	d.eventually("the reload begins", func() bool { return w.notified("RELOADING=1") == 1 })
	heard := false
	select {
	case w.alive <- time.Time{}:
		heard = true
	case <-time.After(5 * time.Second):
	}
	ready := w.notified("READY=1")
	// The reload goes on: it gets the content from the pipe, and from the file should it read it again.
	if err := errors.Join(os.Rename(domains, pipe), os.WriteFile(domains, content, 0o600), os.WriteFile(pipe, content, 0o600)); err != nil {
		t.Fatal(err)
	}
	d.eventually("the reload ends", func() bool { return w.notified("READY=1") == 2 })
	if !heard || ready != 1 {
		t.Fatalf("taken %t during the reload, ready %d times then", heard, ready)
	}
	d.eventually("the service manager hears", func() bool { return w.notified("WATCHDOG=1") == 1 })
}
