package filter

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/d--j/go-milter"

	"github.com/bouncefilter/bouncefilter/filter/internal/filtertest"
	"github.com/bouncefilter/bouncefilter/filter/policy"
	"github.com/bouncefilter/bouncefilter/store"
	"github.com/bouncefilter/bouncefilter/store/guard"
	"github.com/bouncefilter/bouncefilter/store/memory"
)

var testDay = filtertest.Day()

func testPolicy(t testing.TB, change func(*policy.Settings)) *policy.Policy {
	t.Helper()
	return filtertest.Policy(t, change)
}

// logBuffer collects log lines.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// fixture is a running server.
type fixture struct {
	t      testing.TB
	server *Server
	store  store.Store
	log    *logBuffer
	addr   string
	mu     sync.Mutex
	clock  time.Time
}

func (f *fixture) now() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.clock
}

func (f *fixture) setClock(t time.Time) {
	f.mu.Lock()
	f.clock = t
	f.mu.Unlock()
	f.beat()
}

// beat lets the server see the heartbeats of the nodes.
func (f *fixture) beat() { f.server.view.RefreshNodes(f.t.Context()) }

// heartbeats is a store with a new heartbeat of the node "test" in each answer, unless it has nodes of its own.
type heartbeats struct {
	store.Store
	n atomic.Int64
}

func (s *heartbeats) Nodes(ctx context.Context) ([]store.Node, error) {
	ns, err := s.Store.Nodes(ctx)
	if err != nil || len(ns) > 0 {
		return ns, err
	}
	return []store.Node{{Name: "test", Seen: testDay.Add(time.Duration(s.n.Add(1)))}}, nil
}

// start runs a server with the test settings, changed by change, on a unix socket.
func start(t testing.TB, change func(*policy.Settings)) *fixture {
	t.Helper()
	return startWith(t, memory.NewWithClock(func() time.Time { return testDay }), change, nil)
}

func startWith(t testing.TB, st store.Store, change func(*policy.Settings), options func(*Options)) *fixture {
	t.Helper()
	return startAs(t, policy.RoleBoth, st, change, options)
}

func startAs(t testing.TB, role policy.Role, st store.Store, change func(*policy.Settings), options func(*Options)) *fixture {
	t.Helper()
	f := &fixture{t: t, store: st, log: &logBuffer{}, clock: testDay}
	logger := slog.New(slog.NewTextHandler(f.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	g := guard.New(&heartbeats{Store: st}, guard.Options{Timeout: time.Minute, Logger: logger, Now: f.now})
	o := Options{
		Policy: testPolicy(t, change), Store: g, Hasher: store.NewHasher([]byte("hash secret")),
		Logger: logger, Node: "test", Clock: f.now,
	}
	if options != nil {
		options(&o)
	}
	srv, err := NewServer(o)
	if err != nil {
		t.Fatal(err)
	}
	f.server = srv
	f.beat()
	f.addr = filepath.Join(t.TempDir(), "s")
	ln, err := net.Listen("unix", f.addr)
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(ln, role) }()
	t.Cleanup(func() {
		ctx, cancel := timeout(5 * time.Second)
		defer cancel()
		_ = srv.Shutdown(ctx)
		if err := <-served; err != nil {
			t.Errorf("Serve: %v", err)
		}
		_ = g.Close()
	})
	return f
}

// mta is the MTA's side of one milter connection: what Postfix sends, event by event.
type mta struct {
	t        testing.TB
	c        net.Conn
	br       *bufio.Reader
	protocol milter.OptProtocol
	actions  milter.OptAction
	version  uint32
	trips    int // replies waited for
	headers  int // header events sent
	body     int // body chunks sent
	auth     string
	daemon   string
}

// reply is what the milter answered to one event.
type reply struct {
	code byte   // 'c', 'a', 'y', ...; 0 if none was waited for
	text string // of a reply code
	mods []mod
}

type mod struct {
	code byte
	raw  string
	args []string
}

func (m mod) String() string { return fmt.Sprintf("%c %s", m.code, strings.Join(m.args, " ")) }

const (
	allProtocol = milter.OptProtocol(1<<21 - 1)
	allActions  = milter.OptAction(1<<9 - 1)
)

// dial opens a connection and negotiates as Postfix 3.7 does.
func (f *fixture) dial() *mta { return f.dialAs(6, allActions, allProtocol) }

func (f *fixture) dialAs(version uint32, actions milter.OptAction, protocol milter.OptProtocol) *mta {
	f.t.Helper()
	return f.negotiate("unix", version, actions, protocol)
}

// dialOn opens a connection on another network, as dial does.
func (f *fixture) dialOn(network string) *mta {
	return f.negotiate(network, 6, allActions, allProtocol)
}

func (f *fixture) negotiate(network string, version uint32, actions milter.OptAction, protocol milter.OptProtocol) *mta {
	f.t.Helper()
	c, err := net.Dial(network, f.addr)
	if err != nil {
		f.t.Fatal(err)
	}
	m := &mta{t: f.t, c: c, br: bufio.NewReader(c)}
	f.t.Cleanup(func() { c.Close() })
	data := binary.BigEndian.AppendUint32(nil, version)
	data = binary.BigEndian.AppendUint32(data, uint32(actions))
	data = binary.BigEndian.AppendUint32(data, uint32(protocol))
	m.send('O', string(data))
	code, d := m.read()
	if code != 'O' || len(d) < 12 {
		f.t.Fatalf("negotiation: %q %q", code, d)
	}
	m.version = binary.BigEndian.Uint32(d)
	m.actions = milter.OptAction(binary.BigEndian.Uint32(d[4:]))
	m.protocol = milter.OptProtocol(binary.BigEndian.Uint32(d[8:]))
	m.trips++
	return m
}

func (m *mta) send(code byte, data string) {
	m.t.Helper()
	b := binary.BigEndian.AppendUint32(nil, uint32(len(data)+1))
	b = append(append(b, code), data...)
	if _, err := m.c.Write(b); err != nil {
		m.t.Fatalf("write %q: %v", code, err)
	}
}

func (m *mta) read() (byte, []byte) {
	m.t.Helper()
	code, d, err := m.tryRead()
	if err != nil {
		m.t.Fatalf("read: %v", err)
	}
	return code, d
}

func (m *mta) tryRead() (byte, []byte, error) {
	_ = m.c.SetReadDeadline(time.Now().Add(2 * time.Minute))
	var head [5]byte
	if _, err := io.ReadFull(m.br, head[:]); err != nil {
		return 0, nil, err
	}
	d := make([]byte, binary.BigEndian.Uint32(head[:])-1)
	_, err := io.ReadFull(m.br, d)
	return head[4], d, err
}

// event sends an event with its macros and waits for the reply if there is one.
func (m *mta) event(code byte, data string, noEvent, noReply milter.OptProtocol, macros ...string) reply {
	m.t.Helper()
	if noEvent != 0 && m.protocol&noEvent != 0 {
		return reply{}
	}
	m.send('D', string(code)+strings.Join(macros, "\x00")+"\x00")
	m.send(code, data)
	if noReply != 0 && m.protocol&noReply != 0 {
		return reply{}
	}
	m.trips++
	var r reply
	for {
		c, d := m.read()
		args := strings.Split(strings.TrimSuffix(string(d), "\x00"), "\x00")
		switch c {
		case 'c', 'a', 'r', 't', 'd', 's':
			r.code = c
			return r
		case 'y':
			r.code, r.text = c, args[0]
			return r
		}
		if c == 'i' || c == 'm' { // the index stands before the name
			args = strings.Split(strings.TrimSuffix(string(d[4:]), "\x00"), "\x00")
			args[0] = ".... " + args[0]
		}
		r.mods = append(r.mods, mod{c, string(d), args})
	}
}

func (m *mta) connect(addr string, port uint16) {
	m.t.Helper()
	family := "4"
	if strings.Contains(addr, ":") {
		family = "6"
	}
	m.event('C', "client.example.net\x00"+family+string([]byte{byte(port >> 8), byte(port)})+addr+"\x00",
		milter.OptNoConnect, milter.OptNoConnReply, "{daemon_name}", m.daemon)
	m.event('H', "client.example.net\x00", milter.OptNoHelo, milter.OptNoHeloReply)
}

func (m *mta) mail(from string, args ...string) {
	m.t.Helper()
	m.event('M', strings.Join(append([]string{from}, args...), "\x00")+"\x00", milter.OptNoMailFrom, milter.OptNoMailReply,
		"{auth_authen}", m.auth, "{daemon_name}", m.daemon, "{mail_addr}", strings.Trim(from, "<>"))
}

func (m *mta) rcpt(to string, args ...string) reply {
	m.t.Helper()
	return m.event('R', strings.Join(append([]string{to}, args...), "\x00")+"\x00", milter.OptNoRcptTo, milter.OptNoRcptReply,
		"{rcpt_addr}", strings.Trim(to, "<>"))
}

func (m *mta) data() reply {
	m.t.Helper()
	return m.event('T', "", milter.OptNoData, milter.OptNoDataReply, "i", "4ZQUEUEID")
}

func (m *mta) header(name, value string) {
	m.t.Helper()
	m.headers++
	m.event('L', name+"\x00"+value+"\x00", milter.OptNoHeaders, milter.OptNoHeaderReply, "i", "4ZQUEUEID")
}

func (m *mta) end() reply {
	m.t.Helper()
	m.event('N', "", milter.OptNoEOH, milter.OptNoEOHReply, "i", "4ZQUEUEID")
	if m.protocol&milter.OptNoBody == 0 {
		m.event('B', "Hello\r\n", 0, milter.OptNoBodyReply, "i", "4ZQUEUEID")
	}
	return m.event('E', "", 0, 0, "i", "4ZQUEUEID")
}

// deliver plays a whole message with this text, body chunk by body chunk as long as the milter wants more, and returns the
// final reply, with the stage it came at.
func (m *mta) deliver(from, to, text string) (stage string, r reply) {
	m.t.Helper()
	m.mail(from)
	if r = m.rcpt(to); !r.continues() {
		return "rcpt", r
	}
	if r = m.data(); r.code != 'c' {
		return "data", r
	}
	return "end", m.content(text)
}

// content plays the content of a message and its end.
func (m *mta) content(text string) reply {
	m.t.Helper()
	return m.contentIn(text, 65535)
}

// contentIn is content with body chunks of at most so many octets.
func (m *mta) contentIn(text string, chunk int) reply {
	m.t.Helper()
	head, body, _ := strings.Cut(text, "\n\n")
	for _, field := range strings.Split(strings.ReplaceAll(head, "\n ", "\x01"), "\n") {
		name, value, _ := strings.Cut(field, ":")
		m.header(name, strings.ReplaceAll(strings.TrimSpace(value), "\x01", "\n "))
	}
	for body = strings.ReplaceAll(body, "\n", "\r\n"); body != ""; {
		n := min(len(body), chunk)
		m.body++
		if r := m.event('B', body[:n], milter.OptNoBody, milter.OptNoBodyReply, "i", "4ZQUEUEID"); r.code == 's' {
			break
		}
		body = body[n:]
	}
	return m.event('E', "", 0, 0, "i", "4ZQUEUEID")
}

func (m *mta) abort() { m.t.Helper(); m.send('A', "") }

// continues says whether the MTA goes on with the message: the milter said so, or was not asked.
func (r reply) continues() bool { return r.code == 'c' || r.code == 0 }

// message plays a whole message and returns the final reply, with the stage it came at.
func (m *mta) message(from string, to ...string) (stage string, r reply) {
	m.t.Helper()
	m.mail(from)
	accepted := 0
	for _, a := range to {
		r = m.rcpt(a)
		if r.code == 'y' || r.code == 'r' || r.code == 't' {
			continue
		}
		accepted++
	}
	if accepted == 0 {
		return "rcpt", r
	}
	if r = m.data(); r.code != 'c' && r.code != 0 {
		return "data", r
	}
	if from == "<>" {
		return "end", m.content(namelessBounce)
	}
	m.header("Received", "from somewhere")
	m.header("Message-ID", "<1@example.net>")
	return "end", m.end()
}

// namelessBounce is a bounce that names no message, so that it proves nothing.
const namelessBounce = "Received: from somewhere\nFrom: MAILER-DAEMON@example.net\nMessage-ID: <1@example.net>\n" +
	"Subject: Undelivered Mail Returned to Sender\n\nI could not deliver a message to <friend@example.org>: 550 5.1.1 User unknown\n"

// rawDial opens a connection without negotiating.
func rawDial(t testing.TB, f *fixture) (net.Conn, *bufio.Reader) {
	t.Helper()
	c, err := net.Dial("unix", f.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c, bufio.NewReader(c)
}

func mustPrefix(s string) netip.Prefix { return netip.MustParsePrefix(s) }
