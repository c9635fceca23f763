package bounce

import (
	"os"
	"strings"
	"testing"
)

// nullSenderKind is a row of testdata/null-sender/kinds.tsv.
type nullSenderKind struct {
	name string
	kind Kind
	weak bool
}

func nullSenderKinds(t testing.TB) []nullSenderKind {
	t.Helper()
	b, err := os.ReadFile("testdata/null-sender/kinds.tsv")
	if err != nil {
		t.Fatal(err)
	}
	var kinds []nullSenderKind
	for line := range strings.Lines(string(b)) {
		cells := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(cells) < 2 {
			t.Fatalf("row %q", line)
		}
		kinds = append(kinds, nullSenderKind{cells[0], Kind(cells[1]), len(cells) > 2 && cells[2] == "weak"})
	}
	if files, err := os.ReadDir("testdata/null-sender"); err != nil || len(files) != len(kinds)+1 || len(kinds) < 84 {
		t.Fatalf("%d rows for %d files, %v", len(kinds), len(files)-1, err)
	}
	return kinds
}

// Much mail has the null sender and answers nothing. The samples have it in front, as the daemon puts it.
func TestLegitimateNullSenderMail(t *testing.T) {
	for _, want := range nullSenderKinds(t) {
		t.Run(want.name, func(t *testing.T) {
			if r := read(t, string(sample(t, "null-sender/"+want.name))); r.Kind != want.kind || r.Weak != want.weak {
				t.Errorf("got %s, weak %t, want %s, weak %t", r.Kind, r.Weak, want.kind, want.weak)
			}
		})
	}
}

// The words of a message are no sign if it has another sender than the null one, unless they are those of a responder.
func TestWordsAloneAreNoSignWithoutTheNullSender(t *testing.T) {
	for _, name := range []string{
		"bounce-non-delivery-report", "bounce-german", "receipt-plain-text", "challenge-boxtrapper", "reply-thanks", "reply-own-words",
		"reply-german-text", "reply-reference-alone",
	} {
		m := strings.TrimPrefix(string(sample(t, "null-sender/"+name)), "Return-Path: <>\n")
		if r := read(t, "Return-Path: <friend@remote.example>\n"+m); r.Kind != None {
			t.Errorf("%s: %s", name, r.Kind)
		}
	}
}

// What shows that a person wrote a message, or a list passed it on, overrules weak signs, and no others.
func TestWhatOverrulesWeakSigns(t *testing.T) {
	weak := string(sample(t, "null-sender/reply-reference-alone"))
	marked := strings.Replace(weak, "Subject:", "Auto-Submitted: auto-replied\nSubject:", 1)
	for name, field := range map[string]string{
		"a list":                      "List-Id: <club.lists.example>",
		"an old list":                 "Sender: owner-club@lists.example",
		"another old list":            "Precedence: list",
		"a mail program":              "User-Agent: Mutt/2.2",
		"another mail program":        "X-Mailer: Sylpheed 3.7",
		"several recipients":          "Cc: carl@remote.example",
		"Exchange's distribution":     "X-MS-Exchange-Parent-Message-Id: <x@remote.example>",
		"Outlook":                     "Thread-Index: AQHY",
		"a program that answers none": "Auto-Submitted: auto-generated",
	} {
		with := func(m string) string { return strings.Replace(m, "Subject:", field+"\nSubject:", 1) }
		if r := read(t, with(weak)); r.Kind != None || r.Weak {
			t.Errorf("%s: %s, weak %t", name, r.Kind, r.Weak)
		}
		if r := read(t, with(marked)); name != "a program that answers none" && (r.Kind != AutoReply || r.Weak) {
			t.Errorf("%s: %s, weak %t, though it is marked", name, r.Kind, r.Weak)
		}
	}
	for _, name := range []string{"reply-plain-text", "receipt-plain-text", "challenge-boxtrapper", "bounce-german"} {
		for _, field := range []string{"List-Id: <club.lists.example>", "Sender: owner-club@lists.example", "Sender: club-bounces@lists.example", "Precedence: list"} {
			if r := read(t, strings.Replace(string(sample(t, "null-sender/"+name)), "Subject:", field+"\nSubject:", 1)); r.Kind != None {
				t.Errorf("%s with %s: %s", name, field, r.Kind)
			}
		}
	}
	if r := read(t, weak); r.Kind != AutoReply || !r.Weak {
		t.Errorf("without any of them: %s, weak %t", r.Kind, r.Weak)
	}
}

// What a mail system writes under its own name is no weak sign, and neither is a multipart/report. What anybody may have
// forwarded is one.
func TestWhoseBouncesAreWeak(t *testing.T) {
	mixed := strings.Replace(dsn(saidPart, statusPart, mailPart), "multipart/report; report-type=delivery-status", "multipart/mixed", 1)
	words := "\nYour message could not be delivered.\n\n<bert@remote.example>: 550 5.1.1 no such user\n\n--- original message ---\n\n" +
		"From: user@example.com\nTo: bert@remote.example\nMessage-ID: <sent@example.com>\n"
	for _, tt := range []struct {
		name, from, body string
		kind             Kind
		weak             bool
	}{
		{"words of a daemon", "MAILER-DAEMON@remote.example", words, Bounce, false},
		{"words of a postmaster", "postmaster@remote.example", words, Bounce, false},
		{"words of a person", "dora@remote.example", words, Bounce, true},
		{"words under the name of a mail system", "Mail delivery system <x@remote.example>", words, Bounce, true},
		{"words of a list's member", "dora@remote.example\nList-Unsubscribe: <mailto:x@lists.example>", words, None, false},
		{"a report of a daemon", "MAILER-DAEMON@remote.example", dsn(saidPart, statusPart, mailPart), DSN, false},
		{"a report of a person", "dora@remote.example", dsn(saidPart, statusPart, mailPart), DSN, false},
		{"parts of a daemon", "MAILER-DAEMON@remote.example", mixed, DSN, false},
		{"parts of a postmaster", "postmaster@remote.example", mixed, DSN, false},
		{"parts of a person", "dora@remote.example", mixed, DSN, true},
		{"a report with a feedback part", "MAILER-DAEMON@remote.example", dsn("Content-Type: message/feedback-report\n\nFeedback-Type: abuse\n", saidPart, statusPart, mailPart), DSN, false},
		{"an archive's copy", "MAILER-DAEMON@remote.example\nX-MS-Journal-Report:", dsn(saidPart, statusPart, mailPart), None, false},
	} {
		r := read(t, "Return-Path: <>\nFrom: "+tt.from+"\nTo: user@example.com\nSubject: Undelivered mail returned to sender\n"+tt.body)
		if r.Kind != tt.kind || r.Weak != tt.weak {
			t.Errorf("%s: %s, weak %t", tt.name, r.Kind, r.Weak)
		}
	}
}

// A subject proves no reply, and neither does a mark on what answers a web page.
func TestWhatMakesAReplyWeak(t *testing.T) {
	exchange := string(sample(t, "null-sender/reply-exchange"))
	nameless := strings.Replace(exchange, "X-MS-Exchange-Inbox-Rules-Loop: friend@remote.example\n", "", 1)
	page := string(sample(t, "null-sender/like-reply-web-form"))
	for name, tt := range map[string]struct {
		m    string
		weak bool
	}{
		"Exchange's mark":                       {exchange, false},
		"a subject and a mark of any program":   {nameless, true},
		"and what it answers":                   {strings.Replace(nameless, "Subject:", "In-Reply-To: <sent@example.com>\nSubject:", 1), false},
		"an answer to a page":                   {page, true},
		"an answer to a message names the page": {strings.Replace(page, "Subject:", "In-Reply-To: <sent@example.com>\nSubject:", 1), false},
		"an answer to a message":                {strings.Replace(page, " on our website", "", 1), false},
	} {
		if r := read(t, tt.m); r.Kind != AutoReply || r.Weak != tt.weak {
			t.Errorf("%s: %s, weak %t", name, r.Kind, r.Weak)
		}
	}
}

func TestWordsOfFailure(t *testing.T) {
	for name, want := range map[string]bool{
		"bounce-non-delivery-report": true, "parcel-not-delivered": true, "reply-plain-text": false, "one-time-code": false,
		"bounce-exchange-rule": false, "web-form-thanks": false,
	} {
		if r := read(t, string(sample(t, "null-sender/"+name))); r.Failure != want {
			t.Errorf("%s: %t", name, r.Failure)
		}
	}
	if !readSample(t, "postfix-dsn").Failure {
		t.Error("a delivery status notification has no word of failure")
	}
}

func TestAuthenticated(t *testing.T) {
	for _, tt := range []struct{ name, fields, want string }{
		{"the domain of From", "mx.example.com; dkim=pass header.d=remote.example header.s=s1", "mx.example.com remote.example"},
		{"a domain above it", "MX.example.com 1; spf=fail smtp.mailfrom=x; dkim=pass (2048-bit key; secure) header.d=Example header.d=remote.example", ""},
		{"in other case, with comments", "MX.Example.com 1; spf=fail; dkim=pass (good; \"key\" (2048)) header.d=Remote.Example", "mx.example.com remote.example"},
		{"the identity", "mx.example.com; dkim=pass header.i=@remote.example header.b=abc", "mx.example.com remote.example"},
		{"failed", "mx.example.com; dkim=fail header.d=remote.example", ""},
		{"another domain", "mx.example.com; dkim=pass header.d=other.example", ""},
		{"a name that ends alike", "mx.example.com; dkim=pass header.d=mote.example", ""},
		{"a domain below it", "mx.example.com; dkim=pass header.d=sub.news.remote.example", ""},
		{"a top-level domain", "mx.example.com; dkim=pass header.d=example", ""},
		{"no server", "; dkim=pass header.d=remote.example", ""},
		{"none", "mx.example.com; none", ""},
		{"in a comment", "mx.example.com; spf=pass (; dkim=pass header.d=remote.example)", ""},
		{"in the reason", `mx.example.com; spf=pass reason="; dkim=pass header.d=remote.example"`, ""},
		{"two servers", "mx.example.com; dkim=pass header.d=remote.example\nAuthentication-Results: mx.other.example;\n\tdkim=pass header.d=remote.example",
			"mx.example.com remote.example, mx.other.example remote.example"},
		{"two signatures", "mx.example.com; dkim=pass header.d=x.example; dkim=pass header.d=remote.example", "mx.example.com remote.example"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := read(t, "Return-Path: <>\nAuthentication-Results: "+tt.fields+"\nFrom: Friend <friend@news.remote.example>\nSubject: x\n\nText.\n")
			var got []string
			for _, a := range r.Authenticated {
				got = append(got, a.Server+" "+a.Domain)
			}
			if strings.Join(got, ", ") != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
	many := "From: friend@remote.example\n" + strings.Repeat("Authentication-Results: mx.example.com; dkim=fail\n", maxAuthResFields) +
		"Authentication-Results: mx.example.com; dkim=pass header.d=remote.example\n\nText.\n"
	if r := read(t, many); len(r.Authenticated) != 0 {
		t.Errorf("field %d is read: %+v", maxAuthResFields+1, r.Authenticated)
	}
}
