package bounce

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
)

// recipe is how a costly message is made: a head, and pieces that are repeated one after the other until the message is long enough.
type recipe struct {
	head   int // of heads
	wrap   int // how often the body is put into another message
	pieces []piece
}

// piece is a fragment so many times in a row. A "#" in it becomes a number, a new one each time.
type piece struct {
	text  string
	times int
}

const toAnna = "To: anna@sender.example\nSubject: Undelivered Mail Returned to Sender\n"

// heads are the beginnings of messages.
var heads = []string{
	"Return-Path: <>\nFrom: mailer-daemon@remote.example\n" + toAnna + "\n",
	"Return-Path: <>\nFrom: mailer-daemon@remote.example\n" + toAnna,
	"From: bert@rcpt.example\nTo: anna@sender.example\nSubject: Minutes\n\n",
	"Return-Path: <>\nFrom: bert@rcpt.example\nTo: anna@sender.example\nSubject: Re: Minutes\nIn-Reply-To: <1@sender.example>\n\n",
	"From: postmaster@mta.example\n" + toAnna + "Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\n\n<bert@rcpt.example>: 550 5.1.1 unknown\n\n",
	"From: postmaster@mta.example\n" + toAnna + "Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\nContent-Type: message/delivery-status\n\n",
	"From: postmaster@mta.example\n" + toAnna + "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: message/rfc822\n\n",
	"From: mailer-daemon@mta.example\n" + toAnna + "Content-Type: message/feedback-report\n\n",
	"From: mailer-daemon@mta.example\n" + toAnna + "Content-Type: text/html\n\n",
	"From: mailer-daemon@mta.example\n" + toAnna + "Content-Transfer-Encoding: base64\n\n",
	"From: mailer-daemon@mta.example\n" + toAnna + "Content-Transfer-Encoding: quoted-printable\n\n",
	"From: mailer-daemon@mta.example\n" + toAnna + "Content-Type: text/plain; charset=gb18030\n\n",
	"From: mailer-daemon@mta.example\n" + toAnna + "Content-Type: text/plain; charset=iso-2022-jp\n\n",
	"From: mailer-daemon@mta.example\n" + toAnna + "Content-Type: text/plain; charset=utf-16le\n\n",
	"From: mailer-daemon@mta.example\n" + toAnna + "Content-Type: application/ms-tnef\nContent-Transfer-Encoding: base64\n\neJ8+IgAA",
	"From: mailer-daemon@mta.example\n" + toAnna + "Content-Type: application/pkcs7-mime; smime-type=signed-data\n\nContent-Type: text/plain\n\n",
	"From: mailer-daemon@mta.example\n" + toAnna + "Content-Type: application/octet-stream; name=a.eml\nContent-Transfer-Encoding: base64\n\n",
}

// wrapping is put around the body of a message, so that the reader goes one level deeper.
const wrapping = "From: mailer-daemon@mta%d.example\nTo: anna@sender.example\nSubject: Returned mail\nList-Id: <a>\nDate: x\n\n"

// datedMessage is a returned message, up to its Received fields.
const datedMessage = "--b\nContent-Type: message/rfc822\n\nFrom: a@b.example\nMessage-ID: <#@b.example>\nDate: Mon, 2 Mar 2026 10:00:00 +0000\n"

// fragments are what pieces are made of.
var fragments = []string{
	"a", " ", "\t", "\n", "\r", "\f\n", " \n", "\v", "\x00", "\xff", "é", "\u00a0", "İ", "\u2028", "日本", "\x1b$B", "\x1b(B", "\x81\x30\x81\x30",
	"@", "<", ">", "\"", "'", "(", ")", "[", "]", "{", ",", ";", ":", ".", "=", "&", "?", "*", "-", "_", "|", "\\", "/", "0", "5", "5.5", "5.", "5.1.1", "550", "550-",
	"a@b ", "a@b\n", "<a@b> ", "<a@b>\n", "u#@b ", "u#@b\n", "<u#@b>\n", "<u#@b>: \n", "<u#@b>: 550 5.1.1 x\n", "@[", "a@[", "'a@b' ", "\"a\"@b ", "a@b, ", "é@é ", "to: u#@b ", "for <u#@b> ",
	"550 <u#@b> x\n", "550-<u#@b> x\n", "550 5.1.1 x\n", "RCPT TO:<u#@b>\n", "550-5.1.1 ", "user <u#@b> ",
	"to:\n", "list-id:\n", ">list-id:\n", "> ", ">", "> >", " list-id:\n", "x-a: b\n", "x-#: b\n", "a:\n", "A:\n", "From: mailer-daemon@a\n", "From: a@b\n", "From a@b\n", "Subject: x\n", "To: a@b\n", "Date: x\n",
	"Return-Path: <>\n", "Received: from a (b [192.0.2.1]) by c\n", "Received: ", "Message-ID: <a@b>\n", "message-id: <u#@b>\n", "message-id:\n", "message-id:", "Message-ID: <", "In-Reply-To: <a@b>\n", "References: ", "<u#@b> ",
	" <u#@b>\n", "Authentication-Results: a; dkim=pass header.d=b.c\n", "X-Failed-Recipients: ", "x-failed-recipients: u#@b\n", "Delivered-To: ", "Original-Message-ID: <u#@b>\n",
	"id:", "ID: <", "ident", "identifier: ", "message-id of ", "id: <u#@b> ", "message id: u#@b\n", "ID：", "id: &lt;", "id: =?a?q?",
	"=?", "=?a?q?b ", "=?a?x?b ", "?=", "=?utf-8?q?a?= ", "=?utf-8?b?YQ==?= ", "=?gb18030?q?=81=30?= ", "=?iso-2022-jp?b?GyRC?= ",
	"--b\n", "--b\n\n", "--b--\n", "--b#\n", "--bb\n", "--b\nContent-Type: text/html\n\n", "--b\nContent-Type: message/rfc822\n\n", "--b\nContent-Type: multipart/mixed; boundary=b\n\n",
	"--b\nContent-Type: multipart/mixed; boundary=c#\n\n", "--b\nContent-Type: message/delivery-status\n\n", "--b\nContent-Type: text/rfc822-headers\n\n", "Content-Type: text/plain\n", "Content-Type: message/rfc822\n", "Content-Type: ", "Content-A: b\n",
	"content-type: message/rfc822\n", "--x\ncontent-type: text/rfc822-headers\n", "a=;", "p#=;", "a=\"", "name*0*=", "\\\"",
	"final-recipient: rfc822;a@b\n", "final-recipient: rfc822;u#@b\n", "Final-Recipient: rfc822; u#@b\nAction: failed\nStatus: 5.1.1\n\n", "action: failed\n", "status: 5.1.1\n", "status:5\n", "arrival-date: x\n", "arrival-date: Mon, 2 Mar 2026 10:00:00 +0000\n",
	"diagnostic-code: smtp;550 x\n", "remote-mta: dns;a\n", "original-envelope-id: <u#@b>\n", "original-message-id: <u#@b>\n", "reporting-mta: dns;a\n", "original-rcpt-to: a@b\n", " status: x\n",
	"-----\n", "----- Original message -----\n", "the original message follows\n", "x-returned message: a\n", "=====", "--- ", "original message", "+ ",
	"the", "the ", "message ", "message from ", "generating server: ", "queue on ", "could not be ", "undeliver", "invalid", "generated from ", "delivery ", "recipient ", "host a said: ", "because:\n", "THE MESSAGE ",
	"<p>", "<style>", "</style>", "</", "<br>", "<a@b>", "&lt;", "&#60;", "&amp", "&nbsp;", "&CounterClockwiseContourIntegral;", "<script ", "</script", "=3D", "=\n", "=20\n", "= ", "=ZZ", "%3D",
	"TWludXRlcyBvZiB0aGUgbWVldGluZw0KTWludXRlcyBvZiB0aGUgbWVldGluZ20K\n", "NRABAAAA", "HgA1EAEAAADIAAAA", "HwA1EAEAAADIBwAA", "begin 644 a\n", "M#0H-\n", "https://a.example/?u=#&", "http://", "mailto:",
	"On Mon, Bert wrote:\n", "auto-submitted: auto-replied\n", "x-mailer: a\n", "precedence: ", "subject: ", "from: ", "return-path: ", "x-original-message-id: <u#@b>\n",
}

// costly are families of messages that cost, or have cost, far more than others of their size.
var costly = map[string]recipe{
	"blank headers":        {0, 0, []piece{{"to:\nlist-id:\n\f\n", 1}}},
	"long line":            {0, 0, []piece{{"a#@b ", 999}, {"\n", 1}, {" ", 1 << 20}}},
	"quoted fields":        {0, 0, []piece{{">list-id:\n", 1}}},
	"addresses":            {0, 0, []piece{{"a@b ", 1}}},
	"addresses in lines":   {0, 0, []piece{{"u#@b ", 5}, {"\n", 1}}},
	"address literals":     {0, 0, []piece{{"a@[", 1}}},
	"recipients in lines":  {0, 0, []piece{{"<u#@b>\n", 1}}},
	"recipients and more":  {0, 0, []piece{{"<u#@b>: 550 5.1.1 x\n", 1}, {"more\n", 8}}},
	"recipients in header": {1, 0, []piece{{"x-failed-recipients: u#@b\n", 1}}},
	"recipients in field":  {1, 0, []piece{{"x-failed-recipients: ", 1}, {"u#@b ", 1 << 20}}},
	"recipients in status": {5, 0, []piece{{"final-recipient: rfc822;u#@b\n", 1}}},
	"dates":                {5, 0, []piece{{"arrival-date: x\n", 1}}},
	"dates in feedback":    {7, 0, []piece{{"arrival-date: x\n\n", 1}}},
	"blocks":               {7, 0, []piece{{"a:\n\n", 1}}},
	"identifiers":          {0, 0, []piece{{"id:<", 1}}},
	"identifiant":          {0, 0, []piece{{"ident", 1}}},
	"identifiers in TNEF":  {14, 0, []piece{{"HwA1EAEAAADIBwAA", 1}}},
	"fields":               {1, 0, []piece{{"a:\n", 1}}},
	"returned fields":      {6, 0, []piece{{"a:\n", 1}}},
	"encoded words":        {1, 0, []piece{{"Subject: ", 1}, {"=?a?q?b ", 1 << 20}}},
	"parameters":           {1, 0, []piece{{"Content-Type: text/plain", 1}, {";p#=", 1 << 20}}},
	"summaries":            {0, 0, []piece{{"From: mailer-daemon@a\nList-Id: a\nTo: anna@sender.example\n\n", 1}}},
	"wrapped text":         {0, 9, []piece{{"a@b could not be delivered\n", 1}}},
	"wrapped addresses":    {0, 9, []piece{{"a@b ", 900}, {"\n", 1}}},
	"multiparts":           {4, 0, []piece{{"--b\nContent-Type: multipart/mixed; boundary=b\n\n", 1}}},
	"parts":                {4, 0, []piece{{"--b\nContent-Type: text/plain\n\nx\n", 1}}},
	"entities":             {8, 0, []piece{{"&", 1}}},
	"no entities":          {8, 0, []piece{{"&CounterClockwise", 1}}},
	"tags":                 {8, 0, []piece{{"<p>", 1}}},
	"empty lines":          {0, 0, []piece{{"\n", 1}}},
	"letters":              {0, 0, []piece{{"İ", 50}, {"\n", 1}}},
	"no letters":           {0, 0, []piece{{"\xff", 50}, {"\n", 1}}},
	"replies":              {0, 0, []piece{{"550-<u#@b> x\n", 1}}},
	"announcements":        {0, 0, []piece{{"the original message follows\n", 1}}},
	"rules":                {0, 0, []piece{{"-----\n", 1}}},
	"dated messages":       {4, 0, []piece{{datedMessage, 1}, {"Received: from a by b; Mon, 2 Mar 2026 10:00:00 +0000\n", 29}, {"\n", 1}}},
	"undated messages":     {4, 0, []piece{{datedMessage, 1}, {"Received: from a by b; Mon, 2 Mar 2026 10:00:00 +0000 ((((\n", 29}, {"\n", 1}}},
	"hops":                 {6, 0, []piece{{"Received: ", 1}, {"a ", 1 << 20}}},
	"gb18030":              {11, 0, []piece{{"\x81\x30\x81\x30", 20}, {"\n", 1}}},
	"utf-16":               {13, 0, []piece{{"a@", 1}}},
}

// ordinary are families of messages that people and mail systems send.
var ordinary = map[string]recipe{
	"prose":                {0, 0, []piece{{"Nothing that was returned, but some words about this and that.\n", 20}, {"\n", 1}}},
	"prose of a reply":     {3, 0, []piece{{"I am out of the office, and back on Monday. Bert is there in my place.\n", 1}}},
	"Japanese":             {0, 0, []piece{{"送信者にお知らせします、メールは配信されませんでした。\n", 1}}},
	"long lines":           {2, 0, []piece{{"A paragraph that a program has not folded. ", 50}, {"\n", 1}}},
	"HTML":                 {8, 0, []piece{{"<tr><td style=\"a: b\">Row &nbsp; <b>#</b></td><td><a href=\"https://a.example/?u=#\">link</a></td></tr>\n", 1}}},
	"base64 text":          {9, 0, []piece{{"TWludXRlcyBvZiB0aGUgbWVldGluZw0KTWludXRlcyBvZiB0aGUgbWVldGluZ20K\n", 1}}},
	"quoted-printable":     {10, 0, []piece{{"Gr=C3=BC=C3=9Fe aus M=C3=BCnchen, und noch ein langer Satz ohne Umlaute =\n", 1}}},
	"status":               {5, 0, []piece{{"Final-Recipient: rfc822; user#@rcpt.example\nAction: failed\nStatus: 5.1.1\nDiagnostic-Code: smtp; 550 5.1.1 user unknown\n\n", 1}}},
	"recipients":           {0, 0, []piece{{"<user#@rcpt.example>: host mx.rcpt.example said:\n    550 5.1.1 user unknown\n\n", 1}}},
	"recipients in a line": {0, 0, []piece{{"Your message could not be delivered to <user#@rcpt.example>, ", 1}, {"<user#@rcpt.example>, ", 40}, {"\n", 1}}},
	"returned message":     {6, 0, []piece{{"From: anna@sender.example\nTo: bert@rcpt.example\nMessage-ID: <1@sender.example>\nSubject: Minutes\n\n", 1}, {"Here they are, all of them, as they were agreed upon.\n", 1 << 20}}},
	"returned base64":      {6, 0, []piece{{"From: anna@sender.example\nMessage-ID: <1@sender.example>\nContent-Transfer-Encoding: base64\n\n", 1}, {"TWludXRlcyBvZiB0aGUgbWVldGluZw0KTWludXRlcyBvZiB0aGUgbWVldGluZ20K\n", 1 << 20}}},
	"attachments":          {4, 0, []piece{{"--b\nContent-Type: image/png; name=a#.png\nContent-Transfer-Encoding: base64\n\n", 1}, {"TWludXRlcyBvZiB0aGUgbWVldGluZw0KTWludXRlcyBvZiB0aGUgbWVldGluZ20K\n", 80}}},
	"trace":                {1, 0, []piece{{"Received: from relay#.sender.example (relay#.sender.example [192.0.2.1])\n\tby mx.sender.example (Postfix) with ESMTPS id 4XyZ\n\tfor <bert@rcpt.example>; Tue,  3 Mar 2026 10:00:00 +0000 (UTC)\n", 1}}},
	"quoted text":          {3, 0, []piece{{"> Here they are, all of them, as they were agreed upon.\n", 5}, {"Thank you.\n", 1}}},
	"digest":               {4, 0, []piece{{"--b\nContent-Type: message/rfc822\n\nFrom: a@b.example\nMessage-ID: <#@b.example>\nSubject: x\n\n", 1}, {"Nothing that was returned.\n", 30}}},
}

// message makes a message of about so many octets.
func (r recipe) message(octets int) []byte {
	var text bytes.Buffer
	text.WriteString(heads[r.head])
	for i := range r.wrap {
		fmt.Fprintf(&text, wrapping, i)
	}
	for n := 0; text.Len() < octets; {
		for _, p := range r.pieces {
			for k := 0; k < p.times && text.Len() < octets; k++ {
				if !strings.Contains(p.text, "#") {
					text.WriteString(p.text)
					continue
				}
				text.WriteString(strings.ReplaceAll(p.text, "#", fmt.Sprint(n)))
				n++
			}
		}
	}
	return text.Bytes()
}

// mutate changes something.
func (r recipe) mutate(rng *rand.Rand) recipe {
	m := recipe{r.head, r.wrap, append([]piece(nil), r.pieces...)}
	times := func() int { return []int{1, 1, 1, 2, 5, 20, 100, 1000, 1 << 20}[rng.IntN(9)] }
	fresh := func() piece { return piece{fragments[rng.IntN(len(fragments))], times()} }
	at := rng.IntN(max(len(m.pieces), 1))
	switch n := rng.IntN(10); {
	case len(m.pieces) == 0 || n < 3 && len(m.pieces) < 8:
		m.pieces = append(m.pieces[:at:at], append([]piece{fresh()}, m.pieces[at:]...)...)
	case n < 5 && len(m.pieces) > 1:
		m.pieces = append(m.pieces[:at:at], m.pieces[at+1:]...)
	case n == 5:
		m.pieces[at] = fresh()
	case n == 6:
		m.pieces[at].times = times()
	case n == 7 && len(m.pieces[at].text) < 300:
		m.pieces[at].text += fragments[rng.IntN(len(fragments))]
	case n == 8:
		m.head = rng.IntN(len(heads))
	case n == 9:
		m.wrap = rng.IntN(10)
	}
	return m
}
