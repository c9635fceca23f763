package e2e

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const recipientRestrictions = "3. Recipient restrictions"

// Where the manual has the tables and the policy service of a site.
const (
	manualPolicy  = "inet:127.0.0.1:10023"
	manualProgram = "/usr/local/bin/bouncefilter"
)

// protected are the entries of the table of recipient restrictions, one for each way in which Postfix looks up an address.
const protected = `other@virt.example REJECT the whole address
office@local.example 450 try later
games@ REJECT the local part
alias.example REJECT the domain
user@virt.example DUNNO
virt.example REJECT the domain, but for some users
`

// protectedByPattern is one of patterns.
const protectedByPattern = `/^user@monitor\.example$/ REJECT a pattern
/^(prvs=.*)$/ REJECT a table of patterns has seen a tag
`

// protectedByPolicy are recipients that the policy service refuses.
var protectedByPolicy = []string{"user@auto.example", "bob@relay.example"}

// asked are addresses in each of these tables, and some in none.
var asked = []string{"other@virt.example", "member@virt.example", "user@virt.example", "office@local.example", "games@local.example",
	"info@alias.example", "user@monitor.example", "user@early.example", "user@auto.example", "bob@relay.example", "user@remote.example"}

// newPolicyService starts a policy service that knows addresses without tags. It ends with the test.
func newPolicyService(t *testing.T) (address string) {
	t.Helper()
	return "inet:" + listen(t, answerPolicy).String()
}

// answerPolicy answers the requests of one connection.
func answerPolicy(c net.Conn) {
	recipient := ""
	for in := bufio.NewScanner(c); in.Scan(); {
		if address, ok := strings.CutPrefix(in.Text(), "recipient="); ok {
			recipient = strings.ToLower(address)
		}
		if in.Text() != "" {
			continue
		}
		action := "DUNNO"
		switch {
		case slices.Contains(protectedByPolicy, recipient):
			action = "REJECT the policy service"
		case strings.Contains(recipient, "prvs="):
			action = "REJECT the policy service has seen a tag"
		}
		if _, err := fmt.Fprintf(c, "action=%s\n\n", action); err != nil {
			return
		}
	}
}

// tables writes the tables of the restrictions into the folder of Postfix' configuration.
func (p *postfix) tables(t *testing.T) {
	t.Helper()
	p.write(t, "recipient_access", protected)
	p.write(t, "recipients.pcre", protectedByPattern)
	execute(t, "postmap", "-c", p.conf, "hash:"+filepath.Join(p.conf, "recipient_access"))
}

// forms returns an address with what may stand in front of it and behind it.
func (s *site) forms(t *testing.T, address string) map[string]string {
	t.Helper()
	const madeUp = "prvs=1234abcdef"
	local, domain, _ := strings.Cut(address, "@")
	forms := map[string]string{
		"made-up tag":                   madeUp + "=" + address,
		"made-up tag in capitals":       strings.ToUpper(madeUp) + "=" + address,
		"two made-up tags":              madeUp + "=" + madeUp + "=" + address,
		"made-up tag in the other form": local + "+" + madeUp + "@" + domain,
		"made-up tags in both forms":    madeUp + "=" + local + "+" + madeUp + "@" + domain,
	}
	if domain != "remote.example" && domain != "monitor.example" {
		signed := s.tag(t, address)
		forms["genuine tag"] = signed
		forms["genuine tag in capitals"] = upperCase(signed)
		forms["genuine tag in the other form"] = subAddress(signed)
	}
	return forms
}

// answer returns the reply to RCPT, or to DATA if RCPT is accepted, to a stranger, without the address in it.
func (s *site) answer(t *testing.T, address string) string {
	t.Helper()
	c := s.outside(t)
	defer c.conn.Close() // QUIT would be part of a message
	c.mustCommand("250", "MAIL FROM:<stranger@remote.example>")
	r := c.command("RCPT TO:<" + address + ">")
	if r[0] == '2' {
		r = c.command("DATA")
	}
	return strings.ReplaceAll(r, "<"+address+">", "<>")
}

// refusesTag says whether a made-up tag is why an address gets another answer than without it: it is unknown to the MTA, or bouncefilter
// refuses it where no restriction does.
func refusesTag(form, plain, got string) bool {
	return !strings.HasPrefix(form, "genuine") && (strings.Contains(got, "User unknown") || plain[0] == '3' && got == replyNoSuch)
}

// testRestrictions compares the answer for each address with that for the address with a tag.
func (s *site) testRestrictions(t *testing.T) {
	refused := 0
	for _, address := range asked {
		plain := s.answer(t, address)
		if strings.Contains(plain, "rejected: ") {
			refused++
		}
		for name, form := range s.forms(t, address) {
			got := s.answer(t, form)
			if got != plain && !refusesTag(name, plain, got) {
				t.Errorf("%s of <%s>: <%s> is answered %q, the address %q", name, address, form, got, plain)
			}
		}
	}
	if refused < 8 {
		t.Errorf("only %d of the addresses are restricted", refused)
	}
}

// TestRecipientRestrictions holds that no tag gets around a restriction of its address: a table, a table of patterns, a policy service.
func TestRecipientRestrictions(t *testing.T) {
	t.Parallel()
	needServers(t)
	for _, way := range []string{"tables", "socketmap"} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			policy := newPolicyService(t)
			blocks := codeBlocks(t, postfixManual, recipientRestrictions, "sh")
			var s *site
			if way == "tables" {
				s = newSite(t, siteOptions{})
				blocks = blocks[:3]
			} else {
				var address string
				s, address = newSocketmapSite(t, socketmapInPlace, taggedRecipients)
				for i := range blocks {
					blocks[i] = strings.ReplaceAll(blocks[i], socketmapAddress, address)
				}
			}
			for _, address := range asked { // before the addresses are restricted, or their senders could get no tag
				s.forms(t, address)
			}
			s.postfix.tables(t)
			s.restart(t, func() {
				s.postfix.follow(t, strings.Join(blocks, ""), manualPolicy, policy, manualProgram, s.daemon.program)
			})
			s.testRestrictions(t)
			if out, _ := s.aboutPostfix(t, "check"); strings.Contains(out, "\nerror ") || strings.Contains(out, "\nwarning ") {
				t.Errorf("check, after the manual:\n%s", out)
			}
		})
	}
}

// ofRestrictions counts what check says about tables of recipients and about policy services.
func ofRestrictions(out string) (tables, policies int) {
	out = strings.Join(strings.Fields(out), " ")
	return strings.Count(out, "is asked for the recipient as the client wrote it"), strings.Count(out, "gets recipients as clients wrote them")
}

// TestSetupPutsRestrictionsBehindUntagging lets setup do what the manual says: in main.cf, in a service's own list, in a class.
func TestSetupPutsRestrictionsBehindUntagging(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{})
	policy := newPolicyService(t)
	for _, address := range asked {
		s.forms(t, address)
	}
	s.postfix.tables(t)
	s.restart(t, func() {
		main, err := os.ReadFile(filepath.Join(s.postfix.conf, "main.cf"))
		if err != nil {
			t.Fatal(err)
		}
		s.postfix.write(t, "main.cf", string(main)+strings.NewReplacer("/etc/postfix", s.postfix.conf, manualPolicy, policy).Replace(`
smtpd_restriction_classes = by_pattern
by_pattern = check_recipient_access pcre:/etc/postfix/recipients.pcre
smtpd_sender_restrictions =
  # A class, by way of the sender.
  check_sender_access inline:{{stranger@remote.example = by_pattern}}
smtpd_data_restrictions = check_policy_service inet:127.0.0.1:10023
`))
		s.postfix.age(t)
		execute(t, "postconf", "-c", s.postfix.conf, "-P", fmt.Sprintf("127.0.0.1:%d/inet/smtpd_recipient_restrictions=check_recipient_access,hash:%s/recipient_access", s.postfix.smtp, s.postfix.conf))
	})
	if got := s.answer(t, "prvs=1234abcdef=other@virt.example"); got == s.answer(t, "other@virt.example") {
		t.Errorf("before setup, a tag does not get around the restriction: %q", got) // or this test shows nothing
	}
	before, _ := s.aboutPostfix(t, "check")
	if tables, policies := ofRestrictions(before); tables != 2 || policies != 1 {
		t.Errorf("check, before setup:\n%s", before)
	}
	if out, status := s.aboutPostfix(t, "setup", "postfix", "--write"); status != 0 {
		t.Fatalf("setup --write: exit status %d\n%s", status, out)
	}
	// What setup leaves to the operator is in the words of check.
	for line := range strings.Lines(before) {
		if command := strings.TrimSpace(line); strings.HasPrefix(command, "postconf ") {
			execute(t, "sh", "-e", "-c", strings.ReplaceAll(command, manualProgram, s.daemon.program))
		}
	}
	s.postfix.reload(t)
	s.testRestrictions(t)
	if out, _ := s.aboutPostfix(t, "check"); strings.Contains(out, "\nerror ") || strings.Contains(out, "\nwarning ") {
		t.Errorf("check, after setup:\n%s", out)
	}
}
