package redis

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/bouncefilter/bouncefilter/store"
)

// read returns how a connection answers that is sent all of a text.
func read(t *testing.T, text string) error {
	t.Helper()
	client, server := net.Pipe()
	go func() {
		_, _ = io.WriteString(server, text)
		server.Close()
	}()
	_, err := io.Copy(io.Discard, &limitedConn{Conn: client})
	client.Close()
	return err
}

func TestRepliesAreLimited(t *testing.T) {
	bulk := func(n int) string { return fmt.Sprintf("$%d\r\n%s\r\n", n, strings.Repeat("x", n)) }
	header := len(fmt.Sprintf("$%d\r\n", maxReplies))
	for _, tt := range []struct {
		name string
		text string
		want error
	}{
		{"what a lookup is answered", "*4\r\n$5\r\nstart\r\n$1\r\n1\r\n$3\r\nrun\r\n$0\r\n\r\n:5\r\n$-1\r\n+OK\r\n-ERR no\r\n", nil},
		{"a string of the limit", bulk(maxReplies - header - 2), nil},
		{"a string past it", bulk(maxReplies - header - 1), store.ErrCrowded},
		{"an announcement", fmt.Sprintf("$%d\r\n", maxReplies), nil},
		{"an announcement past it", fmt.Sprintf("$%d\r\n", maxReplies+1), store.ErrCrowded},
		{"a number without end", "$99999999999999999999\r\n", store.ErrCrowded},
		{"values of the limit", fmt.Sprintf("*%d\r\n", maxElements), nil},
		{"values past it", fmt.Sprintf("*%d\r\n", maxElements+1), store.ErrCrowded},
		{"small replies without end", strings.Repeat(":1\r\n", maxElements+1), store.ErrCrowded},
		{"small replies to the limit", strings.Repeat(":1\r\n", maxElements), nil},
		{"line ends in a string", "$4\r\n$9\r\n\r\n:1\r\n", nil},
		{"a line without end", strings.Repeat("+", maxReplies+1), store.ErrCrowded},
		{"a number with zeros in front", "$" + strings.Repeat("0", maxHeader) + "99999999\r\n", store.ErrCrowded},
		{"a map of RESP 3", fmt.Sprintf("%%%d\r\n", maxElements), nil},
		{"one past the limit", fmt.Sprintf("%%%d\r\n", maxElements+1), store.ErrCrowded},
		{"a text of RESP 3 past the limit", fmt.Sprintf("=%d\r\n", maxReplies+1), store.ErrCrowded},
		{"line ends in a text of RESP 3", "=8\r\ntxt:$9\r\n\r\n:1\r\n", nil},
	} {
		if err := read(t, tt.text); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

// Each batch of commands has the whole limit.
func TestAWriteBeginsABatch(t *testing.T) {
	client, server := net.Pipe()
	defer client.Close()
	go func() {
		buf := make([]byte, 16)
		for {
			if _, err := server.Read(buf); err != nil {
				return
			}
			if _, err := io.WriteString(server, strings.Repeat(":1\r\n", maxElements*3/4)); err != nil {
				return
			}
		}
	}()
	c := &limitedConn{Conn: client}
	for range 3 {
		if _, err := c.Write([]byte("PING\r\n")); err != nil {
			t.Fatal(err)
		}
		if _, err := io.CopyN(io.Discard, c, maxElements*3/4*4); err != nil {
			t.Fatal(err)
		}
	}
}

// FuzzReplies: however the replies are cut into reads, the same is passed.
func FuzzReplies(f *testing.F) {
	f.Add([]byte("*2\r\n$1\r\na\r\n:1\r\n"), 3)
	f.Add([]byte("$99999999999\r\n"), 1)
	f.Fuzz(func(t *testing.T, text []byte, at int) {
		at = max(0, min(at, len(text)))
		whole, cut := &limitedConn{}, &limitedConn{}
		want := whole.pass(text)
		got := cut.pass(text[:at]) && cut.pass(text[at:])
		if got != want {
			t.Errorf("%q: passed %t, cut at %d %t", text, want, at, got)
		}
	})
}
