package bounce

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const taggedAnna = "prvs=1234abcdef=anna@sender.example"

// failure is a DSN about one recipient of a signed message. text explains it to people.
func failure(action, status, diagnostic, text string) string {
	return "Return-Path: <>\nFrom: mailer-daemon@mta.example\nTo: " + taggedAnna + "\nSubject: Undelivered Mail Returned to Sender\n" +
		"Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\n\n" + text + "\n\n" +
		"--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mta.example\n\n" +
		"Final-Recipient: rfc822; list@lists.example\nAction: " + action + "\nStatus: " + status + "\nDiagnostic-Code: smtp; " + diagnostic + "\n\n" +
		"--b\nContent-Type: message/rfc822\n\nReturn-Path: <" + taggedAnna + ">\nFrom: Anna <anna@sender.example>\nTo: list@lists.example\n" +
		"Message-ID: <20260303100000.1@sender.example>\nSubject: Minutes\n\nHere they are.\n--b--\n"
}

func TestRepliesThatBlameTheTag(t *testing.T) {
	for _, tt := range []struct {
		name, status, reply string
		want                bool
	}{
		{"Postfix, no such sender", "5.1.0", "550 5.1.0 <" + taggedAnna + ">: Sender address rejected: User unknown in virtual mailbox table", true},
		{"Postfix, login", "5.7.1", "553 5.7.1 <" + taggedAnna + ">: Sender address rejected: not owned by user anna@sender.example", true},
		{"Postfix, login, on delivery", "5.7.1", "553 5.7.1 Sender address rejected: not logged in", true},
		{"Postfix, access table", "5.7.1", "554 5.7.1 <" + taggedAnna + ">: Sender address rejected: Access denied", true},
		{"Postfix, syntax", "5.1.7", "501 5.1.7 Bad sender address syntax", true},
		{"status alone", "5.1.7", "550 Requested action not taken", true},
		{"delayed, status alone", "4.1.7", "450 Requested action not taken", true},
		{"Exim, callout", "5.0.0", "550-Verification failed for <" + taggedAnna + "> 550-Called: 192.0.2.1 550-Sent: RCPT TO:<" + taggedAnna + "> 550-Response: 550 5.1.1 unknown 550 Sender verify failed", true},
		{"Exim, after MAIL", "5.0.0", "SMTP error from remote mail server after MAIL FROM:<" + taggedAnna + "> SIZE=1200: 550 <" + taggedAnna + ">: invalid address", true},
		{"Exchange, send as", "5.7.60", "550 5.7.60 SMTP; Client does not have permissions to send as this sender", true},
		{"Exchange, group", "5.7.124", "550 5.7.124 Sender not in allowed-senders list", true},
		{"envelope and header", "5.7.1", "550 5.7.1 Envelope sender does not match From header", true},
		{"mismatch", "5.7.1", "554 5.7.1 From header mismatch", true},
		{"characters", "5.1.0", "553 5.1.0 Illegal character in sender local part", true},
		{"ezmlm", "5.7.2", "Sorry, only subscribers may post. If you are a subscriber, please forward this message to list-owner@lists.example (#5.7.2)", true},
		{"Citadel", "5.0.0", "551 <list@lists.example> - The message is not from a list member", true},
		{"Mailman", "5.7.1", "550 5.7.1 Post by non-member to a members-only list", true},
		{"groups.io", "5.0.0", "500 This message cannot be delivered because you are not a member of the group", true},
		{"gateway", "5.7.1", "550 5.7.1 Message rejected, unknown sender: " + taggedAnna, true},
		{"alias service", "5.0.0", "550 Unauthorized for using reverse alias", true},
		{"tag in an URL", "5.7.1", "550 5.7.1 Sender refused, see https://mx.lists.example/why?from=prvs%3D1234abcdef%3Danna", true},

		{"no such user", "5.1.1", "550 5.1.1 <list@lists.example>: Recipient address rejected: User unknown in local recipient table", false},
		{"Exim quotes MAIL", "5.0.0", "SMTP error from remote mail server after MAIL FROM:<" + taggedAnna + "> SIZE=1200: 550 Administrative prohibition", false},
		{"Exim quotes MAIL, sender words", "5.0.0", "SMTP error from remote mail server after pipelined MAIL FROM:<" + taggedAnna + ">: 550 Sender not welcome", false},
		{"quoted in passing", "5.2.0", "552 5.2.0 Message from " + taggedAnna + " to list@lists.example could not be stored", false},
		{"domain", "4.1.8", "450 4.1.8 <" + taggedAnna + ">: Sender address rejected: Domain not found", false},
		{"domain, with the status of the sender", "5.1.7", "550 5.1.7 No such domain sender.example", false},
		{"SPF", "5.7.23", "550 5.7.23 SPF fail: envelope-from " + taggedAnna + ", see http://spf.example/?id=prvs%3D1234abcdef%3Danna", false},
		{"DMARC", "5.7.1", "550 5.7.1 From header of " + taggedAnna + " does not match DMARC policy of sender.example", false},
		{"greylisting", "4.7.1", "450 4.7.1 <" + taggedAnna + ">: Sender address rejected: Greylisted, try again later", false},
		{"blocklist", "5.7.1", "554 5.7.1 <" + taggedAnna + ">: Sender address rejected: blocked using dnsbl.example", false},
		{"sender refused without its tag", "5.7.1", "550 5.7.1 <anna@sender.example>: you are not a member of this list", false},
		{"header compared", "5.7.1", "550 5.7.1 anna@sender.example is not subscribed to list@lists.example", false},
		{"another's address that ends alike", "5.7.1", "550 5.7.1 joanna@sender.example is an owner; you are not subscribed", true},
		{"full", "5.2.2", "552 5.2.2 Mailbox full, sender " + taggedAnna, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := read(t, failure("failed", tt.status, tt.reply, "The message could not be delivered."))
			if len(r.Recipients) != 1 || r.Recipients[0].BlamesTag != tt.want {
				t.Errorf("got %+v, want BlamesTag %v", r.Recipients, tt.want)
			}
			if r.HeldBy != "" {
				t.Errorf("HeldBy is %q beside a recipient", r.HeldBy)
			}
			if r := read(t, failure("delivered", tt.status, tt.reply, "It was delivered.")); r.Recipients[0].BlamesTag {
				t.Error("a delivered message blames the tag")
			}
		})
	}
}

func TestExplanationThatBlamesTheTag(t *testing.T) {
	const sympa = "Your message for list 'minutes' (attached below) was rejected.\nYou are not allowed to send this message for the following reason:\n\n"
	for _, tt := range []struct {
		name, text string
		want       bool
	}{
		{"Sympa", sympa + "Message distribution in the list is restricted to list subscribers.", true},
		{"Sympa in French", sympa + "La diffusion de messages dans la liste est réservée aux abonnés.", true},
		{"Sympa, owners", sympa + "Message distribution for this list is restricted to list owners.", false},
		{"names the author", sympa + "anna@sender.example: restricted to list subscribers.", false},
		{"far below", sympa + strings.Repeat("Nothing to read here. ", 100) + "restricted to list subscribers", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := read(t, failure("failed", "5.7.1", "Delivery not authorized, message refused", tt.text))
			if len(r.Recipients) != 1 || r.Recipients[0].BlamesTag != tt.want {
				t.Errorf("got %+v, want BlamesTag %v", r.Recipients, tt.want)
			}
		})
	}
}

// Of several recipients only those count whose own reply blames the tag.
func TestBlameIsOfOneRecipient(t *testing.T) {
	m := failure("failed", "5.7.1", "550 5.7.1 you are not subscribed", "only subscribers may post")
	m = strings.Replace(m, "\n--b\nContent-Type: message/rfc822", "\nFinal-Recipient: rfc822; bert@rcpt.example\nAction: failed\nStatus: 5.1.1\nDiagnostic-Code: smtp; 550 5.1.1 unknown\n\n--b\nContent-Type: message/rfc822", 1)
	r := read(t, m)
	if len(r.Recipients) != 2 || !r.Recipients[0].BlamesTag || r.Recipients[1].BlamesTag {
		t.Errorf("got %+v", r.Recipients)
	}
}

func TestNoticesOfHeldMail(t *testing.T) {
	notice := func(header, text string) string {
		return "Return-Path: <>\nFrom: minutes-bounces@lists.example\nTo: " + taggedAnna + "\n" + header + "\n\n" + text + "\n"
	}
	const mailman = "Your mail to 'minutes' with the subject\n\n    Minutes of Monday\n\nIs being held until the list moderator can review it for approval.\n\nThe reason it is being held:\n\n    "
	const held = "Subject: Your message to minutes awaits moderator approval\nPrecedence: bulk"
	for _, tt := range []struct {
		name, message string
		want          bool
	}{
		{"Mailman 2", notice(held, mailman+"Post by non-member to a members-only list"), true},
		{"Mailman 3", notice(held, mailman+"The message is not from a list member"), true},
		{"with another sender than the null one", strings.Replace(notice(held, mailman+"The message is not from a list member"), "<>", "<minutes-bounces@lists.example>", 1), true},
		{"alias service", notice("Subject: Attempt to use your alias shop@alias.example from "+taggedAnna, "Sending from this alias only works from alias's owning mailboxes."), true},
		{"mlmmj, if it compares the envelope sender", notice("Subject: Post to minutes@lists.example denied: Monday\nAuto-Submitted: auto-replied",
			"The message from <"+taggedAnna+"> with subject \"Monday\" was unable to\nbe delivered to the list because you are not a list subscriber."), true},
		{"mlmmj, which compares the header", notice("Subject: Post to minutes@lists.example denied: Monday\nAuto-Submitted: auto-replied",
			"The message from <anna@sender.example> with subject \"Monday\" was unable to\nbe delivered to the list because you are not a list subscriber."), false},
		{"Schleuder", notice("Subject: Error\nAuto-Submitted: auto-replied", "Your message was refused. Only subscribed addresses may send messages to this address."), true},
		{"ticket system", notice("Subject: Could not load a valid user\nAuto-Submitted: auto-replied", "Your message was not recorded: RT could not load a valid user."), true},
		{"a reply that quotes the tag", notice("Subject: Your ticket\nAuto-Submitted: auto-replied\nIn-Reply-To: <1@sender.example>", "Unknown sender "+taggedAnna+". Your message was dropped."), true},

		{"Mailman, size", notice(held, mailman+"Message body is too big: 300000 bytes with a limit of 40 KB"), false},
		{"Mailman names the author", notice(held, mailman+"anna@sender.example: Post by non-member to a members-only list"), false},
		{"advertising", notice("Subject: Join now", "You are not a member of our club yet. Join today."), false},
		{"vacation", notice("Subject: Out of office\nAuto-Submitted: auto-replied", "Your message will be read on Monday."), false},
		{"a person who quotes a notice", strings.Replace(notice("Subject: Re: Minutes", "> Your message is held: you are not subscribed.\n\nWhat is that?"), "Return-Path: <>", "Return-Path: <bert@rcpt.example>", 1), false},
		{"a person", strings.Replace(notice("Subject: Your message", "Your message did not get through. I think you are not subscribed."), "Return-Path: <>", "Return-Path: <bert@rcpt.example>", 1), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			want := ""
			if tt.want {
				want = "minutes-bounces@lists.example"
			}
			r := read(t, tt.message)
			blamed := len(r.Recipients) > 0 && r.Recipients[0].BlamesTag
			if r.HeldBy != want && !blamed || tt.want == false && blamed {
				t.Errorf("%s: HeldBy is %q, want %q; recipients are %+v", r.Kind, r.HeldBy, want, r.Recipients)
			}
		})
	}
}

// Signed or not: what the samples report has other reasons than the tag.
func TestSamplesDoNotBlameTheTag(t *testing.T) {
	paths, err := filepath.Glob("testdata/null-sender/*.eml")
	if err != nil || len(paths) < 100 {
		t.Fatalf("%d samples, %v", len(paths), err)
	}
	for _, name := range samples(t) {
		paths = append(paths, filepath.Join("testdata", name+".eml"))
	}
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		plain := string(b)
		for _, m := range []string{plain, strings.ReplaceAll(plain, "anna@sender.example", taggedAnna)} {
			r := Parse([]byte(m), Limits{})
			if r.HeldBy != "" {
				t.Errorf("%s: HeldBy is %q", path, r.HeldBy)
			}
			for i := range r.Recipients {
				if r.Recipients[i].BlamesTag {
					t.Errorf("%s: %+v", path, r.Recipients[i])
				}
			}
		}
	}
}

func TestPlainAddress(t *testing.T) {
	for in, want := range map[string]string{
		taggedAnna:                            "anna@sender.example",
		"anna+prvs=1234abcdef@sender.example": "anna@sender.example",
		"anna+minutes@sender.example":         "anna+minutes@sender.example",
		"prvs=1234abcdef=list=x@a.example":    "list=x@a.example",
		"anna":                                "",
		"":                                    "",
	} {
		if got := plainAddress(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

// The longest diagnostics of a report cost steps in proportion to their length.
func TestBlameIsLinear(t *testing.T) {
	steps := func(fragment string, n int) int {
		w := newWork(0)
		w.most = 1 << 40
		f := &facts{work: w}
		f.blames(&Recipient{Diagnostic: strings.Repeat(fragment, n)}, []string{"anna@sender.example"})
		return w.spent
	}
	for _, fragment := range []string{"mail from:", "mail from:<", "mail from:<a> ", "prvs=", "anna@sender.example ", "sender mismatch ", "a"} {
		if most := steps(fragment, 1<<20); most > 12*maxDiagnosticBytes+perItem {
			t.Errorf("%q: %d steps for a diagnostic that is cut at %d octets", fragment, most, maxDiagnosticBytes)
		}
	}
	var b strings.Builder
	fmt.Fprint(&b, "mail from:", strings.Repeat("mail from: x", 3), "<y")
	if got := withoutCommands(b.String()); !strings.HasPrefix(got, "mail from:mail from:") {
		t.Errorf("got %q", got)
	}
}
