package e2e

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
)

// sink is an SMTP server that keeps what it gets: the rest of the world, or the internal server of a relayed domain.
// The local part of a recipient says what happens to it:
//
//	reject...  550 at RCPT
//	late...    554 at end of data
//	defer...   451 at RCPT
//
// Everything else is accepted.
type sink struct {
	name string
	port int
	mu   sync.Mutex
	got  []delivery
}

// delivery is a message as it arrived, with its envelope.
type delivery struct {
	sender     string // without <>
	parameters string // of MAIL FROM, such as "BODY=8BITMIME RET=HDRS"
	recipients []recipient
	text       string
}

// recipient is an address with the parameters of its RCPT TO.
type recipient struct{ address, parameters string }

// newSink starts a sink. It ends with the test.
func newSink(t *testing.T, name string) *sink {
	t.Helper()
	s := &sink{name: name}
	s.port = listen(t, s.serve).Port
	return s
}

// serve is one SMTP session.
func (s *sink) serve(c net.Conn) {
	in := bufio.NewReader(c)
	out := bufio.NewWriter(c)
	say := func(lines ...string) {
		for _, line := range lines {
			out.WriteString(line + "\r\n")
		}
		if in.Buffered() == 0 { // answer pipelined commands together
			out.Flush()
		}
	}
	say("220 " + s.name + " ESMTP")
	var d delivery
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimRight(line, "\r\n")
		verb, rest, _ := strings.Cut(line, ":")
		switch verb = strings.ToUpper(verb); {
		case strings.HasPrefix(verb, "EHLO"):
			say("250-"+s.name, "250-PIPELINING", "250-SIZE 200000000", "250-8BITMIME", "250-SMTPUTF8", "250-DSN", "250 ENHANCEDSTATUSCODES")
		case verb == "MAIL FROM":
			d = delivery{}
			d.sender, d.parameters = path(rest)
			say("250 2.1.0 ok")
		case verb == "RCPT TO":
			r := recipient{}
			r.address, r.parameters = path(rest)
			switch {
			case strings.HasPrefix(r.address, "reject"):
				say("550 5.1.1 no such user here")
			case strings.HasPrefix(r.address, "defer"):
				say("451 4.3.0 try again later")
			default:
				d.recipients = append(d.recipients, r)
				say("250 2.1.5 ok")
			}
		case verb == "DATA" && len(d.recipients) == 0:
			say("554 5.5.1 no valid recipients")
		case verb == "DATA":
			say("354 go ahead")
			out.Flush()
			if d.text, err = readData(in); err != nil {
				return
			}
			if strings.HasPrefix(d.recipients[0].address, "late") {
				say("554 5.6.0 rejected after data")
				continue
			}
			s.mu.Lock()
			s.got = append(s.got, d)
			s.mu.Unlock()
			say("250 2.0.0 stored")
		case verb == "QUIT":
			say("221 2.0.0 bye")
			out.Flush()
			return
		default:
			say("250 2.0.0 ok")
		}
	}
}

// path splits "<a@b> PARAMETERS".
func path(s string) (address, parameters string) {
	address, parameters, _ = strings.Cut(strings.TrimSpace(s), "> ")
	return strings.Trim(address, "<>"), parameters
}

// readData reads a message up to the line with the single dot and returns it with plain newlines.
func readData(in *bufio.Reader) (string, error) {
	var b strings.Builder
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return "", fmt.Errorf("in DATA: %w", io.ErrUnexpectedEOF)
		}
		line = strings.TrimRight(line, "\r\n")
		if line == "." {
			return b.String(), nil
		}
		b.WriteString(strings.TrimPrefix(line, ".") + "\n")
	}
}

// with returns the deliveries whose text contains the mark.
func (s *sink) with(mark string) []delivery {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []delivery
	for _, d := range s.got {
		if strings.Contains(d.text, mark) {
			found = append(found, d)
		}
	}
	return found
}

// all returns everything that has arrived.
func (s *sink) all() []delivery { return s.with("") }

// await waits for the message with the mark and returns it.
func (s *sink) await(t *testing.T, mark string) delivery {
	t.Helper()
	eventually(t, fmt.Sprintf("message %s at the SMTP server %s", mark, s.name), func() bool { return len(s.with(mark)) > 0 })
	return s.with(mark)[0]
}
