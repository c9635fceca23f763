package e2e

import (
	"strings"
	"testing"
)

// TestInternationalAddresses sends from addresses that need SMTPUTF8 (RFC 6531) and lets bounces come back.
func TestInternationalAddresses(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{settings: []string{"virtual_alias_maps = inline:{ {jürgen@alias.example=user@virt.example} }"}})
	for _, form := range []struct {
		name   string
		change func(string) string
	}{
		{"as sent", func(s string) string { return s }},
		{"with its tag in capital letters", func(s string) string {
			tag, rest, _ := strings.Cut(strings.TrimPrefix(s, "prvs="), "=")
			return "PRVS=" + strings.ToUpper(tag) + "=" + rest
		}},
		{"in capital letters", upperCase},
		{"in the sub-address form", subAddress},
	} {
		t.Run("bounce, "+form.name, func(t *testing.T) {
			const sender = "jürgen@alias.example"
			m := newMessage(sender, "friend@remote.example")
			c := s.submit(t)
			defer c.quit()
			c.mustCommand("250", "MAIL FROM:<"+sender+"> SMTPUTF8")
			c.mustCommand("250", "RCPT TO:<friend@remote.example>")
			c.mustCommand("354", "DATA")
			if r := c.text(m.text); r[0] != '2' {
				t.Fatal(r)
			}
			d := s.world.await(t, m.mark)
			if !isSigned(d.sender, sender) {
				t.Fatalf("the world sees <%s>", d.sender)
			}
			hasParameters(t, d.parameters, []string{"SMTPUTF8"})

			to := form.change(d.sender)
			b := newBounce(to, d.text)
			logged := s.daemon.process.out.len()
			o := s.outside(t)
			defer o.quit()
			o.mustCommand("250", "MAIL FROM:<> SMTPUTF8")
			o.mustCommand("250", "RCPT TO:<"+to+">")
			o.mustCommand("354", "DATA")
			if r := o.text(b.text); r[0] != '2' {
				t.Fatal(r)
			}
			s.daemon.awaitRecord(t, logged, record{"msg": "bounce", "reason": "valid", "action": "accept"})
			s.mailbox("user@virt.example").await(t, b.mark)
		})
	}
}
