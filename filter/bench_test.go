package filter

import "testing"

// backscatter is a notification about spam that was sent in a user's name.
const backscatter = `Received: from mx.example.net (mx.example.net [198.51.100.9])
	by mx.example.org (Postfix) with ESMTP id 4ABC
	for <user@example.com>; Mon, 23 Nov 2026 11:00:00 +0000
From: MAILER-DAEMON@example.net
To: user@example.com
Subject: Undelivered Mail Returned to Sender
Date: Mon, 23 Nov 2026 11:00:00 +0000
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary=b

--b
Content-Type: text/plain

I am sorry, your message could not be delivered.

--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.net
Arrival-Date: Mon, 23 Nov 2026 10:00:00 +0000

Final-Recipient: rfc822; nobody@example.net
Action: failed
Status: 5.1.1
Diagnostic-Code: smtp; 550 5.1.1 no such user

--b
Content-Type: message/rfc822

Received: from friendly (unknown [203.0.113.77])
	by mx.example.net (Postfix) with SMTP id 4DEF
	for <nobody@example.net>; Mon, 23 Nov 2026 10:00:00 +0000
From: user@example.com
To: nobody@example.net
Subject: offer
Date: Mon, 23 Nov 2026 10:00:00 +0000
Message-ID: <spam1@mailer.example>

buy
--b--
`

// BenchmarkRefused is a bounce that is refused at its end. The cost is that of the daemon and of the MTA that the test plays.
func BenchmarkRefused(b *testing.B) {
	f := withRecord(b, nil)
	m := f.outsideMTA()
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		if _, r := m.deliver("<>", "<user@example.com>", backscatter); r.code != 'y' {
			b.Fatalf("%c %s", r.code, r.text)
		}
	}
}

// BenchmarkSigned is a message that is signed.
func BenchmarkSigned(b *testing.B) {
	f := withRecord(b, nil)
	m := f.dial()
	m.auth = "user"
	m.connect(outsider, 40123)
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		if _, r := m.deliver("<user@example.com>", "<friend@example.org>", "Message-ID: <a@example.com>\nSubject: x\n\nhello\n"); r.code != 'a' {
			b.Fatalf("%c %s", r.code, r.text)
		}
	}
}
