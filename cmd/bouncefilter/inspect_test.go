package main

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"testing/iotest"
)

// dsn is what an MTA writes about a recipient that its neighbour did not know. The text is its explanation for people.
func dsn(text string) string {
	return `Return-Path: <>
From: Mail Delivery System <MAILER-DAEMON@mx.example.net>
To: user@example.com
Subject: Undelivered Mail Returned to Sender
Message-ID: <report@mx.example.net>
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b
Content-Type: text/plain

` + text + `
--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.net
Original-Envelope-Id: QQ1
Arrival-Date: Mon, 23 Nov 2026 12:00:00 +0100

Final-Recipient: rfc822; nobody@example.org
Action: failed
Status: 5.1.1
Remote-MTA: dns; mail.example.org
Diagnostic-Code: smtp; 550 5.1.1 User & mailbox unknown

--b
Content-Type: text/rfc822-headers

Message-ID: <sent@example.com>
From: User <user@example.com>
To: nobody@example.org

--b--
`
}

const (
	dsnJSON = `{"kind":"dsn","weak":false,"family":"other","reporting_mta":"mx.example.net",` +
		`"original":{"message_id":"sent@example.com","from":"user@example.com","envelope_id":"QQ1"},"quoted":[],` +
		`"recipients":[{"address":"nobody@example.org","action":"failed","status":"5.1.1","exact_status":"","diagnostic":"550 5.1.1 User \u0026 mailbox unknown"}],` +
		`"problems":[]}` + "\n"

	dsnWords = `: a delivery status notification (dsn), by software not known here
  reported by    mx.example.net
  arrived there  2026-11-23T11:00:00Z
  answers        <sent@example.com> from user@example.com to nobody@example.org, whose header came back with it; envelope ID QQ1
  recipient      nobody@example.org: failed, status 5.1.1, according to mail.example.org: 550 5.1.1 User & mailbox unknown
`

	letter = "From: a@example.org\nTo: user@example.com\nSubject: Lunch\nMessage-ID: <l@example.org>\n\nAt noon?\n"

	letterJSON = `{"kind":"none","weak":false,"family":"","reporting_mta":"","original":{"message_id":"","from":"","envelope_id":""},"quoted":[],"recipients":[],"problems":[]}` + "\n"

	letterWords = ": no bounce, receipt, automatic reply, challenge or abuse report (none)\n"

	away = "From: b@example.org\nTo: user@example.com\nSubject: Out of office\nAuto-Submitted: auto-replied\nIn-Reply-To: <sent@example.com>\n\nBack on Monday.\n"

	awayWords = ": an automatic reply (auto-reply)\n  answers  <sent@example.com>, which its In-Reply-To field names\n"
)

func TestInspect(t *testing.T) {
	w := newWorld(t)
	sixKiB := dsn(strings.Repeat("Your message could not be delivered.\n", 150))
	if len(sixKiB) < 6<<10 {
		t.Fatalf("the report has only %d bytes", len(sixKiB))
	}
	report := w.file("report.eml", sixKiB, 0o600)
	crlf := w.file("crlf.eml", strings.ReplaceAll(sixKiB, "\n", "\r\n"), 0o600)
	plain := w.file("letter.eml", letter, 0o600)
	huge := w.file("huge.eml", letter+strings.Repeat("Are you coming? We would all be glad.\n", 20_000), 0o600)
	forged := w.file("a\nb.eml", letter, 0o600)
	for name, content := range map[string]string{"b": letter, "a": sixKiB, "c": away, ".hidden": sixKiB, "deep/d": sixKiB} {
		w.file("mail/"+name, content, 0o600)
	}
	mail, empty, none := w.path("mail"), w.path("empty"), w.path("none.eml")
	for _, err := range []error{
		os.Mkdir(empty, 0o700),
		os.Mkdir(w.path("links"), 0o700), os.Symlink(report, w.path("links/1")), os.Symlink(none, w.path("links/2")), os.Symlink(plain, w.path("links/3")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	tests := []struct {
		name   string
		args   []string
		stdin  string
		status int
		stdout string
		stderr string // part of it
	}{
		{"a report", []string{report}, "", 0, report + dsnWords, ""},
		{"a report as JSON", []string{"--json", report}, "", 0, dsnJSON, ""},
		{"a report with CRLF", []string{"--json", crlf}, "", 0, dsnJSON, ""},
		{"an ordinary message", []string{plain}, "", 0, plain + letterWords, ""},
		{"an ordinary message as JSON", []string{plain, "--json"}, "", 0, letterJSON, ""},
		{"several files in the order given", []string{report, plain}, "", 0, report + dsnWords + "\n" + plain + letterWords, ""},
		{"several files as JSON", []string{"--json", plain, report, plain}, "", 0, letterJSON + dsnJSON + letterJSON, ""},

		{"nothing named", nil, away, 0, "standard input" + awayWords, ""},
		{"the standard input", []string{"-"}, sixKiB, 0, "standard input" + dsnWords, ""},
		{"the standard input among files", []string{"--json", plain, "-"}, sixKiB, 0, letterJSON + dsnJSON, ""},
		{"an empty standard input", []string{"--json"}, "", 0, letterJSON, ""},
		{"the standard input twice", []string{"--json", "-", "-"}, sixKiB, 2, dsnJSON, "the standard input (-) can be read only once"},

		{"a folder", []string{mail}, "", 0, mail + "/a" + dsnWords + "\n" + mail + "/b" + letterWords + "\n" + mail + "/c" + awayWords, ""},
		{"a folder and a file", []string{"--json", mail + "/deep", plain}, "", 0, dsnJSON + letterJSON, ""},
		{"an empty folder", []string{empty}, "", 0, "", "hint: " + empty + " holds no messages"},
		{"an empty folder as JSON", []string{"--json", empty, plain}, "", 0, letterJSON, "hint: " + empty + " holds no messages"},
		{"a folder of links, one to nowhere", []string{"--json", w.path("links")}, "", 2, dsnJSON + letterJSON, "links/2: no such file"},

		{"a file that is missing", []string{none}, "", 2, "", "bouncefilter: error: stat " + none + ": no such file or directory\n"},
		{"a file that is missing among others", []string{"--json", plain, none, report}, "", 2, letterJSON + dsnJSON, none + ": no such file"},
		{"a missing file whose name moves the cursor", []string{none + "\x1b[A"}, "", 2, "", `stat "` + none + `\x1b[A": no such file`},
		{"a name that looks like two lines", []string{forged}, "", 0, `"` + w.path(`a\nb.eml`) + `"` + letterWords, ""},
		{"a body beyond the limit", []string{huge}, "", 0, huge + letterWords + "  problem  the body is longer than the limit and was cut off\n", ""},
		{"an unknown flag", []string{"--verdict", plain}, "", 2, "", "unknown flag --verdict"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w.stdin = strings.NewReader(tt.stdin)
			r := w.run(append([]string{"inspect"}, tt.args...)...)
			if r.status != tt.status || r.stdout != tt.stdout {
				t.Errorf("got status %d and\n%s\nwant %d and\n%s", r.status, r.stdout, tt.status, tt.stdout)
			}
			if tt.stderr == "" && r.stderr != "" || !strings.Contains(r.stderr, tt.stderr) {
				t.Errorf("got error %q", r.stderr)
			}
		})
	}
}

// Half a message could pass for a whole one, so inspect reports nothing about it.
func TestInspectSaysNothingAboutAMessageThatBreaksOff(t *testing.T) {
	w := newWorld(t)
	plain := w.file("letter.eml", letter, 0o600)
	w.stdin = io.MultiReader(strings.NewReader(dsn("")), iotest.ErrReader(errors.New("input/output error")))
	r := w.run("inspect", "--json", "-", plain)
	if r.status != 2 || r.stdout != letterJSON {
		t.Errorf("got %+v", r)
	}
	contains(t, "error", r.stderr, "bouncefilter: error: standard input: bounce: read the message: input/output error\n")
}

// What a message says is printed on lines that it cannot break or forge.
func TestInspectPrintsNoControlCharacters(t *testing.T) {
	w := newWorld(t)
	hostile := strings.NewReplacer(
		"mx.example.net\n", "mx\x1b[2Jexample\x07.net\n", "User &", "User\x1b]0;x\x07\x9b &", "nobody@example.org\nAction", "no\x1bbody@example.org\nAction", "<sent@", "<se\x1bnt@",
	).Replace(dsn("Text."))
	for _, args := range [][]string{{"inspect"}, {"inspect", "--json"}} {
		w.stdin = strings.NewReader(hostile)
		r := w.run(args...)
		if r.status != 0 || !strings.Contains(r.stdout, "dsn") {
			t.Errorf("%v: got %+v", args, r)
		}
		if i := strings.IndexFunc(r.stdout, func(c rune) bool { return c < ' ' && c != '\n' || c >= 0x7f && c < 0xa0 }); i >= 0 {
			t.Errorf("%v: a control character at %d of %q", args, i, r.stdout)
		}
		if args[len(args)-1] == "--json" && !json.Valid([]byte(r.stdout)) {
			t.Errorf("not JSON: %q", r.stdout)
		}
	}
}

func TestInspectEndsWhenItsResultsCannotBePrinted(t *testing.T) {
	w := newWorld(t)
	w.stdin = strings.NewReader(letter)
	closed, out := io.Pipe()
	closed.Close()
	var stderr lockedBuffer
	if status := w.app(out, &stderr).run(t.Context(), []string{"inspect", "-", w.path("none")}); status != 1 {
		t.Errorf("got status %d", status)
	}
	if got := stderr.String(); got != "bouncefilter: error: io: read/write on closed pipe\n" {
		t.Errorf("got error %q", got)
	}
}
