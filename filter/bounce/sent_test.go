package bounce_test

import (
	"strings"
	"testing"
	"time"

	"github.com/bouncefilter/bouncefilter/filter/bounce"
)

// When the message was sent that a bounce names. The Date of the returned header is by the sender's clock: it counts with a server's.
func TestSent(t *testing.T) {
	const (
		report   = "From: MAILER-DAEMON@mx.example.net\nTo: user@example.com\nSubject: Undelivered Mail Returned to Sender\nMIME-Version: 1.0\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\n"
		status   = "\n--b\nContent-Type: text/plain\n\nIt failed.\n\n--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.example.net\n"
		failed   = "\nFinal-Recipient: rfc822; friend@example.net\nAction: failed\nStatus: 5.1.1\n\n--b\nContent-Type: text/rfc822-headers\n\n"
		original = "From: user@example.com\nTo: friend@example.net\nSubject: hello\nMessage-ID: <1@example.com>\n"
		end      = "\n--b--\n"
		received = "Received: from host.example.com (host.example.com [192.0.2.1]) by mx.example.com (Postfix) with ESMTP id 1\n\tfor <friend@example.net>; Mon, 23 Nov 2026 12:00:07 +0000 (UTC)\n"
		date     = "Date: Mon, 23 Nov 2026 13:00:00 +0100\n"
	)
	dsn := func(own, arrival, returned string) string {
		return report + own + status + arrival + failed + original + returned + end
	}
	for _, tt := range []struct {
		name, text, want string // times of 2026-11-23, or "" if it is not known
	}{
		{"Date and Received", dsn("", "", date+received), "12:00:00 12:00:07"},
		{"Received alone, which may be that of a server further on", dsn("", "", received), ""},
		{"a Date that cannot be read, and Received", dsn("", "", "Date: Mon Nov 23 12:00:00 2026\n"+received), ""},
		{"a Date that is two hours ahead, of a message that may have waited as long", dsn("", "", "Date: Mon, 23 Nov 2026 14:00:00 +0000\n"+received), ""},
		{"a Date that is as much ahead as clocks differ", dsn("", "", "Date: Mon, 23 Nov 2026 12:10:07 +0000\n"+received), "12:00:07 12:10:07"},
		{"a Date that is more ahead than clocks differ", dsn("", "", "Date: Mon, 23 Nov 2026 12:10:08 +0000\n"+received), ""},
		{"a Date that is two hours behind", dsn("", "", "Date: Mon, 23 Nov 2026 10:00:00 +0000\n"+received), "10:00:00 12:00:07"},
		{"two Dates", dsn("", "", date+"Date: Mon, 23 Nov 2026 09:00:00 +0000\n"+received), "09:00:00 12:00:07"},
		{"a message that was sent again", dsn("", "", "Date: Mon, 23 Nov 2026 09:00:00 +0000\nResent-Date: Mon, 23 Nov 2026 11:00:00 +0000\n"+received), "09:00:00 12:00:07"},
		{"a Date in a zone with a name", dsn("", "", "Date: Mon, 23 Nov 2026 07:00:00 EST\n"+received), "12:00:00 12:00:07"},
		{"a Date in a zone that is not known", dsn("", "", "Date: Mon, 23 Nov 2026 13:00:00 CET\n"+received), ""},
		{"a Date with the offset and the name of its zone", dsn("", "", "Date: Mon, 23 Nov 2026 13:00:00 +0100 CET\n"+received), "12:00:00 12:00:07"},
		{"a Date with the name of its zone in a comment", dsn("", "", "Date: Mon, 23 Nov 2026 13:00:00 +0100 (CET)\n"+received), "12:00:00 12:00:07"},
		{"a Date ahead of the Arrival-Date", dsn("", "Arrival-Date: Mon, 23 Nov 2026 11:49:00 +0000\n", date), ""},
		{"Date alone", dsn("", "", date), ""},
		{"Date and Arrival-Date", dsn("", "Arrival-Date: Mon, 23 Nov 2026 12:03:00 +0000\n", date), "12:00:00 12:03:00"},
		{"Arrival-Date alone, which may be days later", dsn("", "Arrival-Date: Mon, 23 Nov 2026 12:03:00 +0000\n", ""), ""},
		{"Date, and a bounce that is written soon", dsn("Date: Mon, 23 Nov 2026 12:59:00 +0000\n", "", date), "12:00:00 12:59:00"},
		{"Date, and a bounce that is written later", dsn("Date: Mon, 23 Nov 2026 13:01:00 +0000\n", "", date), ""},
		{"Date, and a bounce from before", dsn("Date: Mon, 23 Nov 2026 11:59:00 +0000\n", "", date), ""},
		{"a Date that is none", dsn("", "", "Date: today\n"), ""},
		{"Received without a date", dsn("", "", date+"Received: by mx.example.com\n"), ""},
		{"too many Received fields", dsn("", "", date+strings.Repeat(received, 31)), ""},
		{"another message in In-Reply-To", dsn("In-Reply-To: <2@example.com>\n", "", date+received), ""},
		{"the same message in In-Reply-To", dsn("In-Reply-To: <1@example.com>\n", "", date+received), "12:00:00 12:00:07"},
	} {
		r, err := bounce.Read(strings.NewReader(tt.text), bounce.DefaultLimits())
		if err != nil || len(r.Originals) == 0 {
			t.Fatalf("%s: %+v, %v", tt.name, r, err)
		}
		got := ""
		for i := range r.Originals {
			from, until, ok := r.Sent(&r.Originals[i])
			if !ok {
				got = ""
				break
			}
			got = from.UTC().Format(time.TimeOnly) + " " + until.UTC().Format(time.TimeOnly)
		}
		if got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}
