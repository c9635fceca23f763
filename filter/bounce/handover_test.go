package bounce

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// returning is a DSN that has these fields in its first block and returns this header.
func returning(fields, header string) string {
	return "From: MAILER-DAEMON@mx.victim.example\nTo: user@example.com\nSubject: Undelivered Mail Returned to Sender\n" +
		"Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n" +
		"--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.victim.example\n" + fields +
		"\nFinal-Recipient: rfc822; x@victim.example\nAction: failed\nStatus: 5.1.1\n\n" +
		"--b\nContent-Type: text/rfc822-headers\n\n" + header + "Message-ID: <1@shop.example>\nFrom: user@example.com\n\n--b--\n"
}

func TestHandOver(t *testing.T) {
	for _, tt := range []struct{ name, fields, received, want string }{
		{"Postfix", "", "from helo.example (mail.shop.example [203.0.113.5])\n\tby mx.victim.example (Postfix) with ESMTPS id 4BX", "203.0.113.5"},
		{"Postfix, HELO with another address", "", "from [198.51.100.9] (unknown [203.0.113.5]) by mx.victim.example", "203.0.113.5"},
		{"Sendmail over IPv6", "", "from mail.shop.example (mail.shop.example [IPv6:2001:db8::5] (may be forged)) by mx.victim.example (8.17.1)", "2001:db8::5"},
		{"Exim", "", "from mail.shop.example ([203.0.113.5] helo=localhost) by mx.victim.example with esmtps", "203.0.113.5"},
		{"Exim, HELO with another address", "", "from [203.0.113.5] (helo=[198.51.100.9]) by mx.victim.example with esmtp", "203.0.113.5"},
		{"qmail", "", "from unknown (HELO mx.victim.example) (203.0.113.5) by 0 with SMTP; 3 Mar 2026 10:00:00 -0000", "203.0.113.5"},
		{"Exchange", "", "from mail.shop.example (203.0.113.5) by EX1.victim.example (10.0.0.2) with Microsoft SMTP Server", "203.0.113.5"},
		{"a name alone", "", "from Mail.Shop.Example by mx.victim.example; Tue, 3 Mar 2026 10:00:00 +0000", "mail.shop.example"},

		{"handed on within the site", "", "from edge.victim.example (edge.victim.example [192.0.2.1]) by mx.victim.example\n" +
			"Received: from x (bot.isp.example [203.0.113.5]) by edge.victim.example", "203.0.113.5"},
		{"handed on within the site with TLS and a login", "", "from edge.victim.example (edge.victim.example [192.0.2.1])\n" +
			"\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits))\n\t(Authenticated sender: edge@x.example)\n\tby mx.victim.example\n" +
			"Received: from x (bot.isp.example [203.0.113.5]) by edge.victim.example", "203.0.113.5"},
		{"handed on by a filter on the host", "", "from localhost (localhost [127.0.0.1]) by mx.victim.example\n" +
			"Received: from x (bot.isp.example [203.0.113.5]) by mx.victim.example", "203.0.113.5"},
		{"what is below the first host from outside may be made up", "", "from x (bot.isp.example [203.0.113.5]) by mx.victim.example\n" +
			"Received: from y (mail.example.com [192.0.2.99]) by x", "203.0.113.5"},
		{"a stranger under the site's name", "", "from mx.victim.example (unknown [203.0.113.5]) by mx.victim.example", "203.0.113.5"},
		{"a stranger under the site's name, which the MTA did not look up", "", "from mx.victim.example (203.0.113.5) by mx.victim.example", ""},

		{"written by a program on the reporting host", "", "by mx.victim.example (Postfix, from userid 33) id 4BX; Tue, 3 Mar 2026 10:00:00 +0000", "mx.victim.example"},
		{"written in the reporting site's network", "", "from desk.victim.example (desk.victim.example [10.1.2.3]) by mx.victim.example", "mx.victim.example"},

		{"Received-From-MTA", "Received-From-MTA: dns; Mail.Shop.Example (mail.shop.example [203.0.113.5])\n", "", "mail.shop.example"},
		{"Received-From-MTA with an address", "Received-From-MTA: dns; [203.0.113.5]\n", "", "203.0.113.5"},
		{"Received-From-MTA beside the header", "Received-From-MTA: dns; helo.example\n", "from helo.example (x.shop.example [203.0.113.5]) by mx.victim.example", "203.0.113.5"},
		{"Received-From-MTA without a domain", "Received-From-MTA: dns; ylmf-pc\n", "", ""},
		{"Received-From-MTA with the site's name", "Received-From-MTA: dns; edge.victim.example\n", "", ""},
		{"the report says nothing", "", "", ""},
		{"a loop", "", strings.Repeat("from a.victim.example by b.victim.example\nReceived: ", maxHops) + "from x (y.example [203.0.113.5]) by z.example", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			header := ""
			if tt.received != "" {
				header = "Received: " + tt.received + "\n"
			}
			if got := read(t, returning(tt.fields, header)).HandOver(); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestVerifiedHandOver(t *testing.T) {
	for _, tt := range []struct{ name, fields, received, address, host string }{
		{"Postfix", "", "from helo.example (Mail.Shop.example [203.0.113.5])\n\tby mx.victim.example (Postfix) with ESMTPS id 4BX", "203.0.113.5", "mail.shop.example"},
		{"Postfix, no name", "", "from mail.example.com (unknown [203.0.113.5]) by mx.victim.example", "203.0.113.5", ""},
		{"Sendmail", "", "from helo.example (mail.shop.example [203.0.113.5]) by mx.victim.example (8.18.1)", "203.0.113.5", "mail.shop.example"},
		{"Sendmail, a name that may be forged", "", "from x (mail.example.com [IPv6:2001:db8::5] (may be forged)) by mx.victim.example (8.17.1)", "2001:db8::5", ""},
		{"Sendmail, no name", "", "from mail.example.com ([203.0.113.5]) by mx.victim.example (8.17.1)", "203.0.113.5", ""},
		{"Exim", "", "from mail.shop.example ([203.0.113.5] helo=mail.example.com) by mx.victim.example with esmtps", "203.0.113.5", "mail.shop.example"},
		{"Exim, no name", "", "from [203.0.113.5] (helo=mail.example.com) by mx.victim.example with esmtp", "203.0.113.5", ""},
		{"qmail", "", "from unknown (HELO mail.example.com) (203.0.113.5) by 0 with SMTP", "203.0.113.5", ""},
		{"Exchange", "", "from mail.example.com (203.0.113.5) by EX1.victim.example (10.0.0.2) with Microsoft SMTP Server", "203.0.113.5", ""},
		{"a name alone", "", "from mail.example.com by mx.victim.example", "", ""},
		{"written on the reporting host", "", "by mx.victim.example (Postfix, from userid 33)", "", "mx.victim.example"},
		{"Received-From-MTA", "Received-From-MTA: dns; mail.example.com\n", "", "", ""},
		{"Received-From-MTA with an address", "Received-From-MTA: dns; [203.0.113.5]\n", "", "203.0.113.5", ""},
		{"nothing", "", "", "", ""},
		{"a loop", "", strings.Repeat("from a.victim.example by b.victim.example\nReceived: ", maxHops) + "from x (mail.example.com [203.0.113.5]) by z.example", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			header := ""
			if tt.received != "" {
				header = "Received: " + tt.received + "\n"
			}
			address, host := read(t, returning(tt.fields, header)).VerifiedHandOver()
			if got := strings.TrimPrefix(address.String(), "invalid IP"); got != tt.address || host != tt.host {
				t.Errorf("got %q %q, want %q %q", got, host, tt.address, tt.host)
			}
		})
	}
}

func TestSites(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want bool
	}{
		{"mx.example.com", "edge.example.com", true},
		{"example.com", "mx.example.com", true},
		{"mx.example.com", "mx.example.net", false},
		{"mx.shop.co.uk", "mx.other.co.uk", false},
		{"mx.shop.co.uk", "edge.shop.co.uk", true},
		{"", "", false},
	} {
		if got := sameSite(tt.a, tt.b); got != tt.want {
			t.Errorf("%s and %s: %v", tt.a, tt.b, got)
		}
	}
}

func TestAuthors(t *testing.T) {
	r := read(t, returning("", "Return-Path: <bounces@example.com>\nSender: The Desk <desk@example.com>\n"))
	if got := r.Originals[0].Authors(); !slices.Equal(got, []string{"user@example.com", "desk@example.com", "bounces@example.com"}) {
		t.Errorf("got %q", got)
	}
}

func TestPath(t *testing.T) {
	header := "Received: from Edge.victim.example (edge.victim.example [192.0.2.1]) by MX.victim.example\n" +
		"Received: from helo.example (bot.isp.example [203.0.113.5])\n\tby edge.victim.example; Tue, 3 Mar 2026 10:00:00 +0000\n" +
		"Received: by desk (userid 33); Tue, 3 Mar 2026 10:00:00 +0000\n"
	want := []string{"mx.victim.example", "edge.victim.example", "192.0.2.1", "helo.example", "bot.isp.example", "203.0.113.5"}
	if got := read(t, returning("", header)).Path(); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := read(t, returning("Received-From-MTA: dns; mail.shop.example\n", "")).Path(); len(got) != 0 {
		t.Errorf("of a header without Received: %q", got)
	}
	var many strings.Builder
	for i := range 2 * maxHops {
		fmt.Fprintf(&many, "Received: from a%d.example (b%d.example [203.0.113.%d]) by c%d.example\n", i, i, i, i)
	}
	if got := read(t, returning("", many.String())).Path(); len(got) != maxPath {
		t.Errorf("%d hosts", len(got))
	}
}

func TestFieldsOfOtherReaders(t *testing.T) {
	if got := Addresses(`A <a@example.com>, "b, c" <b@example.com>, none`); !slices.Equal(got, []string{"a@example.com", "b@example.com"}) {
		t.Errorf("addresses %q", got)
	}
	if got := Addresses(strings.Repeat("a@example.com, ", 1000)); len(got) != maxOriginalRcpts {
		t.Errorf("%d addresses", len(got))
	}
	if got := Date("Mon, 23 Nov 2026 11:00:00 +0100 (CET)"); !got.Equal(time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)) {
		t.Errorf("date %v", got)
	}
	if got := Date("yesterday"); !got.IsZero() {
		t.Errorf("date %v", got)
	}
}
