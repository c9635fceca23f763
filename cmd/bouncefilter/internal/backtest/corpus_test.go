package backtest

import (
	"compress/gzip"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// now is the time at which the tests happen.
func now() time.Time { return time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC) }

// ago returns a time so many hours before.
func ago(hours int) time.Time { return now().Add(-time.Duration(hours) * time.Hour) }

// letter is a message, in the form in which it is saved.
type letter struct {
	path     string // Return-Path; "" for none
	original string // X-Original-To; "" for none
	received string // the topmost Received field without its time; fromAbroad if it is ""
	at       time.Time
	header   string // further fields, with line feeds
	body     string
}

const fromAbroad = "from mx.remote.example (mx.remote.example [203.0.113.9]) by mx.example.com (Postfix) with ESMTP id 4B for <user@example.com>"

func (l letter) String() string {
	var b strings.Builder
	if l.path != "" {
		fmt.Fprintf(&b, "Return-Path: %s\n", l.path)
	}
	if l.original != "" {
		fmt.Fprintf(&b, "X-Original-To: %s\n", l.original)
	}
	received := l.received
	if received == "" {
		received = fromAbroad
	}
	if received != "none" {
		fmt.Fprintf(&b, "Received: %s;\n\t%s\n", received, l.at.Format(time.RFC1123Z))
	}
	return b.String() + l.header + "\n" + l.body
}

// sentLetter is a message of user@example.com, as a mail program saves it.
func sentLetter(id string, at time.Time) string {
	return letter{received: "none", header: fmt.Sprintf("Message-ID: <%s>\nFrom: User <user@example.com>\nTo: friend@remote.example\nDate: %s\nSubject: letter\n",
		id, at.Format(time.RFC1123Z)), body: "Hello\n"}.String()
}

// dsn is a bounce of a message with this Message-ID; hops are the Received fields that it returns, with line feeds.
func dsn(id, failed, hops string, sent, at time.Time) letter {
	name := strings.NewReplacer("@", "-", ".", "-").Replace(id)
	if id != "" {
		id = "Message-ID: <" + id + ">\n"
	}
	return letter{path: "<>", original: "user@example.com", at: at,
		header: fmt.Sprintf("Message-ID: <dsn-%d-%s@mx.remote.example>\nFrom: MAILER-DAEMON@mx.remote.example\nTo: user@example.com\nSubject: Undelivered Mail Returned to Sender\n"+
			"Date: %s\nMIME-Version: 1.0\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\n", at.UnixNano(), name, at.Format(time.RFC1123Z)),
		body: "--b\nContent-Type: text/plain\n\nIt could not be delivered.\n--b\nContent-Type: message/delivery-status\n\n" +
			"Reporting-MTA: dns; mx.remote.example\nArrival-Date: " + sent.Format(time.RFC1123Z) + "\n\nFinal-Recipient: rfc822; " + failed + "\nAction: failed\nStatus: 5.1.1\n" +
			"--b\nContent-Type: text/rfc822-headers\n\n" + hops + id + "From: user@example.com\nDate: " + sent.Format(time.RFC1123Z) + "\nSubject: letter\n\n--b--\n"}
}

// ordinary is mail of a person.
func ordinary(n int, at time.Time) letter {
	return letter{path: "<friend@remote.example>", original: "user@example.com", at: at,
		header: fmt.Sprintf("Message-ID: <ordinary-%d@remote.example>\nFrom: friend@remote.example\nTo: user@example.com\nSubject: news\nDate: %s\n", n, at.Format(time.RFC1123Z)),
		body:   strings.Repeat("All is well here, and the weather is fine.\n", 60)}
}

// code is mail with the null sender that is no bounce.
func code(at time.Time) letter {
	return letter{path: "<>", original: "user@example.com", at: at,
		header: fmt.Sprintf("Message-ID: <code-%d@shop.example>\nFrom: Shop <noreply@shop.example>\nTo: user@example.com\nSubject: Your code\nDate: %s\n", at.UnixNano(), at.Format(time.RFC1123Z)),
		body:   "Your code is 123456.\n"}
}

// away is an automatic reply to a message.
func away(id string, at time.Time) letter {
	return letter{path: "<>", original: "user@example.com", at: at,
		header: fmt.Sprintf("Message-ID: <away-%d@remote.example>\nFrom: friend@remote.example\nTo: user@example.com\nSubject: Out of office: letter\nAuto-Submitted: auto-replied\n"+
			"In-Reply-To: <%s>\nDate: %s\n", at.UnixNano(), id, at.Format(time.RFC1123Z)),
		body: "I am away until Monday.\n"}
}

// tree writes files below a folder of the test, which it returns.
func tree(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// compress returns a text in the form of gzip.
func compress(s string) string {
	var b strings.Builder
	w := gzip.NewWriter(&b)
	_, _ = w.Write([]byte(s))
	_ = w.Close()
	return b.String()
}

// options are those of the tests.
func options(paths ...string) Options {
	return Options{Paths: paths, Domains: []string{"example.com"}, Since: now().AddDate(0, 0, -28), Now: now()}
}

// run judges what is in some paths.
func run(t testing.TB, o Options) *Result {
	t.Helper()
	r, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// made are Maildirs of some users, with n messages: of 20 messages, 12 are ordinary, 5 sent, and 3 may be bounces.
func made(t testing.TB, n int) string {
	t.Helper()
	dir := t.TempDir()
	const users = 50
	for u := range users {
		for _, folder := range []string{"cur", "new", ".Sent/cur", ".Sent/new"} {
			if err := os.MkdirAll(filepath.Join(dir, fmt.Sprint(u), folder), 0o755); err != nil {
				t.Fatal(err)
			}
		}
	}
	for i := range n {
		box := filepath.Join(dir, fmt.Sprint(i/20%users))
		at := ago(1 + i%600)
		id := fmt.Sprintf("m%d@example.com", i/20)
		folder, text := "cur", ordinary(i, at).String()
		switch i % 20 {
		case 12, 13, 14, 15, 16:
			folder, text = ".Sent/cur", sentLetter(fmt.Sprintf("m%d@example.com", i/20+1000*(i%20-12)), at.Add(-time.Hour))
		case 17:
			text = dsn(id, "nobody@remote.example", "", at.Add(-time.Hour), at).String()
		case 18:
			text = dsn(fmt.Sprintf("spam%d@elsewhere.example", i), "nobody@remote.example",
				"Received: from bot.example (bot.example [198.51.100.7]) by mx.remote.example; "+at.Format(time.RFC1123Z)+"\n", at.Add(-time.Hour), at).String()
		case 19:
			text = code(at.Add(time.Duration(i))).String()
		}
		name := fmt.Sprintf("%d.M%dP1.mx:2,S", at.Unix(), i)
		if err := os.WriteFile(filepath.Join(box, folder, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// BenchmarkHundredThousandMessages reads and judges 100,000 messages in Maildirs:
//
//	go test -run - -bench HundredThousand -benchtime 1x ./cmd/bouncefilter/internal/backtest
func BenchmarkHundredThousandMessages(b *testing.B) {
	const messages = 100_000
	dir := made(b, messages)
	for b.Loop() {
		r := run(b, options(dir))
		if r.Read.Messages != messages || r.Classes[Genuine] == 0 || r.Classes[Backscatter] == 0 || r.Classes[NoBounce] == 0 {
			b.Fatalf("%+v %v", r.Read, r.Classes)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*messages), "ns/message")
}
