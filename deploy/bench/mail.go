package main

import (
	"fmt"
	"strings"
)

// idMark is the placeholder in the texts below for the unique ID of each message: its queue ID and its Message-ID.
const idMark = "\x01"

// A text is what is sent, cut where the ID of the message belongs.
type text []string

func newText(s string) text { return strings.Split(s, idMark) }

// appendTo appends the text with id in its places.
func (t text) appendTo(b []byte, id string) []byte {
	for i, piece := range t {
		if i > 0 {
			b = append(b, id...)
		}
		b = append(b, piece...)
	}
	return b
}

// A header is one header field.
type header struct {
	name  string
	value text // folded lines end with LF alone, as Postfix shows them to milters
}

// A client is the SMTP client of a session.
type client struct {
	name, address string
}

// connectData returns the arguments of CONNECT: name, family, port, address (IPv4 only).
func (c client) connectData() []byte {
	const port = "\x9c\xbb" // 40123, big-endian
	return []byte(c.name + "\x004" + port + c.address + "\x00")
}

// setMacros sets the macros that last for the whole session.
func (c client) setMacros(values map[string]string) {
	values["j"] = "mail." + domain
	values["v"] = "Postfix 3.7.11"
	values["daemon_name"] = "mail." + domain
	values["daemon_addr"] = "192.0.2.1"
	values["daemon_port"] = "25"
	values["_"] = c.name + " [" + c.address + "]"
	values["client_name"] = c.name
	values["client_ptr"] = c.name
	values["client_addr"] = c.address
	values["client_port"] = "40123"
	values["client_resolve"] = "OK"
	values["client_connections"] = "1"
}

// A message is one message, ready to be sent any number of times.
type message struct {
	sender, recipient string // of the envelope, without brackets; sender is empty for a bounce
	signer            string // the address of ours that the message is about
	login             string // the name the client authenticated with; empty if it did not

	mail, rcpt text // arguments of MAIL and RCPT
	headers    []header
	body       text
}

// setMacros sets the macros of the message, but for its queue ID.
func (m *message) setMacros(values map[string]string) {
	values["mail_addr"], values["mail_host"], values["mail_mailer"] = m.sender, domainOf(m.sender), "smtp"
	values["rcpt_addr"], values["rcpt_host"], values["rcpt_mailer"] = m.recipient, domainOf(m.recipient), "smtp"
	if m.login == "" {
		delete(values, "auth_type")
		delete(values, "auth_authen")
		return
	}
	values["auth_type"], values["auth_authen"] = "PLAIN", m.login
}

func domainOf(address string) string { return address[strings.LastIndexByte(address, '@')+1:] }

const (
	domain     = "example.org"             // the protected domain
	outsider   = "friend@news.example.net" // an address of another site
	mailSize   = 8 << 10                   // octets of an ordinary body
	bounceSize = 6 << 10                   // octets of a bounce's body
	fillerLine = "The quick brown fox jumps over the lazy dog, again and again and again.\r\n"
)

// newMail returns an ordinary message.
func newMail(sender, recipient, login string) message {
	m := message{sender: sender, recipient: recipient, login: login}
	m.headers = ordinaryHeaders(sender, recipient)
	m.body = newText(padded("", mailSize))
	m.setEnvelope(mailSize)
	return m
}

// newBounce returns a delivery status notification to recipient about a message of signer.
func newBounce(recipient, signer string) message {
	return newBounceOf(recipient, signer, "<20261123115800."+idMark+"@mail.example.org>", "Mon, 23 Nov 2026 11:58:00 +0000")
}

// newBounceOf returns one that gives back a message of that Message-ID and date.
func newBounceOf(recipient, signer, messageID, date string) message {
	m := message{recipient: recipient, signer: signer}
	m.headers = ordinaryHeaders("MAILER-DAEMON@mx.example.net", recipient)
	for i := range m.headers {
		switch h := &m.headers[i]; h.name {
		case "Subject":
			h.value = text{"Undelivered Mail Returned to Sender"}
		case "Content-Type":
			h.value = text{"multipart/report; report-type=delivery-status;\n\tboundary=\"4ZB.1795435200/mx.example.net\""}
		case "User-Agent":
			*h = header{"Auto-Submitted", text{"auto-replied"}}
		case "References":
			*h = header{"X-Notification", text{"one"}}
		}
	}
	m.body = newText(padded(bounceBody(recipient, signer, messageID, date), bounceSize))
	m.setEnvelope(bounceSize)
	return m
}

func (m *message) setEnvelope(bodySize int) {
	m.mail = text{fmt.Sprintf("<%s>\x00SIZE=%d\x00", m.sender, bodySize+1000)}
	m.rcpt = text{"<" + m.recipient + ">\x00"}
}

// ordinaryHeaders returns 12 header fields.
func ordinaryHeaders(from, to string) []header {
	return []header{
		{"Received", newText("from client.example.net (client.example.net [203.0.113.7])\n" +
			"\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits))\n" +
			"\tby mail.example.org (Postfix) with ESMTPS id " + idMark + "\n" +
			"\tfor <" + to + ">; Mon, 23 Nov 2026 12:00:00 +0000 (UTC)")},
		{"From", text{"Somebody <" + from + ">"}},
		{"To", text{"<" + to + ">"}},
		{"Subject", text{"A message of quite ordinary length and content"}},
		{"Date", text{"Mon, 23 Nov 2026 12:00:00 +0000"}},
		{"Message-ID", newText("<20261123120000." + idMark + "@" + domainOf(from) + ">")},
		{"MIME-Version", text{"1.0"}},
		{"Content-Type", text{"text/plain; charset=utf-8"}},
		{"Content-Transfer-Encoding", text{"8bit"}},
		{"User-Agent", text{"Mozilla Thunderbird"}},
		{"References", text{"<20261122110000.31415926@news.example.net>\n <20261122120000.27182818@mail.example.org>"}},
		{"X-Provider-Info", text{"something that some program adds to every message"}},
	}
}

// bounceBody returns the multipart/report that Postfix makes (RFC 3464, RFC 6522) up to the headers of the returned
// message. The padding represents that message's body.
func bounceBody(recipient, signer, messageID, date string) string {
	const boundary = "--4ZB.1795435200/mx.example.net\n"
	return strings.ReplaceAll("This is a MIME-encapsulated message.\n\n"+boundary+
		"Content-Description: Notification\nContent-Type: text/plain; charset=us-ascii\n\n"+
		"This is the mail system at host mx.example.net.\n\n"+
		"I'm sorry to have to inform you that your message could not\n"+
		"be delivered to one or more recipients. It's attached below.\n\n"+
		"<nobody@news.example.net>: host mx.news.example.net[203.0.113.9] said: 550 5.1.1\n"+
		"    <nobody@news.example.net>: Recipient address rejected: User unknown (in\n    reply to RCPT TO command)\n\n"+
		boundary+"Content-Description: Delivery report\nContent-Type: message/delivery-status\n\n"+
		"Reporting-MTA: dns; mx.example.net\nX-Postfix-Queue-ID: "+idMark+"\n"+
		"X-Postfix-Sender: rfc822; "+recipient+"\nArrival-Date: Mon, 23 Nov 2026 11:59:00 +0000 (UTC)\n\n"+
		"Final-Recipient: rfc822; nobody@news.example.net\nAction: failed\nStatus: 5.1.1\n"+
		"Remote-MTA: dns; mx.news.example.net\n"+
		"Diagnostic-Code: smtp; 550 5.1.1 <nobody@news.example.net>: Recipient address\n    rejected: User unknown\n\n"+
		boundary+"Content-Description: Undelivered Message\nContent-Type: message/rfc822\n\n"+
		"Return-Path: <"+recipient+">\nReceived: from mail.example.org (mail.example.org [192.0.2.1])\n"+
		"\tby mx.example.net (Postfix) with ESMTPS id 4Z1234567890\n"+
		"\tfor <nobody@news.example.net>; Mon, 23 Nov 2026 11:59:00 +0000 (UTC)\n"+
		"From: <"+signer+">\nTo: <nobody@news.example.net>\nSubject: the original\n"+
		"Message-ID: "+messageID+"\nDate: "+date+"\n\n",
		"\n", "\r\n")
}

// padded adds filler lines to s as long as it does not exceed size octets.
func padded(s string, size int) string {
	return s + strings.Repeat(fillerLine, max(0, size-len(s))/len(fillerLine))
}
