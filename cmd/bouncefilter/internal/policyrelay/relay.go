// Package policyrelay stands between Postfix and a policy service (SMTPD_POLICY_README), and gives the service recipients without tags.
//
// A request is lines "name=value", a reply is "action=..."; an empty line ends both. A connection has any number of requests.
package policyrelay

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/bouncefilter/bouncefilter/prvs"
)

// maxLength bounds a request and a reply, in octets.
const maxLength = 1 << 20

// patience is how long the service may take: as long as Postfix itself waits (smtpd_policy_service_timeout).
const patience = 100 * time.Second

var errTooLong = errors.New("more than 1 MiB without an empty line")

// Dial connects to the policy service.
type Dial func(ctx context.Context) (net.Conn, error)

// Run hands on requests from in, and replies to out, until in ends: then it returns nil. It returns an error if the service gives no
// reply; Postfix then does what smtpd_policy_service_default_action says.
func Run(ctx context.Context, in io.Reader, out io.Writer, dial Dial) error {
	r := &relay{dial: dial}
	defer r.hangUp()
	requests := bufio.NewReader(in)
	for {
		request, err := readBlock(requests)
		if errors.Is(err, io.EOF) && len(request) == 0 {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read a request of Postfix: %w", err)
		}
		reply, err := r.ask(ctx, plain(request))
		if err != nil {
			return err
		}
		if _, err := out.Write(reply); err != nil {
			return fmt.Errorf("reply to Postfix: %w", err)
		}
	}
}

// plain takes the tags off the recipient of a request.
func plain(request []byte) []byte {
	const recipient = "recipient="
	var b bytes.Buffer
	for line := range bytes.Lines(request) {
		if address, ok := strings.CutPrefix(string(line), recipient); ok {
			line = []byte(recipient + prvs.Plain(strings.TrimRight(address, "\r\n")) + "\n")
		}
		b.Write(line)
	}
	return b.Bytes()
}

// relay is the connection to the service.
type relay struct {
	dial    Dial
	conn    net.Conn // nil if there is none
	replies *bufio.Reader
}

func (r *relay) hangUp() {
	if r.conn != nil {
		_ = r.conn.Close() // nothing is under way
		r.conn = nil
	}
}

// ask sends a request and returns the reply. A service may have ended a connection after an earlier request.
func (r *relay) ask(ctx context.Context, request []byte) ([]byte, error) {
	if r.conn != nil {
		if reply, err := r.exchange(request); err == nil {
			return reply, nil
		}
		r.hangUp()
	}
	conn, err := r.dial(ctx)
	if err != nil {
		return nil, fmt.Errorf("connect to the policy service: %w", err)
	}
	r.conn, r.replies = conn, bufio.NewReader(conn)
	reply, err := r.exchange(request)
	if err != nil {
		return nil, fmt.Errorf("ask the policy service: %w", err)
	}
	return reply, nil
}

func (r *relay) exchange(request []byte) ([]byte, error) {
	if err := r.conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return nil, err
	}
	if _, err := r.conn.Write(request); err != nil {
		return nil, err
	}
	return readBlock(r.replies)
}

// readBlock reads lines up to and with an empty one.
func readBlock(r *bufio.Reader) ([]byte, error) {
	var block []byte
	for {
		line, err := r.ReadSlice('\n')
		block = append(block, line...)
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF) && len(block) > 0:
			return block, io.ErrUnexpectedEOF
		case err != nil:
			return block, err
		case len(bytes.TrimRight(line, "\r\n")) == 0 && (len(block) == len(line) || block[len(block)-len(line)-1] == '\n'):
			return block, nil
		}
		if len(block) > maxLength {
			return nil, errTooLong
		}
	}
}
