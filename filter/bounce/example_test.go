package bounce_test

import (
	"fmt"

	"github.com/bouncefilter/bouncefilter/filter/bounce"
)

// A delivery status notification (RFC 3464) says which message it answers, and what became of each recipient.
func ExampleParse() {
	report := bounce.Parse([]byte(`From: Mail Delivery System <MAILER-DAEMON@mta.example>
To: anna@sender.example
Subject: Undelivered Mail Returned to Sender
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="b1"

--b1

This is the mail system at host mta.example.

--b1
Content-Type: message/delivery-status

Reporting-MTA: dns; mta.example

Final-Recipient: rfc822; bert@rcpt.example
Action: failed
Status: 5.1.1
Diagnostic-Code: smtp; 550 5.1.1 no such mailbox

--b1
Content-Type: message/rfc822

From: anna@sender.example
Message-ID: <1@sender.example>

Here are the minutes.

--b1--
`), bounce.DefaultLimits())
	fmt.Println(report.Kind, "from", report.ReportingMTA)
	for _, o := range report.Originals {
		fmt.Println("answers", o.MessageID, "found in", o.Source)
	}
	for _, r := range report.Recipients {
		fmt.Println(r.Address, r.Action, r.Status, r.Diagnostic)
	}
	// Output:
	// dsn from mta.example
	// answers 1@sender.example found in returned-message
	// bert@rcpt.example failed 5.1.1 550 5.1.1 no such mailbox
}

// An automatic reply (RFC 3834) names the message that it answers in its own header. It reports about no recipient.
func ExampleParse_automaticReply() {
	report := bounce.Parse([]byte(`From: Bert <bert@rcpt.example>
To: anna@sender.example
Subject: Auto: Minutes
Auto-Submitted: auto-replied
In-Reply-To: <1@sender.example>

I am away until Monday.
`), bounce.DefaultLimits())
	fmt.Println(report.Kind, "from", report.From)
	for _, o := range report.Originals {
		fmt.Println("answers", o.MessageID, "found in", o.Source)
	}
	fmt.Println(len(report.Recipients), "recipients")
	// Output:
	// auto-reply from bert@rcpt.example
	// answers 1@sender.example found in in-reply-to
	// 0 recipients
}
