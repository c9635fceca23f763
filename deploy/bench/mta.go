package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"
)

// answerTimeout bounds a connection's opening and each message, far above what a working milter needs.
const answerTimeout = 30 * time.Second

// Postfix writes when its buffer is full: 4096 octets on a unix socket, more on TCP, where it grows the buffer to twice
// the segment size, which is nearly 64 KiB on the loopback interface.
const (
	unixWriteSize = 4096
	tcpWriteSize  = 128 << 10
)

// bodyChunk is the largest body packet (MILTER_CHUNK_SIZE).
const bodyChunk = 65535

// indexSize is the length in octets of the position with which the change of a header field begins.
const indexSize = 4

// An mta is one smtpd process of Postfix as its milter sees it. It is used by one goroutine.
type mta struct {
	conn      net.Conn
	in        *bufio.Reader
	out       []byte // what Postfix holds in its write buffer
	writeSize int
	data      []byte // of the reply read last
	scratch   []byte // of the event being built

	agreed agreement
	values map[string]string // macros by name, without braces
	id     string            // of the current message; empty before it has one
	skip   command           // the kind of event that the milter asked to be spared
	reset  command           // the event after which the connection is reset; 0 for none

	roundTrips int
	unanswered bool // the last write has had no answer
	stalls     int  // writes of less than a buffer after such a write
}

// newMTA returns an mta that has no connection yet.
func newMTA() *mta {
	return &mta{in: bufio.NewReader(nil), values: map[string]string{}, data: make([]byte, 1024)}
}

// connect opens a connection to the milter and negotiates.
func (m *mta) connect(network, address string) error {
	conn, err := net.DialTimeout(network, address, answerTimeout)
	if err != nil {
		return err
	}
	m.conn, m.writeSize = conn, unixWriteSize
	if tcp, ok := conn.(*net.TCPConn); ok {
		m.writeSize = tcpWriteSize
		// Go switches Nagle's algorithm off, Postfix leaves it on. With it, two writes without an answer between them wait
		// for the milter's delayed ACK, 40 ms.
		if err := tcp.SetNoDelay(false); err != nil {
			return errors.Join(err, m.close())
		}
	}
	m.in.Reset(conn)
	m.unanswered = false
	if err := m.negotiate(); err != nil {
		return errors.Join(fmt.Errorf("negotiation: %w", err), m.close())
	}
	return nil
}

func (m *mta) negotiate() error {
	m.out = appendOffer(m.out[:0])
	if err := m.extend(); err != nil {
		return err
	}
	if err := m.flush(); err != nil {
		return err
	}
	m.roundTrips++
	code, data, err := readPacket(m.in, m.data)
	if err != nil {
		return err
	}
	if command(code) != cmdNegotiate {
		return fmt.Errorf("milter answers with %q", code)
	}
	m.unanswered = false
	m.agreed, err = parseAgreement(data)
	return err
}

// extend gives the milter the full time for what follows.
func (m *mta) extend() error { return m.conn.SetDeadline(time.Now().Add(answerTimeout)) }

// greet sends what precedes the first message. It returns the milter's outcome where that decides the whole session.
func (m *mta) greet(c client) (outcome, bool, error) {
	clear(m.values)
	c.setMacros(m.values)
	m.id, m.skip = "", 0
	var o outcome
	for _, e := range []struct {
		kind eventKind
		data []byte
	}{{eventConnect, c.connectData()}, {eventHelo, []byte(c.name + "\x00")}} {
		if decided, err := m.event(e.kind, e.data, &o); decided || err != nil {
			return o, decided, err
		}
	}
	return o, false, nil
}

// open opens a connection and sends what precedes the first message. It is an error if that decides the session. After an error there is
// no connection.
func (m *mta) open(network, address string, c client) error {
	if err := m.connect(network, address); err != nil {
		return err
	}
	o, decided, err := m.greet(c)
	if err == nil && decided {
		err = fmt.Errorf("milter decides about the session before its first message: %v", &o)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("greeting: %w", err), m.close())
	}
	return nil
}

// deliver sends one message under the given queue ID until the milter has decided about it.
func (m *mta) deliver(msg *message, id string) (outcome, error) {
	var o outcome
	if decided, err := m.envelope(msg, id, &o); decided || err != nil {
		return o, err
	}
	if decided, err := m.content(msg, &o); decided || err != nil {
		return o, err
	}
	_, err := m.event(eventEndBody, nil, &o)
	return o, err
}

// envelope sends what precedes the content.
func (m *mta) envelope(msg *message, id string, o *outcome) (decided bool, err error) {
	m.id, m.skip = id, 0
	// Postfix gives a message its queue ID after the milter's answer to the first recipient.
	delete(m.values, "i")
	msg.setMacros(m.values)
	if err := m.extend(); err != nil {
		return false, err
	}
	if decided, err := m.event(eventMail, m.fill(msg.mail), o); decided || err != nil {
		return decided, err
	}
	if decided, err := m.event(eventRcpt, m.fill(msg.rcpt), o); decided || err != nil {
		return decided, err
	}
	m.values["i"] = id
	if decided, err := m.event(eventData, nil, o); decided || err != nil {
		return decided, err
	}
	// smtpd hands the connection over to cleanup here, with nothing left in the buffer.
	return false, m.flush()
}

// content sends header and body. cleanup sends no macros either for what the milter declined.
func (m *mta) content(msg *message, o *outcome) (decided bool, err error) {
	for i := range msg.headers {
		if !m.agreed.wants(eventHeader) {
			break
		}
		if decided, err := m.event(eventHeader, m.fillHeader(&msg.headers[i]), o); decided || err != nil {
			return decided, err
		}
	}
	if m.agreed.wants(eventEndHeader) {
		if decided, err := m.event(eventEndHeader, nil, o); decided || err != nil {
			return decided, err
		}
	}
	if !m.agreed.wants(eventBody) {
		return false, nil
	}
	for body := m.fill(msg.body); len(body) > 0; {
		n := min(len(body), bodyChunk)
		if decided, err := m.event(eventBody, body[:n], o); decided || err != nil {
			return decided, err
		}
		body = body[n:]
	}
	return false, nil
}

// event sends one event with its macros and, where the milter answers it, waits for the answer. What was decided is
// added to o; decided says that the milter wants no more of this message.
func (m *mta) event(e eventKind, data []byte, o *outcome) (decided bool, err error) {
	if e.command == m.skip {
		return false, nil
	}
	m.skip = 0
	m.appendMacros(e)
	if !m.agreed.wants(e) {
		return false, nil
	}
	m.out = appendPacket(m.out, e.command, data)
	if m.reset == e.command {
		return false, m.breakOff()
	}
	if !m.agreed.answers(e) {
		return false, m.drain()
	}
	if err := m.flush(); err != nil {
		return false, err
	}
	m.roundTrips++
	return m.await(e, o)
}

// await reads the answer to an event: changes to the message, then what becomes of it.
func (m *mta) await(e eventKind, o *outcome) (decided bool, err error) {
	for {
		code, data, err := readPacket(m.in, m.data)
		if err != nil {
			return false, fmt.Errorf("answer to %q: %w", e.command, err)
		}
		m.unanswered = false
		switch code {
		case replyProgress:
		case replyContinue, replySkip, replyAccept, replyDiscard, replyReject, replyTempfail, replyShutdown:
			if len(data) > 0 {
				return false, fmt.Errorf("answer %q to %q has %d octets too many", code, e.command, len(data))
			}
			if code == replySkip {
				m.skip = e.command
			}
			o.at, o.reply = e.command, code
			goesOn := (code == replyContinue || code == replySkip) && e.command != cmdEndBody
			return !goesOn, nil
		case replyCode:
			text, zero, _ := bytes.Cut(data, []byte{0})
			if len(data) != len(text)+1 || len(zero) > 0 || !validReply(text) {
				return false, fmt.Errorf("answer to %q is no SMTP reply: %q", e.command, data)
			}
			o.at, o.reply, o.text = e.command, code, string(text)
			return true, nil
		default:
			if e.command != cmdEndBody {
				return false, fmt.Errorf("answer %q to %q is unknown, or a change before end of message", code, e.command)
			}
			if code == changeInsHeader || code == changeHeader {
				data = data[min(len(data), indexSize):]
			}
			text, more, terminated := strings.Cut(string(data), "\x00")
			if !terminated && code != changeBody {
				return false, fmt.Errorf("change %q is not terminated", code)
			}
			more, _, _ = strings.Cut(more, "\x00")
			o.changes = append(o.changes, change{what: code, value: text, more: more})
		}
	}
}

// validReply says whether text begins as a refusal that an MTA can pass on: 4xx or 5xx, a blank or hyphen, words.
func validReply(text []byte) bool {
	digit := func(c byte) bool { return c >= '0' && c <= '9' }
	return len(text) > 4 && (text[0] == '4' || text[0] == '5') && digit(text[1]) && digit(text[2]) &&
		(text[3] == ' ' || text[3] == '-')
}

// appendMacros appends the macro packet that Postfix sends before each event, also before one that the milter declined
// and one for which no macro has a value.
func (m *mta) appendMacros(e eventKind) {
	var start int
	m.out, start = beginPacket(m.out, cmdMacro)
	m.out = append(m.out, byte(e.command))
	for _, name := range m.agreed.macros[e.stage] {
		if value, known := m.values[strings.Trim(name, "{}")]; known {
			m.out = append(append(m.out, name...), 0)
			m.out = append(append(m.out, value...), 0)
		}
	}
	m.out = endPacket(m.out, start)
}

// fill writes t with the message's ID into the scratch buffer.
func (m *mta) fill(t text) []byte {
	m.scratch = t.appendTo(m.scratch[:0], m.id)
	return m.scratch
}

// fillHeader does so for a header field: name, value, each with its NUL.
func (m *mta) fillHeader(h *header) []byte {
	m.scratch = append(append(m.scratch[:0], h.name...), 0)
	if m.agreed.protocol&flagLeadingSpace != 0 {
		m.scratch = append(m.scratch, ' ')
	}
	m.scratch = append(h.value.appendTo(m.scratch, m.id), 0)
	return m.scratch
}

// abort ends the message, as smtpd does between two of a session and twice at its end.
func (m *mta) abort() { m.out = appendPacket(m.out, cmdAbort, nil) }

// quit ends the session and closes the connection.
func (m *mta) quit() error {
	m.abort()
	m.abort()
	m.out = appendPacket(m.out, cmdQuit, nil)
	return errors.Join(m.flush(), m.close())
}

// close closes the connection without a word, as Postfix does after a milter error.
func (m *mta) close() error {
	m.out = m.out[:0]
	return m.conn.Close()
}

// errReset says that the connection was reset on purpose.
var errReset = errors.New("the connection was reset on purpose")

// breakOff writes what there is and resets the connection at once, as the end of an smtpd process does that was killed.
func (m *mta) breakOff() error {
	err := m.flush()
	if tcp, ok := m.conn.(*net.TCPConn); ok {
		err = errors.Join(err, tcp.SetLinger(0))
	}
	return errors.Join(errReset, err, m.close())
}

// drain writes as much as fills whole buffers; the rest waits until an answer is needed.
func (m *mta) drain() error {
	sent := 0
	for len(m.out)-sent >= m.writeSize {
		if _, err := m.conn.Write(m.out[sent : sent+m.writeSize]); err != nil {
			return err
		}
		sent += m.writeSize
	}
	m.out = m.out[:copy(m.out, m.out[sent:])]
	return nil
}

// flush writes all there is. On TCP, Nagle's algorithm holds back what is less than a segment while an earlier write
// has not been acknowledged, and the milter's system acknowledges after 40 ms unless the milter answers: a stall.
func (m *mta) flush() error {
	if err := m.drain(); err != nil || len(m.out) == 0 {
		return err
	}
	if m.unanswered {
		m.stalls++
	}
	m.unanswered = true
	_, err := m.conn.Write(m.out)
	m.out = m.out[:0]
	return err
}
