package bounce

import (
	"slices"
	"strings"
	"testing"
)

const daemonHeader = "Return-Path: <>\nFrom: Mail Delivery System <MAILER-DAEMON@mx.remote.example>\nTo: user@example.com\n" +
	"Subject: Mail delivery failed\nMessage-ID: <report@mx.remote.example>\n"

// dsnParts are the parts of a multipart/report, of which each begins with its header.
func dsn(parts ...string) string {
	return "Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\n" + strings.Join(parts, "\n--b\n") + "\n--b--\n"
}

const (
	saidPart   = "Content-Type: text/plain\n\nYour message could not be delivered.\n"
	statusPart = "Content-Type: message/delivery-status\n\nReporting-MTA: dns; mx.remote.example\n\nFinal-Recipient: rfc822; bert@remote.example\nAction: failed\nStatus: 5.1.1\n"
	mailPart   = "Content-Type: message/rfc822\n\nFrom: user@example.com\nTo: bert@remote.example\nMessage-ID: <sent@example.com>\nSubject: Hello\n\nText.\n"
)

func addresses(r *Report) []string {
	var list []string
	for _, rcpt := range r.Recipients {
		list = append(list, rcpt.Address)
	}
	return list
}

// A long reason is wrapped, and an address may come to stand at the beginning of a line.
func TestAddressesInWrappedReasonsAreNoRecipients(t *testing.T) {
	for name, tt := range map[string]struct {
		text string
		want []string
	}{
		"broken at a hyphen": {"bert@remote.example:\nSMTP error from remote server, host: mx (192.0.2.1) reason: 550 denied.\nPlease see the SPF record, with scope mfrom, identity some-long-\nname@example.net, and ip 192.0.2.2\n",
			[]string{"bert@remote.example"}},
		"broken at a hyphen, alone": {"bert@remote.example:\n550 denied: see the record of some-long-\nname@example.net\n", []string{"bert@remote.example"}},
		"within a sentence":         {"<bert@remote.example>: 550 5.7.1 refused.\nPlease ask the people who run this server by writing to\npeople@remote.example\n", []string{"bert@remote.example"}},
		"as Postfix wraps": {"<bert@remote.example>: host mx.remote.example[192.0.2.1] said: 550 5.1.0\n    <sender@example.net>: Sender address rejected (in reply to MAIL FROM)\n",
			[]string{"bert@remote.example"}},
		"the words of a sentence": {"<bert@remote.example>: 550 5.7.1 refused because of\nsender@example.net, which is listed\n", []string{"bert@remote.example"}},
		"two recipients, each with its reason": {"bert@remote.example\n    550 5.1.1 there is no user of that name in any of our domains, sorry\ncarl@remote.example\n    550 5.1.1 there is no user of that name\n",
			[]string{"bert@remote.example", "carl@remote.example"}},
		"two recipients, as Postfix does": {"<bert@remote.example>: host mx.remote.example[192.0.2.1] said: 550 5.1.1\n    unknown\n\n<carl@remote.example>: host mx.remote.example[192.0.2.1] said: 550 5.1.1\n    unknown\n",
			[]string{"bert@remote.example", "carl@remote.example"}},
		"a list with commas": {"bert@remote.example,\ncarl@remote.example, dora@remote.example\n", []string{"bert@remote.example", "carl@remote.example"}},
		"after a long announcement": {"We could not deliver your message to the following people, who are listed here\nbert@remote.example\ncarl@remote.example\n",
			[]string{"bert@remote.example", "carl@remote.example"}},
	} {
		r := read(t, daemonHeader+"\nYour message could not be delivered:\n\n"+tt.text)
		if got := addresses(r); !slices.Equal(got, tt.want) {
			t.Errorf("%s: got %q, want %q", name, got, tt.want)
		}
	}
}

func TestAWrappedReasonIsReadToItsEnd(t *testing.T) {
	r := read(t, daemonHeader+"\n<bert@remote.example>: host mx.remote.example[192.0.2.1] said: 550 5.1.0\n    <sender@example.net>: Sender address rejected\n")
	if len(r.Recipients) != 1 || !strings.HasSuffix(r.Recipients[0].Diagnostic, "<sender@example.net>: Sender address rejected") {
		t.Errorf("got %+v", r.Recipients)
	}
}

func TestTheSenderHimselfMayBeTheFailedRecipient(t *testing.T) {
	for name, m := range map[string]string{
		"with a colon":           daemonHeader + "\nYour message could not be delivered.\n\n<user@example.com>: 552 5.2.2 mailbox full\n",
		"in a sentence":          daemonHeader + "\nYour message could not be delivered to <user@example.com>: mailbox full\n",
		"on a line of its own":   daemonHeader + "\nYour message could not be delivered:\n\n  user@example.com\n    552 5.2.2 mailbox full\n",
		"beside another in To":   daemonHeader + "\nYour message could not be delivered:\n\n  user@example.com\n    552 5.2.2 mailbox full\n\n--- original message ---\n\nFrom: user@example.com\nTo: list@remote.example\nMessage-ID: <sent@example.com>\n",
		"one of the returned To": daemonHeader + "\nYour message could not be delivered:\n\nuser@example.com\n\n--- original message ---\n\nFrom: user@example.com\nTo: carl@remote.example, user@example.com\nMessage-ID: <sent@example.com>\n",
		"the returned one's To":  daemonHeader + "\nYour message could not be delivered:\n\nuser@example.com\n\n--- original message ---\n\nFrom: user@example.com\nTo: user@example.com\nMessage-ID: <sent@example.com>\n",
	} {
		if got := addresses(read(t, m)); !slices.Equal(got, []string{"user@example.com"}) {
			t.Errorf("%s: got %q", name, got)
		}
	}
	r := read(t, daemonHeader+"\nUser <user@example.com>, your message could not be delivered.\n\n--- original message ---\n\nFrom: user@example.com\nTo: bert@remote.example\nMessage-ID: <sent@example.com>\n")
	if got := addresses(r); !slices.Equal(got, []string{"bert@remote.example"}) {
		t.Errorf("without a reason beside it: got %q", got)
	}
}

func TestBlankLinesInReturnedHeaders(t *testing.T) {
	for name, header := range map[string]string{
		"after an encoded word": "Received: by mx\nSubject: =?utf-8?Q?=0D=0AOne\n two?=\n\nDate: Thu, 19 Mar 2026 09:00:00 +0100\nMessage-ID: <sent@example.com>\nTo: bert@remote.example\nFrom: user@example.com\n",
		"after From and Date":   "Date: Thu, 19 Mar 2026 09:00:00 +0100\nFrom: user@example.com\nTo: bert@remote.example\n\nMessage-ID: <sent@example.com>\nMIME-Version: 1.0\n",
		"two of them":           "From: user@example.com\n\nReceived: by mx\nTo: bert@remote.example\n\nMessage-ID: <sent@example.com>\nMIME-Version: 1.0\n",
	} {
		r := read(t, daemonHeader+dsn(saidPart, statusPart, "Content-Type: message/rfc822\n\n"+header+"\nText.\n"))
		if o := r.Original(); o.MessageID != "sent@example.com" || o.From != "user@example.com" {
			t.Errorf("%s: got %+v", name, o)
		}
	}
	forwarded := "Content-Type: message/rfc822\n\nFrom: user@example.com\nTo: bert@remote.example\n\nFrom: carl@example.net\nMessage-ID: <other@example.net>\nSubject: Hello\n\nText.\n"
	if o := read(t, daemonHeader+dsn(saidPart, statusPart, forwarded)).Original(); o.MessageID != "" {
		t.Errorf("a message in the body is taken for the returned one: %+v", o)
	}
}

func TestALaterBoundaryThatDiffers(t *testing.T) {
	for name, m := range map[string]string{
		"before the returned message": "Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\n" + saidPart + "\n--b\n" + statusPart + "\n--other\n" + mailPart + "\n--other--\n",
		"before the status":           "Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\n" + saidPart + "\n--other one\n" + statusPart + "\n--other one\n" + mailPart + "\n--other one--\n",
		"in other case":               "Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\n" + saidPart + "\n--b\n" + statusPart + "\n--B\nContent-Description: message\n" + mailPart + "\n--B--\n",
	} {
		r := read(t, daemonHeader+m)
		if r.Kind != DSN || r.Original().MessageID != "sent@example.com" || !slices.Equal(addresses(r), []string{"bert@remote.example"}) {
			t.Errorf("%s: %s, %+v, %q", name, r.Kind, r.Original(), addresses(r))
		}
		if !slices.Contains(r.Problems, "a later boundary is not the one announced") {
			t.Errorf("%s: problems %q", name, r.Problems)
		}
	}
	inner := "Content-Type: message/rfc822\n\nFrom: user@example.com\nMessage-ID: <sent@example.com>\nContent-Type: multipart/mixed; boundary=c\n\n--c\nContent-Type: message/rfc822\n\n" +
		"From: carl@example.net\nMessage-ID: <attached@example.net>\n\n--c--\n"
	if r := read(t, daemonHeader+dsn(saidPart, statusPart, inner)); len(r.Originals) != 1 || r.Original().MessageID != "sent@example.com" {
		t.Errorf("the boundary of the returned message is taken for one of the report: %+v", r.Originals)
	}
}

// Scanners attach a whole report to a message of their own.
func TestAReportThatAScannerHasWrapped(t *testing.T) {
	report := strings.TrimPrefix(daemonHeader, "Return-Path: <>\n") + dsn(saidPart, statusPart, mailPart)
	wrapped := func(header, words, report string) string {
		return header + "Content-Type: multipart/mixed; boundary=w\n\n--w\nContent-Type: text/plain\n\n" + words + "\n--w\nContent-Type: message/rfc822\n\n" + report + "\n--w--\n"
	}
	for name, m := range map[string]string{
		"under the sender's name":  wrapped(strings.Replace(daemonHeader, "Subject: ", "Subject: [SPAM] ", 1), "Spam detection software has identified this incoming mail as spam.\n", report),
		"under its own name":       wrapped("Return-Path: <>\nFrom: scanner@gw.example\nTo: user@example.com\nSubject: Scanned mail\n", "This message was scanned.\n", report),
		"as octets":                strings.Replace(wrapped("Return-Path: <>\nFrom: scanner@gw.example\nTo: user@example.com\nSubject: Scanned mail\n", "Scanned.\n", report), "Content-Type: message/rfc822", "Content-Type: application/octet-stream; name=mail.eml", 1),
		"with words of its own":    wrapped("Return-Path: <>\nFrom: postmaster@gw.example\nTo: user@example.com\nSubject: Attachment removed: Mail delivery failed\n", "An attachment could not be delivered.\n", report),
		"without the null sender":  wrapped("Return-Path: <x@gw.example>\n"+strings.TrimPrefix(daemonHeader, "Return-Path: <>\n"), "Scanned.\n", report),
		"and the report's is null": wrapped(daemonHeader, "Scanned.\n", "Return-Path: <>\n"+report),
	} {
		r := read(t, m)
		if r.Kind != DSN || len(r.Originals) != 1 || r.Originals[0].Depth != 1 || r.Original().MessageID != "sent@example.com" || !slices.Equal(addresses(r), []string{"bert@remote.example"}) {
			t.Errorf("%s: %s, %+v, %q", name, r.Kind, r.Originals, addresses(r))
		}
		if want := name == "under its own name" || name == "as octets"; r.Weak != want || r.From != fieldAddress(headerOf(m).get("from")) {
			t.Errorf("%s: weak %t, from %s", name, r.Weak, r.From)
		}
	}
	for name, m := range map[string]string{
		"a bounce of the report":    wrapped("Return-Path: <>\nFrom: MAILER-DAEMON@gw.example\nTo: MAILER-DAEMON@mx.remote.example\nSubject: Undelivered mail\n", "Could not be delivered to user@example.com: 550 unknown\n", report),
		"a person who asks what to": wrapped("From: friend@example.net\nTo: user@example.com\nSubject: What is that?\n", "I have this.\n", report),
	} {
		if r := read(t, m); r.Kind == DSN || r.Original().MessageID == "sent@example.com" {
			t.Errorf("%s is opened: %s, %+v", name, r.Kind, r.Originals)
		}
	}
	outer := "Return-Path: <x@gw.example>\nAuthentication-Results: mx.example.com; dkim=pass header.d=remote.example\n" + strings.TrimPrefix(daemonHeader, "Return-Path: <>\n")
	inner := "Return-Path: <>\nAuthentication-Results: mx.evil.example; dkim=pass header.d=remote.example\n" + report
	if r := read(t, wrapped(outer, "Scanned.\n", inner)); r.Sender != "x@gw.example" || len(r.Authenticated) != 1 || r.Authenticated[0].Server != "mx.example.com" {
		t.Errorf("what the last server wrote is that of the outer message: %q, %+v", r.Sender, r.Authenticated)
	}
	otherwise := strings.NewReplacer("boundary=w", "boundary=v", "--w", "--v")
	second := otherwise.Replace(wrapped(daemonHeader, "Scanned twice.\n", report))
	if r := read(t, wrapped(daemonHeader, "Scanned.\n", second)); r.Kind != DSN || r.Original().MessageID != "sent@example.com" {
		t.Errorf("scanned by two: %s, %q", r.Kind, r.Original().MessageID)
	}
	third := strings.NewReplacer("boundary=w", "boundary=u", "--w", "--u").Replace(wrapped(daemonHeader, "Scanned.\n", second))
	if r := read(t, wrapped(daemonHeader, "Scanned.\n", third)); r.Kind != Bounce || r.Original().MessageID == "sent@example.com" {
		t.Errorf("scanned by three: %s, %q", r.Kind, r.Original().MessageID)
	}
	twice := wrapped(daemonHeader, "Scanned twice.\n", wrapped(daemonHeader, "Scanned.\n", report))
	if r := read(t, twice); r.Kind != Bounce {
		t.Errorf("what was scanned twice: %s", r.Kind)
	}
}

func headerOf(m string) header {
	h, _, _ := parseHeader(plenty(), m, true)
	return h
}

func TestTheTextExplainsWhatTheStatusPartDoesNot(t *testing.T) {
	status := func(fields string) string {
		return "Content-Type: message/delivery-status\n\nReporting-MTA: dns; mx.remote.example\n\nFinal-Recipient: rfc822; bert@remote.example\n" + fields + "\n"
	}
	for name, tt := range map[string]struct {
		text, fields string
		want         Recipient
	}{
		"beside the address":    {"bert@remote.example: 552-5.2.2 over quota\n", "Action: failed\nStatus: 5.0.0", Recipient{Status: "5.0.0", Exact: "5.2.2", Code: 552, Diagnostic: "552-5.2.2 over quota"}},
		"below the address":     {"  bert@remote.example\n    this user has left\n", "Action: failed\nStatus: 5.0.0", Recipient{Status: "5.0.0", Diagnostic: "this user has left"}},
		"in a sentence":         {"  pipe to |/bin/false\n    generated by bert@remote.example\n    local delivery failed\n", "Action: failed\nStatus: 5.0.0", Recipient{Status: "5.0.0", Diagnostic: "local delivery failed"}},
		"in quotation marks":    {"bert@remote.example: \"no room\"\n", "Action: failed\nStatus: 5.3.0", Recipient{Status: "5.3.0", Diagnostic: "no room"}},
		"a reply somewhere":     {"The server said:\n <<< 451 4.3.2 later\n", "Action: delayed\nStatus: 4.0.0", Recipient{Action: "delayed", Status: "4.0.0", Exact: "4.3.2", Code: 451, Diagnostic: "451 4.3.2 later"}},
		"the diagnostic counts": {"bert@remote.example: 550 5.7.1 no\n", "Action: failed\nStatus: 5.0.0\nDiagnostic-Code: smtp; 550 5.1.1 unknown", Recipient{Status: "5.0.0", Exact: "5.1.1", Code: 550, Diagnostic: "550 5.1.1 unknown"}},
		"of another class":      {"x\n", "Action: failed\nStatus: 5.0.0\nDiagnostic-Code: smtp; 450 4.1.1 later", Recipient{Status: "5.0.0", Code: 450, Diagnostic: "450 4.1.1 later"}},
		"exact enough":          {"x\n", "Action: failed\nStatus: 5.1.0\nDiagnostic-Code: smtp; 550 5.1.1 unknown", Recipient{Status: "5.1.0", Code: 550, Diagnostic: "550 5.1.1 unknown"}},
		"delivered":             {"bert@remote.example: was told\n", "Action: delivered\nStatus: 2.0.0", Recipient{Action: "delivered", Status: "2.0.0"}},
	} {
		tt.want.Address, tt.want.Action = "bert@remote.example", first(tt.want.Action, "failed")
		r := read(t, daemonHeader+dsn("Content-Type: text/plain\n\nYour message could not be delivered:\n\n"+tt.text, status(tt.fields)))
		if len(r.Recipients) != 1 || r.Recipients[0] != tt.want {
			t.Errorf("%s: got %+v, want %+v", name, r.Recipients, tt.want)
		}
	}
}

func TestOpenSMTPDSaysDelayedWhenItHasGivenUp(t *testing.T) {
	r := readSample(t, "opensmtpd-expired")
	if len(r.Recipients) != 1 || r.Recipients[0].Action != "delayed" || r.Recipients[0].Diagnostic != "Envelope expired" || len(r.Problems) != 1 {
		t.Errorf("got %+v, problems %q", r.Recipients, r.Problems)
	}
}
