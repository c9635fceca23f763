package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/d--j/go-milter"
)

// frame builds one frame.
func frame(cmd byte, data string) string {
	return string(binary.BigEndian.AppendUint32(nil, uint32(len(data)+1))) + string(cmd) + data
}

// offer is the negotiation of an MTA that offers everything.
var offer = frame('O', "\x00\x00\x00\x06\x00\x00\x01\xff\x00\x1f\xff\xff")

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
	if o.ReadTimeout == 0 {
		o.ReadTimeout = 10 * time.Second
	}
	if o.WriteTimeout == 0 {
		o.WriteTimeout = 10 * time.Second
	}
	if o.Fault == nil {
		o.Fault = func(Fault) {}
	}
	w := New(c, o)
	t.Cleanup(func() { _ = w.Close(); _ = mta.Close() })
	return w, mta
}

// passed sends input to a checked connection and returns what a library would read, and the faults that were counted.
func passed(t testing.TB, input string, setup func(*Conn)) (string, []Fault) {
	t.Helper()
	var faults []Fault
	w, mta := pair(t, Options{Fault: func(f Fault) { faults = append(faults, f) }})
	if setup != nil {
		setup(w)
	}
	go func() {
		_, _ = io.Copy(mta, strings.NewReader(input))
		_ = mta.(*net.UnixConn).CloseWrite()
	}()
	got, err := io.ReadAll(w)
	if err != nil {
		t.Fatalf("read: %v", err)
	}
	return string(got), faults
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
		{"empty frame", "\x00\x00\x00\x00" + frame('M', "<>\x00"), "-", []Fault{FaultEmpty}},
		{"length beyond reason", "\xff\xff\xff\xffM", "-", []Fault{FaultLength}},
		{"CONNECT without NUL", frame('C', "host"), "-", []Fault{FaultContent}},
		{"CONNECT with a name only", frame('C', "host\x00"), "-", []Fault{FaultContent}},
		{"CONNECT without port", frame('C', "host\x004\x00"), "-", []Fault{FaultContent}},
		{"CONNECT of an unknown family", frame('C', "host\x00X\x00\x19a\x00"), "-", []Fault{FaultContent}},
		{"CONNECT with an address nobody can parse", frame('C', "host\x006\x00\x19fe80::1%eth0\x00"), frame('C', "host\x00U\x00\x19fe80::1%eth0\x00"), []Fault{FaultRepaired}},
		{"CONNECT without address", frame('C', "host\x00U"), "", nil},
		{"MAIL without NUL", frame('M', "<a@b>"), "-", []Fault{FaultContent}},
		{"RCPT without NUL", frame('R', "<a@b>"), "-", []Fault{FaultContent}},
		{"RCPT of 64 KiB", frame('R', "<"+strings.Repeat("a", 64<<10)+">\x00"), "", nil},
		{"RCPT of 2 MiB", frame('R', strings.Repeat("a", 2<<20)+"\x00"), "-", []Fault{FaultLength}},
		{"HELO without NUL", frame('H', "host"), "-", []Fault{FaultContent}},
		{"header without value", frame('L', "Subject"), "-", []Fault{FaultContent}},
		{"header with NULs", frame('L', "Subject\x00a\x00b\x00\x00"), frame('L', "Subject\x00a b \x00"), []Fault{FaultRepaired}},
		{"empty header", frame('L', "Subject\x00\x00"), "", nil},
		{"header of 100 kB", frame('L', "X\x00"+long+"\x00"), "", nil},
		{"header of 2 MiB is swallowed", frame('L', "X\x00"+strings.Repeat("x", 2<<20)+"\x00") + frame('E', ""), frame('E', ""), []Fault{FaultOversized}},
		{"body chunk of 100 kB", frame('B', long), "", nil},
		{"body chunk of 2 MiB is swallowed", frame('B', strings.Repeat("x", 2<<20)) + frame('E', ""), frame('E', ""), []Fault{FaultOversized}},
		{"macro without event", frame('D', ""), "-", []Fault{FaultContent}},
		{"macros that nobody reads", frame('D', "Li\x00Q\x00") + frame('D', "Bi\x00Q\x00") + frame('D', "Ei\x00Q\x00"), frame('D', "Ei\x00Q\x00"), nil},
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
		"empty":             "\x00\x00\x00\x00",
		"other command":     frame('M', "<>\x00"),
		"short negotiation": frame('O', "\x00\x00\x00\x06"),
	} {
		if got, faults := passed(t, input, nil); got != "" || len(faults) != 1 {
			t.Errorf("%s: passed on %q, faults %q", name, got, faults)
		}
	}
}

func TestContentIsKeptBack(t *testing.T) {
	content := frame('D', "Li\x00Q\x00") + frame('L', "Subject\x00hello\x00") + frame('N', "") + frame('B', strings.Repeat("x", 65535))
	end := frame('E', "")
	got, faults := passed(t, offer+content+end, func(c *Conn) { c.Negotiated(milter.OptNoReplies) })
	if got != offer+end || len(faults) != 0 {
		t.Errorf("passed on %.200q, faults %q", got, faults)
	}
}

func TestOneHeaderIsPassedOn(t *testing.T) {
	one := frame('L', "x-BOUNCEFILTER\x00a\x00b\x00")
	got, faults := passed(t, offer+frame('L', "Subject\x00hello\x00")+one+frame('L', "X-Bouncefilters\x00\x00")+frame('B', "x"), func(c *Conn) {
		c.Negotiated(milter.OptNoReplies)
		c.WantHeaders([]string{"X-Bouncefilter"})
	})
	if want := offer + frame('L', "x-BOUNCEFILTER\x00a b\x00"); got != want || len(faults) != 1 {
		t.Errorf("passed on %q, faults %q", got, faults)
	}
}

func TestMTAThatWaitsForRepliesGetsThem(t *testing.T) {
	w, mta := pair(t, Options{})
	w.Negotiated(milter.OptSkip)
	go func() {
		_, _ = io.WriteString(mta, offer+frame('L', "Subject\x00hello\x00")+frame('N', "")+frame('B', "x")+frame('U', "XCMD\x00"))
		_ = mta.(*net.UnixConn).CloseWrite()
	}()
	if _, err := io.ReadAll(w); err != nil {
		t.Fatal(err)
	}
	_ = w.Close()
	got, _ := io.ReadAll(mta)
	if want := frame('c', "") + frame('c', "") + frame('s', "") + frame('c', ""); string(got) != want {
		t.Errorf("replies: got %q, want %q", got, want)
	}
}

func TestRepliesTravelTogether(t *testing.T) {
	ours, theirs := net.Pipe() // a write to a pipe is one read
	w := New(ours, Options{ReadTimeout: time.Minute, WriteTimeout: time.Minute, Fault: func(Fault) {}})
	for _, p := range []string{"\x00\x00\x00\x05-", "<a>\x00", "\x00\x00\x00\x01a"} {
		if _, err := io.WriteString(w, p); err != nil {
			t.Fatal(err)
		}
	}
	go func() { _, _ = w.Read(make([]byte, 1)) }()
	buf := make([]byte, 100)
	n, err := theirs.Read(buf)
	if err != nil || string(buf[:n]) != "\x00\x00\x00\x05-<a>\x00\x00\x00\x00\x01a" {
		t.Errorf("first write: %q %v", buf[:n], err)
	}
	_ = theirs.Close()
}

func TestIdleConnectionHoldsNoBuffer(t *testing.T) {
	w, mta := pair(t, Options{})
	read := make(chan error, 1)
	go func() {
		_, err := io.ReadFull(w, make([]byte, len(offer)))
		if err == nil {
			_, err = w.Read(make([]byte, 4)) // idle now
		}
		read <- err
	}()
	if _, err := io.WriteString(mta, offer); err != nil {
		t.Fatal(err)
	}
	time.Sleep(50 * time.Millisecond) // lets the reader come to rest; the test is as good without
	_ = mta.Close()
	if err := <-read; !errors.Is(err, io.EOF) {
		t.Fatalf("read: %v", err)
	}
	w.r, w.w = 0, 0
	if !w.tryReadEmpty() {
		t.Error("the buffer is kept while there is nothing to read")
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

func TestReadTimeout(t *testing.T) {
	w, _ := pair(t, Options{ReadTimeout: 20 * time.Millisecond})
	if _, err := w.Read(make([]byte, 4)); err != io.EOF {
		t.Errorf("silent MTA: %v", err)
	}
}

func TestDrain(t *testing.T) {
	t.Run("idle connection ends", func(t *testing.T) {
		w, _ := pair(t, Options{})
		time.AfterFunc(10*time.Millisecond, w.Drain)
		if _, err := w.Read(make([]byte, 4)); err != io.EOF {
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
		got := make([]byte, len(offer))
		if _, err := io.ReadFull(w, got); err != nil || string(got) != offer {
			t.Fatalf("read: %q %v", got, err)
		}
		_, _ = io.WriteString(w, frame('a', ""))
		w.SetBusy(false)
		if _, err := w.Read(got); err != io.EOF {
			t.Errorf("after the message: %v", err)
		}
		_ = w.Close()
		if reply, _ := io.ReadAll(mta); string(reply) != frame('a', "") {
			t.Errorf("reply: %q", reply)
		}
	})
}

func TestCloseIsToldOnce(t *testing.T) {
	n := 0
	w, _ := pair(t, Options{Closed: func(*Conn) { n++ }})
	_ = w.Close()
	_ = w.Close()
	if n != 1 {
		t.Errorf("told %d times", n)
	}
}

// libraryReads feeds input to go-milter through a checked connection, with a milter that wants everything, and returns
// when the library is done with it. A panic in the library ends the test process.
func libraryReads(t testing.TB, input []byte) {
	w, mta := pair(t, Options{})
	var once sync.Once
	done := make(chan struct{})
	w.opts.Closed = func(*Conn) { once.Do(func() { close(done) }) }
	w.WantContent()
	srv := milter.NewServer(milter.WithMilter(func() milter.Milter { return milter.NoOpMilter{} }))
	_ = srv.Serve(&single{c: w})
	go func() { _, _ = io.Copy(io.Discard, mta) }()
	_, _ = io.Copy(mta, bytes.NewReader(input))
	_ = mta.(*net.UnixConn).CloseWrite()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Fatal("the library does not come to an end")
	}
}

// single is a listener with one connection.
type single struct{ c net.Conn }

func (s *single) Accept() (net.Conn, error) {
	if c := s.c; c != nil {
		s.c = nil
		return c, nil
	}
	return nil, net.ErrClosed
}
func (s *single) Close() error   { return nil }
func (s *single) Addr() net.Addr { return &net.UnixAddr{} }

// killers are the inputs that end a process with go-milter v0.10.2 when they reach the library unchecked.
var killers = []string{
	"\x00\x00\x00\x00",
	offer + "\x00\x00\x00\x00",
	offer + frame('C', "host"),
	offer + frame('C', "host\x00"),
	offer + frame('M', "<a@b>"),
	offer + frame('R', "<a@b>"),
}

func TestLibrarySurvivesFrames(t *testing.T) {
	for _, k := range killers {
		libraryReads(t, []byte(k))
	}
	libraryReads(t, []byte(offer+frame('C', "h\x006\x00\x19fe80::1%eth0\x00")+frame('L', "X\x00a\x00b\x00")+frame('Q', "")))
}

// FuzzFrames: whatever an MTA sends, every frame that is passed on is one that the library can take apart, frames come
// out whole and in order, and the library survives them.
func FuzzFrames(f *testing.F) {
	milter.LogWarning = func(string, ...any) {}
	for _, k := range killers {
		f.Add([]byte(k))
	}
	f.Add([]byte(offer + frame('C', "host\x004\x00\x19192.0.2.1\x00") + frame('M', "<>\x00") + frame('R', "<a@b>\x00A=B\x00") + frame('T', "") + frame('L', "a\x00b\x00") + frame('B', "x") + frame('E', "")))
	f.Fuzz(func(t *testing.T, input []byte) {
		libraryReads(t, input)
		got, _ := passed(t, string(input), func(c *Conn) { c.WantContent() })
		for first := true; got != ""; first = false {
			if len(got) < 5 {
				t.Fatalf("part of a frame: %q", got)
			}
			n := 4 + int(binary.BigEndian.Uint32([]byte(got)))
			if n == 4 {
				t.Fatal("an empty frame was passed on")
			}
			if n > len(got) {
				if got[4] == 'B' {
					return // the stream ended inside a body chunk
				}
				t.Fatalf("part of a frame: %.100q", got)
			}
			cmd, data := got[4], []byte(got[5:n])
			if (cmd == 'O') != first {
				t.Fatalf("negotiation not first and only first: %q", cmd)
			}
			if fault, _ := check(cmd, slices.Clone(data)); fault != "" {
				t.Fatalf("a frame at fault was passed on: %q %.100q: %s", cmd, data, fault)
			}
			got = got[n:]
		}
	})
}

func BenchmarkRead(b *testing.B) {
	message := frame('D', "M{auth_authen}\x00u\x00") + frame('M', "<>\x00") + frame('R', "<a@b>\x00") + frame('T', "") +
		strings.Repeat(frame('D', "Li\x00Q\x00")+frame('L', "Received\x00from somewhere by somewhere else\x00"), 12) +
		frame('B', strings.Repeat("x", 8192)) + frame('E', "")
	for _, bb := range []struct {
		name    string
		content bool
	}{{"content passed on", true}, {"content kept back", false}} {
		b.Run(bb.name, func(b *testing.B) {
			w, mta := pair(b, Options{})
			w.Negotiated(milter.OptNoReplies)
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
			if _, err := io.Copy(io.Discard, struct{ io.Reader }{w}); err != nil {
				b.Fatal(err)
			}
		})
	}
}
