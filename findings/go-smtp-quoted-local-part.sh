#!/bin/bash
# Software: github.com/emersion/go-smtp v0.26.0, server and client.
#
# Input: an envelope address whose local part is a quoted string: "the user"@example.com, or with a BATV tag
# "prvs=1787abcdef=the user"@example.com. Local parts may be quoted (RFC 5321, 4.1.2), and one with a space must be.
#
# Expected: the server hands out an address that can be sent on, or the local part and the domain apart.
# Happens: the quotes are removed from the string that Mail and Rcpt get. The client of the same library sends it as it is, and
# the server of the same library refuses that.
#
# Seen on 2026-11-30:
#   user@example.com: handed out as user@example.com, sent on: 250
#   "the user"@example.com: handed out as the user@example.com, sent on: 501
#   "prvs=1787abcdef=the user"@example.com: handed out as prvs=1787abcdef=the user@example.com, sent on: 501
#
# What a user meets: a proxy or a queue between two servers that is made with this library accepts mail of and to such
# addresses, and cannot deliver it, nor return it to its sender.

. "$(dirname "$0")/setup.bash"

go_module github.com/emersion/go-smtp@v0.26.0
cat > "$work/go/main.go" <<'GO'
package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"

	"github.com/emersion/go-smtp"
)

// session notes the senders that the server hands out.
type session struct{ senders *[]string }

func (s session) NewSession(*smtp.Conn) (smtp.Session, error) { return s, nil }
func (s session) Reset()                                      {}
func (s session) Logout() error                               { return nil }
func (s session) Mail(from string, _ *smtp.MailOptions) error { *s.senders = append(*s.senders, from); return nil }
func (s session) Rcpt(string, *smtp.RcptOptions) error        { return nil }
func (s session) Data(r io.Reader) error                      { _, err := io.Copy(io.Discard, r); return err }

// mail sends MAIL and returns the code of the reply.
func mail(address, sender string) int {
	c, err := smtp.Dial(address)
	if err != nil {
		panic(err)
	}
	defer c.Close()
	var reply *smtp.SMTPError
	switch err = c.Mail(sender, nil); {
	case err == nil:
		return 250
	case errors.As(err, &reply):
		return reply.Code
	}
	panic(err)
}

func main() {
	var senders []string
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	server := smtp.NewServer(session{&senders})
	server.Domain = "localhost"
	go server.Serve(l)
	if code := mail(l.Addr().String(), os.Args[1]); code != 250 || len(senders) != 1 {
		fmt.Printf("refused: %d\n", code)
		return
	}
	fmt.Printf("handed out as %s, sent on: %d\n", senders[0], mail(l.Addr().String(), senders[0]))
}
GO
(cd "$work/go" && go build -o proxy .) || cannot "does not build"

echo "go-smtp v0.26.0, $(go version)"
expect user@example.com "handed out as user@example.com, sent on: 250" "$("$work/go/proxy" user@example.com)"
for local in "the user" "prvs=1787abcdef=the user"; do
	address="\"$local\"@example.com"
	expect "$address" "handed out as $local@example.com, sent on: 501" "$("$work/go/proxy" "$address")"
done
verdict
