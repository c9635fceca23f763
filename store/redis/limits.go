package redis

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/bouncefilter/bouncefilter/store"
)

// Who can write to the server can fill it. What a daemon reads of it is bounded, so that it costs the daemon bounded memory and time.
const (
	// maxReplies is how many octets the replies to one batch of commands have at most: first-signed days of 200,000 domains, or
	// heartbeats of 100 nodes with 1,000 keys each.
	maxReplies = 16 << 20
	// maxElements is how many values one batch of replies has at most, whatever their size.
	maxElements = 1 << 19
	// maxBroadcasts is how many broadcasts of a topic are read. An operator who has more senders to revoke revokes the key.
	maxBroadcasts = 10_000
	// maxNodes is how many heartbeats are read: ten times the largest site that was planned for.
	maxNodes = 1_000
	// maxState is how many fields a shard's state has: it lists a layer for each period, and some more while a site grows.
	maxState = 256
	// crowdedPause is how long a lookup does not read a state that had more fields. To read it takes as long as an attacker likes.
	crowdedPause = 10 * time.Second
	// maxNotes is how many notes are read: those of twenty nodes with as many as a node has at most.
	maxNotes = 20 * store.MaxNotes
	// maxCounters is how many counters one call returns.
	maxCounters = 1 << 20
)

// errReplies says that a server sent more than a batch of commands may be answered with.
var errReplies = fmt.Errorf("%w: a reply has more than %d octets or %d values", store.ErrCrowded, maxReplies, maxElements)

// entries reads the fields of a hash that has at most limit of them. It asks for the number first: a hash that was filled is not read.
func (s *Store) entries(ctx context.Context, name string, limit int64) (map[string]string, error) {
	n, err := s.client.HLen(ctx, name).Result()
	if err == nil && n > limit {
		err = fmt.Errorf("%w: %s has %d entries, and %d are read at most; remove what the daemons did not write, or all: DEL %s",
			store.ErrCrowded, name, n, limit, name)
	}
	if err != nil {
		return nil, s.crowded(err)
	}
	fields, err := s.client.HGetAll(ctx, name).Result()
	return fields, s.crowded(err)
}

// crowded counts an error of a limit, and returns it.
func (s *Store) crowded(err error) error {
	if errors.Is(err, store.ErrCrowded) {
		s.doubts.crowded.Add(1)
	}
	return err
}

// limitReplies lets the connections of a client end when a batch of replies exceeds the limits. The library allocates what a reply
// announces before it has come, so that the announcements are checked before the library reads them.
func limitReplies(dial func(ctx context.Context, network, addr string) (net.Conn, error)) func(ctx context.Context, network, addr string) (net.Conn, error) {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		limited := &limitedConn{Conn: conn}
		if raw, ok := conn.(syscall.Conn); ok {
			return &limitedSysConn{limited, raw}, nil // the library looks at the socket to find a connection that was closed
		}
		return limited, nil
	}
}

// dialer is that of the library, for a connection of a network type.
func dialer(c config) func(ctx context.Context, network, addr string) (net.Conn, error) {
	return redis.NewDialer(&redis.Options{DialTimeout: connectTimeout, TLSConfig: c.tls})
}

// limitedConn is the client's end of a connection. What it reads is RESP (https://redis.io/docs/latest/develop/reference/protocol-spec/).
//
// QUIRK: go-redis speaks version 3 with Sentinels, and reads the types of both versions whichever was agreed on.
type limitedConn struct {
	net.Conn
	octets, elements int
	skip             int    // octets of a string that are still to come, with its line end
	line             []byte // of the line that has begun, its first octets
	err              error
}

type limitedSysConn struct {
	*limitedConn
	raw syscall.Conn
}

// SyscallConn implements [syscall.Conn].
func (c *limitedSysConn) SyscallConn() (syscall.RawConn, error) { return c.raw.SyscallConn() }

// Write begins a batch.
func (c *limitedConn) Write(b []byte) (int, error) {
	c.octets, c.elements = 0, 0
	return c.Conn.Write(b)
}

// Read fails for good once a limit is exceeded.
func (c *limitedConn) Read(b []byte) (int, error) {
	if c.err != nil {
		return 0, c.err
	}
	n, err := c.Conn.Read(b)
	if !c.pass(b[:n]) {
		c.err = errReplies
		return 0, c.err
	}
	return n, err
}

// maxHeader is how much of a line is looked at: the type, and a length.
const maxHeader = 32

// pass says whether what was read is within the limits.
func (c *limitedConn) pass(b []byte) bool {
	if c.octets += len(b); c.octets > maxReplies {
		return false
	}
	for len(b) > 0 {
		if c.skip > 0 {
			n := min(c.skip, len(b))
			c.skip, b = c.skip-n, b[n:]
			continue
		}
		end := bytes.IndexByte(b, '\n')
		part := b
		if end >= 0 {
			part = b[:end]
		}
		c.line = append(c.line, part[:min(len(part), maxHeader-len(c.line))]...)
		if end < 0 {
			return true
		}
		b = b[end+1:]
		if !c.header() {
			return false
		}
		c.line = c.line[:0]
	}
	return true
}

// header takes in a line, and says whether what it announces is within the limits.
func (c *limitedConn) header() bool {
	if c.elements++; c.elements > maxElements {
		return false
	}
	line := bytes.TrimSuffix(c.line, []byte{'\r'})
	if len(line) == 0 {
		return true
	}
	switch line[0] {
	case '$', '=', '!': // strings
		n, ok := c.length(line, maxReplies)
		if n >= 0 {
			c.skip = n + 2
		}
		return ok
	case '*', '%', '~', '>', '|': // arrays, maps, sets, pushes, attributes
		_, ok := c.length(line, maxElements)
		return ok
	}
	return true
}

// length returns the length that a line announces, which may be -1 for nothing, and says whether it is within a limit.
func (c *limitedConn) length(line []byte, most int) (n int, ok bool) {
	n, err := strconv.Atoi(string(line[1:]))
	return n, err == nil && n <= most && len(c.line) < maxHeader // a longer line was not read to its end
}
