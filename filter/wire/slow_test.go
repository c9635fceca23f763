package wire

import (
	"encoding/binary"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bouncefilter/bouncefilter/filter/limit"
)

// The times of the tests of slow MTAs.
const (
	negotiateTime = 30 * time.Second
	readTime      = time.Hour
	writeTime     = 10 * time.Second
)

// slow lets talk play the MTA, in a bubble, and returns how long the connection lasted, and what was told.
func slow(t *testing.T, talk func(mta net.Conn)) (lasted time.Duration, r *recorder) {
	t.Helper()
	r = &recorder{requests: NewRequests()}
	synctest.Test(t, func(t *testing.T) {
		ours, mta := net.Pipe()
		w := New(ours, &Options{NegotiateTimeout: negotiateTime, ReadTimeout: readTime, WriteTimeout: writeTime, Memory: &memory{limit: 10 << 20}})
		w.WantHeaders(nil)
		start := time.Now()
		done := make(chan struct{})
		go func() {
			w.Serve(r)
			lasted = time.Since(start)
			close(done)
		}()
		talk(mta)
		<-done
		_ = mta.Close()
	})
	return lasted, r
}

// say writes text, and says whether the connection is still open.
func say(mta net.Conn, text string) bool {
	_, err := io.WriteString(mta, text)
	return err == nil
}

// negotiated begins a connection, and reads all replies.
func negotiated(mta net.Conn) {
	say(mta, offer)
	go func() { _, _ = io.Copy(io.Discard, mta) }()
}

func TestSlowMTAs(t *testing.T) {
	for _, tt := range []struct {
		name            string
		talk            func(mta net.Conn)
		atLeast, atMost time.Duration
		reached         []limit.Name
	}{
		{"says nothing", func(net.Conn) {}, negotiateTime, negotiateTime, []limit.Name{limit.NegotiateTimeout}},
		{"negotiates an octet at a time", func(mta net.Conn) {
			for i := range offer {
				if !say(mta, offer[i:i+1]) {
					return
				}
				time.Sleep(negotiateTime / 10)
			}
		}, negotiateTime, negotiateTime, []limit.Name{limit.NegotiateTimeout}},
		{"is silent after it", negotiated, readTime, readTime / 3 * 4, []limit.Name{limit.ReadTimeout}},
		{"sends half of a frame", func(mta net.Conn) {
			negotiated(mta)
			say(mta, frame('H', "helo.example\x00")[:9])
		}, readTime, readTime / 3 * 4, []limit.Name{limit.FrameTimeout}},
		{"sends an octet a minute", func(mta net.Conn) {
			negotiated(mta)
			for text := frame('H', strings.Repeat("x", 1000)+"\x00"); say(mta, text[:1]); text = text[1:] {
				time.Sleep(time.Minute)
			}
		}, readTime, readTime/3*4 + time.Minute, []limit.Name{limit.FrameTimeout}},
		{"sends an octet a minute of a body that is dropped", func(mta net.Conn) {
			negotiated(mta)
			say(mta, string(binary.BigEndian.AppendUint32(nil, 100<<20))+"B")
			for say(mta, "x") {
				time.Sleep(time.Minute)
			}
		}, readTime, readTime/3*4 + time.Minute, []limit.Name{limit.FrameLength, limit.FrameTimeout}},
		{"reads no replies", func(mta net.Conn) {
			say(mta, offer)
			for say(mta, frame('R', "<a>\x00")) {
			}
		}, writeTime, writeTime, []limit.Name{limit.WriteTimeout}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			lasted, r := slow(t, tt.talk)
			if lasted < tt.atLeast || lasted > tt.atMost {
				t.Errorf("lasted %v, want from %v to %v", lasted, tt.atLeast, tt.atMost)
			}
			if !slices.Equal(r.reached, tt.reached) {
				t.Errorf("limits %q, want %q", r.reached, tt.reached)
			}
		})
	}
}

// An MTA waits for its client between two commands, but not longer than the limit.
func TestMTAWithASlowClientIsServed(t *testing.T) {
	const commands = 10
	lasted, r := slow(t, func(mta net.Conn) {
		negotiated(mta)
		for range commands {
			time.Sleep(readTime - time.Second)
			say(mta, frame('R', "<a>\x00"))
		}
		say(mta, frame('Q', ""))
	})
	if want := commands * (readTime - time.Second); lasted != want || len(r.reached) > 0 || len(r.events) != 1+commands {
		t.Errorf("lasted %v, limits %q, %d events", lasted, r.reached, len(r.events))
	}
}

// announced is what comes of a frame of 1 MiB before its content.
func announced(cmd byte) string {
	return string(binary.BigEndian.AppendUint32(nil, MaxFrame)) + string(cmd)
}

// Whatever length is announced, a connection holds what has come.
func TestAnnouncedFramesCostNothing(t *testing.T) {
	for name, tt := range map[string]struct {
		input string
		most  int // octets that the connection may hold
	}{
		"nothing":            {"", 0},
		"half of the length": {"\x00\x10", 16},
		"header":             {announced('L') + "X\x00", 16},
		"body":               {announced('B') + "x", 16},
		"some kB":            {announced('B') + strings.Repeat("x", maxRest-5), maxRest},
		"more":               {announced('B') + strings.Repeat("x", 3*maxRest), bufferSize},
		"a quarter":          {announced('B') + strings.Repeat("x", MaxFrame/4), MaxFrame / 2},
	} {
		m := &memory{limit: 10 << 20}
		w, mta := pair(t, Options{ReadTimeout: 30 * time.Millisecond, Memory: m})
		w.WantContent()
		go func() { _, _ = io.WriteString(mta, offer+tt.input) }()
		if got := frames(t, w); got != offer {
			t.Errorf("%s: passed on %.100q", name, got)
		}
		if len(w.buf) > tt.most {
			t.Errorf("%s: holds %d octets", name, len(w.buf))
		}
		if tt.most > maxRest && m.held != len(w.buf) || tt.most <= maxRest && m.most != 0 {
			t.Errorf("%s: %d octets charged, %d held", name, m.held, len(w.buf))
		}
		if w.close(); m.held != 0 {
			t.Errorf("%s: %d octets are charged when the connection is closed", name, m.held)
		}
	}
}

// A long frame is charged while it comes, at the limit and one octet beyond.
func TestMemoryOfLongFrames(t *testing.T) {
	const size = 100_000
	for _, tt := range []struct {
		cmd      byte
		limit    int
		passes   bool
		noMemory int
		faults   []Fault
	}{
		{'L', 4 + size, true, 0, nil},
		{'L', 3 + size, false, 1, nil},
		{'B', 4 + size, true, 0, nil},
		{'B', 3 + size, false, 1, nil},
		{'R', 4 + size, true, 0, nil},
		{'R', 3 + size, false, 0, []Fault{FaultMemory}},
	} {
		m := &memory{limit: tt.limit}
		w, mta := pair(t, Options{Memory: m})
		w.WantContent()
		long := frame(tt.cmd, "X\x00"+strings.Repeat("x", size-4)+"\x00")
		go func() {
			_, _ = io.WriteString(mta, offer+long+frame('E', ""))
			_ = mta.(*net.UnixConn).CloseWrite()
		}()
		want := offer
		if tt.passes {
			want += long
		}
		if tt.faults == nil {
			want += frame('E', "")
		}
		if got := frames(t, w); got != want {
			t.Errorf("%c, limit %d: passed on %d octets, want %d", tt.cmd, tt.limit, len(got), len(want))
		}
		w.close()
		r := w.milter.(*recorder)
		if r.noMemory != tt.noMemory || !slices.Equal(r.faults, tt.faults) || m.held > 0 {
			t.Errorf("%c, limit %d: %d dropped, faults %q, %d octets held", tt.cmd, tt.limit, r.noMemory, r.faults, m.held)
		}
	}
}
