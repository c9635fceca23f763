package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// testParameters checks that signing and untagging keep the parameters of MAIL and RCPT, which RFC 3461 and others give
// a meaning that a milter must not take away. What counts is what the next server gets.
func (s *site) testParameters(t *testing.T) {
	const sender, receiver = "user@virt.example", "friend@remote.example"
	for _, row := range []struct {
		name        string
		notSendmail string   // why Sendmail cannot do it
		mail, rcpt  string   // what the client says
		header      string   // a line in the message
		to          string   // receiver unless said otherwise
		mailWant    []string // what the world gets
		rcptWant    []string
	}{
		{name: "RET and ENVID", mail: "RET=HDRS ENVID=QQ314159", mailWant: []string{"RET=HDRS", "ENVID=QQ314159"}},
		{name: "RET=FULL", mail: "RET=FULL", mailWant: []string{"RET=FULL"}},
		{name: "8BITMIME", mail: "BODY=8BITMIME", header: "Comments: Grüße", mailWant: []string{"BODY=8BITMIME"}},
		{name: "SMTPUTF8", notSendmail: "Debian builds Sendmail without it", mail: "SMTPUTF8 BODY=8BITMIME", header: "Comments: Grüße", to: "jürgen@remote.example", mailWant: []string{"SMTPUTF8"}},
		{name: "NOTIFY and ORCPT", rcpt: "NOTIFY=FAILURE,DELAY ORCPT=rfc822;first@elsewhere.example",
			rcptWant: []string{"NOTIFY=FAILURE,DELAY", "ORCPT=rfc822;first@elsewhere.example"}},
		{name: "NOTIFY=NEVER", rcpt: "NOTIFY=NEVER", rcptWant: []string{"NOTIFY=NEVER"}},
		{name: "SIZE", mail: "SIZE=1000", mailWant: []string{"SIZE="}},
	} {
		t.Run("outbound "+row.name, func(t *testing.T) {
			if s.cannot(t, row.notSendmail) {
				return
			}
			if row.to == "" {
				row.to = receiver
			}
			m := newMessage(sender, receiver, row.header)
			if row.header == "" {
				m = newMessage(sender, receiver)
			}
			c := s.submit(t)
			defer c.quit()
			c.mustCommand("250", fmt.Sprintf("MAIL FROM:<%s> %s", sender, row.mail))
			c.mustCommand("250", strings.TrimSpace(fmt.Sprintf("RCPT TO:<%s> %s", row.to, row.rcpt)))
			c.mustCommand("354", "DATA")
			if r := c.text(m.text); r[0] != '2' {
				t.Fatal(r)
			}
			d := s.world.await(t, m.mark)
			if !isSigned(d.sender, sender) {
				t.Errorf("sender <%s> is not signed", d.sender)
			}
			hasParameters(t, d.parameters, row.mailWant)
			hasParameters(t, d.recipients[0].parameters, row.rcptWant)
			if d.recipients[0].address != row.to {
				t.Errorf("recipient is %s, expected %s", d.recipients[0].address, row.to)
			}
		})
	}
	// Untagging replaces the recipient. Postfix would drop its parameters if the milter did not repeat them.
	t.Run("NOTIFY and ORCPT of a bounce that is untagged", func(t *testing.T) {
		tag := s.tag(t, "bob@relay.example")
		b := newBounce(tag, "Subject: the original\n")
		c := s.outside(t)
		defer c.quit()
		c.mustCommand("250", "MAIL FROM:<>")
		c.mustCommand("250", "RCPT TO:<"+tag+"> NOTIFY=NEVER ORCPT=rfc822;bob@old.example")
		c.mustCommand("354", "DATA")
		if r := c.text(b.text); r[0] != '2' {
			t.Fatal(r)
		}
		d := s.inner.await(t, b.mark)
		if len(d.recipients) != 1 || d.recipients[0].address != "bob@relay.example" {
			t.Fatalf("recipients are %v, expected bob@relay.example alone", d.recipients)
		}
		hasParameters(t, d.recipients[0].parameters, []string{"NOTIFY=NEVER", "ORCPT=rfc822;bob@old.example"})
	})
}

// hasParameters checks that an SMTP command has the parameters. One that ends with "=" may have any value.
func hasParameters(t *testing.T, parameters string, want []string) {
	t.Helper()
	all := strings.Fields(parameters)
	for _, w := range want {
		if !slices.ContainsFunc(all, func(p string) bool { return p == w || strings.HasSuffix(w, "=") && strings.HasPrefix(p, w) }) {
			t.Errorf("parameters are %q, expected %q among them", parameters, w)
		}
	}
}
