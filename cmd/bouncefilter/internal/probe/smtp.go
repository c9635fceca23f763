package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/textproto"
	"slices"
	"strings"
	"syscall"
	"time"
)

// SMTP is an SMTP session in which no message is handed over.
type SMTP struct {
	conn net.Conn
	text *textproto.Conn

	extensions []string // the words of the reply to EHLO
}

// DialSMTP connects to an MTA at host:port, waits for its greeting and greets it.
func DialSMTP(ctx context.Context, address string) (*SMTP, error) {
	conn, err := dial(ctx, address)
	if err != nil {
		return nil, err
	}
	s := &SMTP{conn: conn, text: textproto.NewConn(conn)}
	greeting, err := s.read()
	if err == nil && !strings.HasPrefix(greeting, "220") {
		err = fmt.Errorf("greeted with %q", greeting)
	}
	if err == nil {
		var reply string
		// RFC 5321 section 4.1.3: a client without a name says its address.
		if reply, err = s.Command("EHLO [" + s.Client().String() + "]"); err == nil && !strings.HasPrefix(reply, "250") {
			err = fmt.Errorf("EHLO was answered %q", reply)
		}
		s.extensions = strings.Fields(reply)
	}
	if err != nil {
		_ = conn.Close() // of no use any more
		return nil, err
	}
	return s, nil
}

// dial connects to an MTA. One that was just restarted, as Sendmail is when it reads a new configuration, refuses connections for a
// while: they are tried again.
func dial(ctx context.Context, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var d net.Dialer
	again := time.NewTicker(100 * time.Millisecond)
	defer again.Stop()
	var refused error
	for {
		conn, err := d.DialContext(ctx, "tcp", address)
		var late net.Error
		switch {
		case errors.Is(err, syscall.ECONNREFUSED):
			refused = err
		case refused != nil && errors.As(err, &late) && late.Timeout():
			return nil, refused
		default:
			return conn, err
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return nil, refused
		}
	}
}

// Has says whether the server has announced an extension (RFC 5321 section 4.1.1.1), given in upper case.
func (s *SMTP) Has(extension string) bool {
	return slices.ContainsFunc(s.extensions, func(word string) bool { return strings.EqualFold(word, extension) })
}

// Client returns the address that the MTA sees.
func (s *SMTP) Client() netip.Addr {
	ap, _ := netip.ParseAddrPort(s.conn.LocalAddr().String())
	return ap.Addr().Unmap()
}

// Command sends a command and returns the reply, its lines in one.
func (s *SMTP) Command(command string) (reply string, err error) {
	if strings.ContainsAny(command, "\r\n") {
		return "", errors.New("a command is one line")
	}
	if err := s.conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return "", err
	}
	if err := s.text.PrintfLine("%s", command); err != nil {
		return "", err
	}
	return s.read()
}

func (s *SMTP) read() (string, error) {
	if err := s.conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return "", err
	}
	code, message, err := s.text.ReadResponse(0)
	var reply *textproto.Error
	if err != nil && !errors.As(err, &reply) {
		return "", err
	}
	return fmt.Sprintf("%d %s", code, strings.ReplaceAll(message, "\n", " ")), nil
}

// Quit takes back what was said and ends the session.
func (s *SMTP) Quit() error {
	_, err := s.Command("RSET")
	if err == nil {
		_, err = s.Command("QUIT")
	}
	return errors.Join(err, s.conn.Close())
}
