package socketmap

import (
	"bytes"
	"io"
	"log/slog"
	"net"
	"regexp"
	"strconv"
	"testing"
)

// netstringSyntax is a length without leading zeros and with no more digits than are allowed.
var netstringSyntax = regexp.MustCompile(`^(0|[1-9][0-9]{0,4}):`)

// leading returns the netstrings that input begins with, and whether other octets follow. The parser is compared with it, so it
// works in another way.
func leading(input []byte) (requests []string, rest bool) {
	for len(input) > 0 {
		m := netstringSyntax.FindSubmatch(input)
		if m == nil {
			return requests, true
		}
		size, _ := strconv.Atoi(string(m[1]))
		input = input[len(m[0]):]
		if size > MaxRequest || len(input) <= size || input[size] != ',' {
			return requests, true
		}
		requests = append(requests, string(input[:size]))
		input = input[size+1:]
	}
	return requests, false
}

// whole is a connection whose client has sent everything already.
type whole struct {
	net.Conn
	io.Reader
	out bytes.Buffer
}

func (w *whole) Read(p []byte) (int, error)  { return w.Reader.Read(p) }
func (w *whole) Write(p []byte) (int, error) { return w.out.Write(p) }

// Whatever a client sends, each well-formed request before the first malformed one gets one reply, in order, and what follows
// gets none. Replies are netstrings that Postfix understands.
func FuzzConnection(f *testing.F) {
	seeds := []string{
		"", "30:untag tagged@example.com,", "24:untag tagged@example.com,24:untag nobody@example.com,", "6:untag ,5:other,0:,",
		"11:untag fails,10:untag long,", "24:untag tagged@example.com,24:untag", "03:abc,", "3:abc;", "99999:x", ":", "1:a,x1:a,",
	}
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, input []byte) {
		s, err := New(Options{Maps: map[string]Lookup{"untag": answers}, Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		ours, theirs := net.Pipe() // for the deadlines
		defer func() { _, _ = ours.Close(), theirs.Close() }()
		c := &whole{Conn: theirs, Reader: bytes.NewReader(input)}
		s.answerAll(c)

		requests, rest := leading(input)
		var want []byte
		for _, r := range requests {
			want = append(want, s.answer(r)...)
		}
		if !bytes.Equal(c.out.Bytes(), want) {
			t.Errorf("got %q\nwant %q", c.out.Bytes(), want)
		}
		if malformed := s.stats.malformed.Load(); malformed > 1 || (malformed == 1) != rest {
			t.Errorf("%d counted as malformed, other octets follow: %v", malformed, rest)
		}
		replies := regexp.MustCompile(`^(?:[0-9]+:(?:OK [^,]+|NOTFOUND |TEMP [a-z ]+|PERM [a-z ]+),)*$`)
		if !replies.Match(c.out.Bytes()) {
			t.Errorf("Postfix does not understand %q", c.out.Bytes())
		}
	})
}
