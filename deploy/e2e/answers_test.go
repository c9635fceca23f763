package e2e

import (
	"fmt"
	"strings"
)

// answers are automatic messages about a message that was sent, in the forms in which the world writes them. They are
// written for these tests after the formats' descriptions; peers_test.go has the software itself write some.
var answers = []struct {
	name   string
	kind   string // as the log calls it
	family string
	status string // of the failed recipient, if the form has one
	write  func(to, original string) message
}{
	{"bounce of qmail-send", "bounce", "qmail", "5.2.2", newBounce},
	{"bounce of Gmail", "bounce", "gmail", "5.1.1", gmailBounce},
	{"DSN of Postfix", "dsn", "postfix", "5.1.1", postfixDSN},
	{"read receipt", "mdn", "", "", readReceipt},
	{"vacation answer of Sieve", "auto-reply", "", "", vacation},
	{"out-of-office reply of Exchange", "auto-reply", "", "", outOfOffice},
}

// header returns the header of a message, with its last newline.
func header(text string) string {
	head, _, _ := strings.Cut(text, "\n\n")
	return head + "\n"
}

// rewrite gives a message another subject, header lines and body.
func (m message) rewrite(subject string, headers []string, body string) message {
	head := strings.Replace(strings.TrimSuffix(m.text, "\n\nHello.\n"), "Subject: end-to-end test", "Subject: "+subject, 1)
	m.text = strings.Join(append([]string{head}, headers...), "\n") + "\n\n" + body
	return m
}

func gmailBounce(to, original string) message {
	return newMessage("Mail Delivery Subsystem <mailer-daemon@googlemail.example>", to).rewrite("Delivery Status Notification (Failure)",
		[]string{"X-Failed-Recipients: friend@remote.example", "Auto-Submitted: auto-replied"},
		`Delivery to the following recipient failed permanently:

     friend@remote.example

Technical details of permanent failure:
Google tried to deliver your message, but it was rejected by the server for the recipient domain remote.example by mx.remote.example. [192.0.2.25].

The error that the other server returned was:
550 5.1.1 <friend@remote.example>: Recipient address rejected: User unknown

----- Original message -----

`+original)
}

func postfixDSN(to, original string) message {
	const boundary = "4BXyzT3Wq1zKk.1763899200/mx.remote.example"
	return newMessage("MAILER-DAEMON@mx.remote.example (Mail Delivery System)", to).rewrite("Undelivered Mail Returned to Sender",
		[]string{"Auto-Submitted: auto-replied", "MIME-Version: 1.0", "Content-Type: multipart/report; report-type=delivery-status;", "\tboundary=\"" + boundary + "\""},
		`This is a MIME-encapsulated message.

--`+boundary+`
Content-Description: Notification
Content-Type: text/plain; charset=us-ascii

This is the mail system at host mx.remote.example.

I'm sorry to have to inform you that your message could not
be delivered to one or more recipients. It's attached below.

                   The mail system

<friend@remote.example>: unknown user: "friend"

--`+boundary+`
Content-Description: Delivery report
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.remote.example
X-Postfix-Queue-ID: 4BXyzT3Wq1zKk
Arrival-Date: Mon, 23 Nov 2026 12:00:00 +0000 (UTC)

Final-Recipient: rfc822; friend@remote.example
Action: failed
Status: 5.1.1
Diagnostic-Code: X-Postfix; unknown user: "friend"

--`+boundary+`
Content-Description: Undelivered Message Headers
Content-Type: text/rfc822-headers

`+header(original)+`
--`+boundary+"--\n")
}

func readReceipt(to, original string) message {
	return newMessage("friend@remote.example", to).rewrite("Read: end-to-end test",
		[]string{"MIME-Version: 1.0", `Content-Type: multipart/report; report-type=disposition-notification; boundary="receipt"`},
		fmt.Sprintf(`--receipt
Content-Type: text/plain; charset=utf-8

Your message was read on Monday.

--receipt
Content-Type: message/disposition-notification

Reporting-UA: mail.remote.example; a mail program
Original-Recipient: rfc822; friend@remote.example
Final-Recipient: rfc822; friend@remote.example
Original-Message-ID: <%s>
Disposition: manual-action/MDN-sent-manually; displayed

--receipt--
`, messageID(original)))
}

func vacation(to, original string) message {
	id := messageID(original)
	return newMessage("friend@remote.example", to).rewrite("Auto: end-to-end test",
		[]string{"Auto-Submitted: auto-replied (vacation)", "Precedence: bulk", "In-Reply-To: <" + id + ">", "References: <" + id + ">"},
		"I am in the mountains, without a network.\n")
}

func outOfOffice(to, original string) message {
	return newMessage("Friend <friend@remote.example>", to).rewrite("Automatic reply: end-to-end test",
		[]string{"X-Auto-Response-Suppress: All", "Auto-Submitted: auto-generated", "X-MS-Exchange-Inbox-Rules-Loop: friend@remote.example",
			"In-Reply-To: <" + messageID(original) + ">"},
		"I am out of the office until Monday.\n")
}
