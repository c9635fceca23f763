// Package filtertest is what the tests of several packages of the filter share: a policy that enforces example.com, and mail that comes
// back.
package filtertest

import (
	"testing"
	"time"

	"github.com/bouncefilter/bouncefilter/filter/policy"
	"github.com/bouncefilter/bouncefilter/prvs"
)

// Day returns the time at which tests happen unless they say otherwise.
func Day() time.Time { return time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC) }

// Keys is a ring that signs with key 1 for all domains.
func Keys(t testing.TB) *prvs.Ring {
	t.Helper()
	ring, err := prvs.NewRing([]prvs.Key{
		{Number: 1, State: prvs.StateSign, Secret: []byte("secret")},
		{Number: 2, State: prvs.StateVerify, Secret: []byte("older")},
	}, prvs.Options{Lifetime: 7, Rotation: 1, Slack: 53})
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

// Settings enforces example.com.
func Settings(t testing.TB) policy.Settings {
	return policy.Settings{
		Domains:  []policy.Domain{{Name: "example.com", Mode: policy.ModeEnforce}},
		Keys:     Keys(t),
		Outbound: policy.DefaultOutbound(),
		Exempt:   policy.Exemptions{Recipients: policy.DefaultExemptRecipients()},
		Proofs:   policy.DefaultProofs(),

		MailerDaemons: policy.DefaultMailerDaemons(),
		ReadAll:       true,

		HeaderName: policy.DefaultHeaderName,
		Hostname:   "mx.example.com",
	}
}

func Policy(t testing.TB, change func(*policy.Settings)) *policy.Policy {
	t.Helper()
	s := Settings(t)
	if change != nil {
		change(&s)
	}
	p, err := policy.New(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// ReturnedMail describes a DSN about mail in the name of user@example.com.
type ReturnedMail struct {
	Arrival time.Time // zero: not said
	Failed  string
	Handed  string // a Received field of the returned header
	Author  string // user@example.com unless set
	ID      string // x@shop.example unless set
	Text    string // instead of a DSN
}

// String returns the message.
func (m ReturnedMail) String() string {
	if m.Text != "" {
		return m.Text
	}
	or := func(s, otherwise string) string {
		if s == "" {
			return otherwise
		}
		return s
	}
	arrival := ""
	if !m.Arrival.IsZero() {
		arrival = "Arrival-Date: " + m.Arrival.Format(time.RFC1123Z) + "\n"
	}
	received := ""
	if m.Handed != "" {
		received = "Received: " + m.Handed + "\n"
	}
	return "From: MAILER-DAEMON@mx.victim.example\nTo: user@example.com\nSubject: Undelivered Mail Returned to Sender\nMIME-Version: 1.0\n" +
		"Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\nContent-Type: text/plain\n\nIt could not be delivered.\n" +
		"--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.victim.example\n" + arrival +
		"\nFinal-Recipient: rfc822; " + or(m.Failed, "nobody@victim.example") + "\nAction: failed\nStatus: 5.1.1\n" +
		"--b\nContent-Type: text/rfc822-headers\n\n" + received + "Message-ID: <" + or(m.ID, "x@shop.example") + ">\nFrom: " +
		or(m.Author, "user@example.com") + "\nSubject: letter\n\n--b--\n"
}

// HandedBy is the Received field of a server that got a message from this address.
func HandedBy(address string) string {
	return "from mail.shop.example (mail.shop.example [" + address + "]) by mx.victim.example (Postfix) with ESMTP"
}
