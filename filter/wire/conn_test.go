package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/d--j/go-milter"

	"github.com/bouncefilter/bouncefilter/filter/limit"
)

// frame builds one frame.
func frame(cmd byte, data string) string {
	return string(binary.BigEndian.AppendUint32(nil, uint32(len(data)+1))) + string(cmd) + data
}

// offer is the negotiation of an MTA that offers everything.
var offer = frame('O', "\x00\x00\x00\x06\x00\x00\x01\xff\x00\x1f\xff\xff")

// memory is a [Memory] with a limit.
type memory struct{ held, limit, most int }

func (m *memory) Take(n int) bool {
	if m.held+n > m.limit {
		return false
	}
	m.held += n
	m.most = max(m.most, m.held)
	return true
}
func (m *memory) Give(n int) { m.held -= n }

// recorder is a milter that wants everything and notes what it is told.
type recorder struct {
	milter.NoOpMilter
	requests *Requests
	agreed   milter.OptProtocol
	faults   []Fault
	reached  []limit.Name
	noMemory int
	failures []error
	panics   []any
	closed   int
	events   []string
	macros   []string // values of {auth_authen}, when an event came
	changes  func(milter.Modifier) error
	reply    *milter.Response // to all events; nil for the usual one
}

func (r *recorder) Negotiate(mta, own uint32, actions milter.OptAction, _ milter.OptProtocol) (uint32, milter.OptAction, milter.OptProtocol, error) {
	return min(mta, own), actions, r.agreed, nil
}
func (r *recorder) MacroRequests() *Requests    { return r.requests }
func (r *recorder) Fault(f Fault)               { r.faults = append(r.faults, f) }
func (r *recorder) Reached(n limit.Name, _ any) { r.reached = append(r.reached, n) }
func (r *recorder) NoMemory()                   { r.noMemory++ }
func (r *recorder) Failed(err error)            { r.failures = append(r.failures, err) }
func (r *recorder) Panicked(value any)          { r.panics = append(r.panics, value) }
func (r *recorder) Closed()                     { r.closed++ }

func (r *recorder) note(m milter.Modifier, event ...any) (*milter.Response, error) {
	r.events = append(r.events, strings.TrimSpace(fmt.Sprintln(event...)))
	r.macros = append(r.macros, m.Get(milter.MacroAuthAuthen))
	if r.reply != nil {
		return r.reply, nil
	}
	return milter.RespContinue, nil
}

func (r *recorder) NewConnection(m milter.Modifier) error {
	_, err := r.note(m, "new")
	return err
}
func (r *recorder) Connect(host, family string, port uint16, addr string, m milter.Modifier) (*milter.Response, error) {
	return r.note(m, "connect", host, family, port, addr)
}
func (r *recorder) Helo(name string, m milter.Modifier) (*milter.Response, error) {
	return r.note(m, "helo", name)
}
func (r *recorder) MailFrom(from, args string, m milter.Modifier) (*milter.Response, error) {
	return r.note(m, "mail", from, args)
}
func (r *recorder) RcptTo(to, args string, m milter.Modifier) (*milter.Response, error) {
	return r.note(m, "rcpt", to, args)
}
func (r *recorder) Data(m milter.Modifier) (*milter.Response, error) { return r.note(m, "data") }
func (r *recorder) Header(name, value string, m milter.Modifier) (*milter.Response, error) {
	return r.note(m, "header", name, value)
}
func (r *recorder) BodyChunk(chunk []byte, m milter.Modifier) (*milter.Response, error) {
	return r.note(m, "body", len(chunk))
}
func (r *recorder) EndOfMessage(m milter.Modifier) (*milter.Response, error) {
	if r.changes != nil {
		if err := r.changes(m); err != nil {
			return nil, err
		}
	}
	if r.reply == nil {
		_, _ = r.note(m, "end")
		return milter.RespAccept, nil
	}
	return r.note(m, "end")
}
func (r *recorder) Abort(m milter.Modifier) error {
	_, err := r.note(m, "abort")
	return err
}

// pair returns a checked connection and the MTA's end of it, over a unix socket as in production.
func pair(t testing.TB, o Options) (*Conn, net.Conn) {
	t.Helper()
	ln, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	mta, err := net.Dial("unix", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	c, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if o.NegotiateTimeout == 0 {
		o.NegotiateTimeout = 10 * time.Second
	}
	if o.ReadTimeout == 0 {
		o.ReadTimeout = 10 * time.Second
	}
	if o.WriteTimeout == 0 {
		o.WriteTimeout = 10 * time.Second
	}
	if o.Memory == nil {
		o.Memory = &memory{limit: 10 << 20}
	}
	w := New(c, &o)
	w.milter = &recorder{requests: NewRequests()}
	t.Cleanup(func() { w.close(); _ = mta.Close() })
	return w, mta
}

// passed sends input to a checked connection and returns the frames that are passed on, and the faults that were counted.
func passed(t testing.TB, input string, setup func(*Conn)) (string, []Fault) {
	t.Helper()
	w, mta := pair(t, Options{})
	if setup != nil {
		setup(w)
	}
	go func() {
		_, _ = io.Copy(mta, strings.NewReader(input))
		_ = mta.(*net.UnixConn).CloseWrite()
	}()
	return frames(t, w), w.milter.(*recorder).faults
}

// frames returns the frames that are passed on until the connection ends.
func frames(t testing.TB, w *Conn) string {
	t.Helper()
	var got strings.Builder
	for {
		cmd, data, err := w.next()
		if err == io.EOF {
			return got.String()
		}
		if err != nil {
			t.Fatalf("read: %v", err)
		}
		got.WriteString(frame(cmd, string(data)))
	}
}

func TestFrames(t *testing.T) {
	long := strings.Repeat("x", 100_000)
	for _, tt := range []struct {
		name   string
		input  string
		want   string // passed on, after the negotiation
		faults []Fault
	}{
		{"ordinary", frame('C', "host\x004\x00\x19192.0.2.1\x00") + frame('M', "<>\x00") + frame('R', "<a@b>\x00NOTIFY=NEVER\x00") + frame('T', "") + frame('E', ""), "", nil},
		{"length beyond reason", "\xff\xff\xff\xffM", "-", []Fault{FaultLength}},
		{"CONNECT without content", frame('C', ""), "-", []Fault{FaultContent}},
		{"CONNECT without port", frame('C', "host\x004\x00"), "-", []Fault{FaultContent}},
		{"CONNECT of an unknown family", frame('C', "host\x00X\x00\x19a\x00"), "-", []Fault{FaultContent}},
		{"CONNECT with an address that the library cannot parse", frame('C', "host\x006\x00\x19fe80::1%eth0\x00"), frame('C', "host\x00U\x00\x19fe80::1%eth0\x00"), []Fault{FaultRepaired}},
		{"CONNECT without address", frame('C', "host\x00U"), "", nil},
		{"MAIL without address", frame('M', ""), "-", []Fault{FaultContent}},
		{"RCPT without address", frame('R', ""), "-", []Fault{FaultContent}},
		{"RCPT of 64 KiB", frame('R', "<"+strings.Repeat("a", 64<<10)+">\x00"), "", nil},
		{"RCPT of 2 MiB", frame('R', strings.Repeat("a", 2<<20)+"\x00"), "-", []Fault{FaultLength}},
		{"RCPT of the limit", frame('R', strings.Repeat("a", MaxCommand-2)+"\x00"), "", nil},
		{"RCPT of one more", frame('R', strings.Repeat("a", MaxCommand-1)+"\x00"), "-", []Fault{FaultLength}},
		{"header of the limit", frame('L', "X\x00"+strings.Repeat("x", MaxFrame-4)+"\x00"), "", nil},
		{"header of one more is dropped", frame('L', "X\x00"+strings.Repeat("x", MaxFrame-3)+"\x00") + frame('E', ""), frame('E', ""), []Fault{FaultOversized}},
		{"body chunk of the limit", frame('B', strings.Repeat("x", MaxFrame-1)), "", nil},
		{"HELO without NUL", frame('H', "host"), "-", []Fault{FaultContent}},
		{"header without value", frame('L', "Subject"), "-", []Fault{FaultContent}},
		{"header with NULs", frame('L', "Subject\x00a\x00b\x00\x00"), frame('L', "Subject\x00a b \x00"), []Fault{FaultRepaired}},
		{"empty header", frame('L', "Subject\x00\x00"), "", nil},
		{"header of 100 kB", frame('L', "X\x00"+long+"\x00"), "", nil},
		{"header of 2 MiB is dropped", frame('L', "X\x00"+strings.Repeat("x", 2<<20)+"\x00") + frame('E', ""), frame('E', ""), []Fault{FaultOversized}},
		{"body chunk of 100 kB", frame('B', long), "", nil},
		{"body chunk of 2 MiB is dropped", frame('B', strings.Repeat("x", 2<<20)) + frame('E', ""), frame('E', ""), []Fault{FaultOversized}},
		{"macro without event", frame('D', ""), "-", []Fault{FaultContent}},
		{"macros that the milter does not read", frame('D', "Li\x00Q\x00") + frame('D', "Bi\x00Q\x00") + frame('D', "Ei\x00Q\x00"), frame('D', "Ei\x00Q\x00"), nil},
		{"unknown command", frame('Z', ""), "-", []Fault{FaultCommand}},
		{"second negotiation", offer, "-", []Fault{FaultOrder}},
		{"many frames at once", strings.Repeat(frame('R', "<a@b>\x00"), 10_000), "", nil},
		{"end of stream inside a frame", frame('M', "<a@b>\x00")[:7], "-", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			want := tt.want
			switch want {
			case "":
				want = tt.input
			case "-":
				want = ""
			}
			got, faults := passed(t, offer+tt.input, func(c *Conn) { c.WantContent() })
			if got != offer+want {
				t.Errorf("passed on:\n got %.200q\nwant %.200q", got, offer+want)
			}
			if !slices.Equal(faults, tt.faults) {
				t.Errorf("faults: got %q, want %q", faults, tt.faults)
			}
		})
	}
}

func TestFirstFrameMustNegotiate(t *testing.T) {
	for name, input := range map[string]string{
		"SMTP":              "EHLO client.example\r\n",
		"other command":     frame('M', "<>\x00"),
		"short negotiation": frame('O', "\x00\x00\x00\x06"),
	} {
		if got, faults := passed(t, input, nil); got != "" || len(faults) != 1 {
			t.Errorf("%s: passed on %q, faults %q", name, got, faults)
		}
	}
}

func TestContentIsWithheld(t *testing.T) {
	content := frame('D', "Li\x00Q\x00") + frame('L', "Subject\x00hello\x00") + frame('N', "") + frame('B', strings.Repeat("x", 65535))
	end := frame('E', "")
	got, faults := passed(t, offer+content+end, func(c *Conn) { c.protocol = milter.OptNoReplies })
	if got != offer+end || len(faults) != 0 {
		t.Errorf("passed on %.200q, faults %q", got, faults)
	}
}

func TestOneHeaderIsPassedOn(t *testing.T) {
	one := frame('L', "x-BOUNCEFILTER\x00a\x00b\x00")
	got, faults := passed(t, offer+frame('L', "Subject\x00hello\x00")+one+frame('L', "X-Bouncefilters\x00\x00")+frame('B', "x"), func(c *Conn) {
		c.protocol = milter.OptNoReplies
		c.WantHeaders([]string{"X-Bouncefilter"})
	})
	if want := offer + frame('L', "x-BOUNCEFILTER\x00a b\x00"); got != want || len(faults) != 1 {
		t.Errorf("passed on %q, faults %q", got, faults)
	}
}

func TestMTAThatWaitsForRepliesGetsThem(t *testing.T) {
	w, mta := pair(t, Options{})
	w.protocol = milter.OptSkip
	go func() {
		_, _ = io.WriteString(mta, offer+frame('L', "Subject\x00hello\x00")+frame('N', "")+frame('B', "x")+frame('U', "XCMD\x00"))
		_ = mta.(*net.UnixConn).CloseWrite()
	}()
	frames(t, w)
	w.close()
	got, _ := io.ReadAll(mta)
	if want := frame('c', "") + frame('c', "") + frame('s', "") + frame('c', ""); string(got) != want {
		t.Errorf("replies: got %q, want %q", got, want)
	}
}

func TestRepliesAreSentTogether(t *testing.T) {
	ours, theirs := net.Pipe() // a write to a pipe is one read
	w := New(ours, &Options{NegotiateTimeout: time.Minute, ReadTimeout: time.Minute, WriteTimeout: time.Minute, Memory: &memory{}})
	w.milter = &recorder{}
	for _, err := range []error{w.write('-', "<a>", "\x00"), w.write('a')} {
		if err != nil {
			t.Fatal(err)
		}
	}
	done := make(chan struct{})
	go func() {
		_, _, _ = w.next()
		close(done)
	}()
	buf := make([]byte, 100)
	n, err := theirs.Read(buf)
	if err != nil || string(buf[:n]) != "\x00\x00\x00\x05-<a>\x00\x00\x00\x00\x01a" {
		t.Errorf("first write: %q %v", buf[:n], err)
	}
	_ = theirs.Close()
	<-done
}

func TestIdleConnectionHoldsNoBuffer(t *testing.T) {
	w, mta := pair(t, Options{})
	if _, err := io.WriteString(mta, offer); err != nil {
		t.Fatal(err)
	}
	if _, _, err := w.next(); err != nil {
		t.Fatal(err)
	}
	if err := w.write('c'); err != nil {
		t.Fatal(err)
	}
	if err := w.beforeWait(); err != nil || w.out != nil || w.pooledOut != nil {
		t.Errorf("replies: %v, a buffer %t", err, w.out != nil)
	}
	if !w.tryReadEmpty() {
		t.Error("the connection holds a buffer while there is nothing to read")
	}
}

// tryReadEmpty does what the runtime does when a descriptor turns out to have nothing to read.
func (c *Conn) tryReadEmpty() (released bool) {
	r, w, err := pipe()
	if err != nil {
		return false
	}
	defer closeBoth(r, w)
	return !c.tryRead(uintptr(r)) && c.buf == nil && c.pooled == nil
}

func TestDrain(t *testing.T) {
	t.Run("idle connection ends", func(t *testing.T) {
		w, _ := pair(t, Options{})
		time.AfterFunc(10*time.Millisecond, w.Drain)
		if _, _, err := w.next(); err != io.EOF {
			t.Errorf("read: %v", err)
		}
	})
	t.Run("message under way goes on to its end", func(t *testing.T) {
		w, mta := pair(t, Options{})
		w.SetBusy(true)
		time.AfterFunc(10*time.Millisecond, func() {
			w.Drain()
			_, _ = io.WriteString(mta, offer)
		})
		cmd, data, err := w.next()
		if got := frame(cmd, string(data)); err != nil || got != offer {
			t.Fatalf("read: %q %v", got, err)
		}
		if err := w.write('a'); err != nil {
			t.Fatal(err)
		}
		w.SetBusy(false)
		if _, _, err := w.next(); err != io.EOF {
			t.Errorf("after the message: %v", err)
		}
		w.close()
		if reply, _ := io.ReadAll(mta); string(reply) != frame('a', "") {
			t.Errorf("reply: %q", reply)
		}
	})
}

func TestClosedIsCalledOnce(t *testing.T) {
	w, _ := pair(t, Options{})
	w.close()
	w.close()
	if n := w.milter.(*recorder).closed; n != 1 {
		t.Errorf("called %d times", n)
	}
}

// served sends input to a connection that is served by a milter that wants everything, and returns the replies.
func served(t testing.TB, input string, r *recorder) (replies string) {
	t.Helper()
	w, mta := pair(t, Options{})
	if r.requests == nil {
		r.requests = NewRequests()
	}
	w.WantContent()
	done := make(chan struct{})
	go func() {
		w.Serve(r)
		close(done)
	}()
	go func() {
		_, _ = io.WriteString(mta, input)
		_ = mta.(*net.UnixConn).CloseWrite()
	}()
	b, err := io.ReadAll(mta)
	<-done
	if err != nil && !errors.Is(err, syscall.ECONNRESET) {
		t.Fatal(err)
	}
	if r.closed != 1 {
		t.Errorf("closed %d times", r.closed)
	}
	return string(b)
}

// malformed are frames that end the session.
var malformed = []string{
	"EHLO client.example\r\n",
	frame('O', "\x00\x00\x00\x06"),
	frame('M', "<>\x00"),
	offer + "\xff\xff\xff\xffM",
	offer + offer,
	offer + frame('C', ""),
	offer + frame('C', "host\x004\x00"),
	offer + frame('C', "host\x00X\x00\x19a\x00"),
	offer + frame('H', ""),
	offer + frame('M', ""),
	offer + frame('R', ""),
	offer + frame('D', ""),
	offer + frame('L', "Subject"),
	offer + frame('Z', ""),
}

func TestMalformedFramesEndTheSession(t *testing.T) {
	for _, m := range malformed {
		r := &recorder{}
		served(t, m+frame('H', "behind\x00"), r)
		if len(r.faults) != 1 || slices.Contains(r.events, "helo behind") {
			t.Errorf("%q: faults %q, events %q", m, r.faults, r.events)
		}
	}
	// What was repaired does not end the session: each event gets its reply.
	repaired := frame('C', "h\x006\x00\x19fe80::1%eth0\x00") + frame('L', "X\x00a\x00b\x00")
	want := frame('c', "") + frame('c', "")
	if got := served(t, offer+repaired+frame('Q', ""), &recorder{}); !strings.HasSuffix(got, want) || strings.HasSuffix(got, frame('c', "")+want) {
		t.Errorf("replies: %q", got)
	}
}

func BenchmarkRead(b *testing.B) {
	message := frame('D', "M{auth_authen}\x00u\x00") + frame('M', "<>\x00") + frame('R', "<a@b>\x00") + frame('T', "") +
		strings.Repeat(frame('D', "Li\x00Q\x00")+frame('L', "Received\x00from somewhere by somewhere else\x00"), 12) +
		frame('B', strings.Repeat("x", 8192)) + frame('E', "")
	for _, bb := range []struct {
		name    string
		content bool
	}{{"content passed on", true}, {"content withheld", false}} {
		b.Run(bb.name, func(b *testing.B) {
			w, mta := pair(b, Options{})
			w.protocol = milter.OptNoReplies
			if bb.content {
				w.WantContent()
			}
			go func() {
				_, _ = io.WriteString(mta, offer)
				for range b.N {
					if _, err := io.WriteString(mta, message); err != nil {
						return
					}
				}
				_ = mta.Close()
			}()
			b.SetBytes(int64(len(message)))
			b.ReportAllocs()
			for {
				if _, _, err := w.next(); err != nil {
					break
				}
			}
		})
	}
}
