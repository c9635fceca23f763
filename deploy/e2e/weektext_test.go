package e2e

import (
	"fmt"
	"strings"
	"time"
)

// text writes a message of the week.
func (w *weekMail) text() string {
	from, to, subject, headers, body := w.from, strings.Join(w.rcpts, ", "), "Minutes of our meeting", []string(nil), "Hello,\n\nhere they are.\n"
	if w.write != nil {
		from, to, subject = "Mail Delivery System <MAILER-DAEMON@"+w.host+">", w.to, "Undelivered Mail Returned to Sender"
		headers, body = w.write(w)
	}
	fields := []string{"From: " + from, "To: " + to, "Subject: " + subject, "Message-ID: <" + w.messageID() + ">", "Date: " + w.date(0)}
	for _, h := range headers { // those that differ from the usual ones take their place
		name, _, _ := strings.Cut(h, ":")
		replaced := false
		for i := range fields {
			if strings.HasPrefix(fields[i], name+":") {
				fields[i], replaced = h, true
			}
		}
		if !replaced {
			fields = append(fields, h)
		}
	}
	return strings.Join(fields, "\n") + "\n\n" + body
}

// date is the time of the message, or so many hours before, as header fields have it (RFC 5322 section 3.3).
func (w *weekMail) date(hoursBefore int) string {
	return w.at.Add(half - time.Duration(hoursBefore)*time.Hour).UTC().Format(time.RFC1123Z)
}

// half is when in its hour all mail of an hour comes.
const half = 30 * time.Minute

// dsn writes a report about a recipient (RFC 3464), which returns the header of a message.
func (w *weekMail) dsn(arrival, recipient, action, status, answer, original string) ([]string, string) {
	word := "could not be delivered"
	if action == "delayed" {
		word = "is delayed, and will be tried again"
	}
	return []string{"Auto-Submitted: auto-replied", "MIME-Version: 1.0", `Content-Type: multipart/report; report-type=delivery-status; boundary="part"`},
		fmt.Sprintf(`--part
Content-Type: text/plain; charset=us-ascii

This is the mail system at host %[1]s. Your message %[2]s.

--part
Content-Type: message/delivery-status

Reporting-MTA: dns; %[1]s
Arrival-Date: %[3]s

Final-Recipient: rfc822; %[4]s
Action: %[5]s
Status: %[6]s
Diagnostic-Code: smtp; %[7]s

--part
Content-Type: text/rfc822-headers

%[8]s
--part--
`, w.host, word, arrival, recipient, action, status, answer, original)
}

// originalHeader is the header of the message that is answered.
func (w *weekMail) originalHeader() string {
	header, _, _ := strings.Cut(w.original.text(), "\n\n")
	return header + "\n"
}

func writeFailed(w *weekMail) ([]string, string) {
	d := weekDestinations[w.original.failure()]
	answer := d.answer
	if strings.Contains(answer, "%s") {
		answer = fmt.Sprintf(answer, w.original.tag, w.original.rcpts[0])
	}
	return w.dsn(w.original.date(0), w.original.rcpts[0], "failed", d.status, answer, w.originalHeader())
}

func writeDelayed(w *weekMail) ([]string, string) {
	h, body := w.dsn(w.original.date(0), w.original.rcpts[0], "delayed", "4.4.1", "450 4.4.1 connection timed out", w.originalHeader())
	return append(h, "Subject: Delayed Mail (still being retried)"), body
}

// failures is what a message reports, as the figures have it.
func (w *weekMail) failures() (destination, status string, becauseOfTag bool) {
	switch {
	case !w.reports:
		return "", "", false
	case w.name == "delay":
		_, destination, _ = strings.Cut(w.original.rcpts[0], "@")
		return destination, "4.4.1", false
	}
	d := weekDestinations[w.original.failure()]
	return d.name, d.status, strings.Contains(d.answer, "%s")
}

func writeReceipt(w *weekMail) ([]string, string) {
	return []string{"From: " + w.original.rcpts[0], "Subject: Read: Minutes of our meeting", "MIME-Version: 1.0", `Content-Type: multipart/report; report-type=disposition-notification; boundary="receipt"`},
		fmt.Sprintf(`--receipt
Content-Type: text/plain; charset=utf-8

Your message was read.

--receipt
Content-Type: message/disposition-notification

Reporting-UA: %[1]s; a mail program
Final-Recipient: rfc822; %[2]s
Original-Message-ID: <%[3]s>
Disposition: manual-action/MDN-sent-manually; displayed

--receipt--
`, w.host, w.original.rcpts[0], w.original.messageID())
}

func writeVacation(w *weekMail) ([]string, string) {
	id := w.original.messageID()
	return []string{"From: " + w.original.rcpts[0], "Subject: Auto: Minutes of our meeting", "Auto-Submitted: auto-replied (vacation)", "Precedence: bulk", "In-Reply-To: <" + id + ">", "References: <" + id + ">"},
		"I am in the mountains, without a network.\n"
}

func writeCode(w *weekMail) ([]string, string) {
	return []string{"From: noreply@" + w.host, "Subject: Your code"}, fmt.Sprintf("Your code is %06d. It is valid for ten minutes.\n", 7919*w.number%1000000)
}

// spam is the header of a message that was not sent from here, as the site that reports has received it.
func (w *weekMail) spam(received string, hoursBefore int) string {
	return fmt.Sprintf("Received: %s\n\tby %s (Postfix) with ESMTP id 4BXyzT3Wq1zKk; %s\nMessage-ID: <spam.%d@%s>\nFrom: %s\nTo: nobody%d@%s\nSubject: An offer\nDate: %s\n",
		received, w.host, w.date(hoursBefore), w.number, "mailer.example", w.to, w.number, w.host, w.date(hoursBefore))
}

func (w *weekMail) backscatter(received string) ([]string, string) {
	return w.dsn(w.date(1), fmt.Sprintf("nobody%d@%s", w.number, w.host), "failed", "5.1.1", "550 5.1.1 no such user", w.spam(received, 1))
}

func writeBackscatter(w *weekMail) ([]string, string) {
	name := "friendly"
	if w.namesUs() {
		name = "mail." + w.domain
	}
	return w.backscatter(fmt.Sprintf("from %s (unknown [100.%d.%d.7])", name, 64+w.number%64, w.number/64))
}

// namesUs says whether the spammer whose mail came back has called itself a host of the site.
func (w *weekMail) namesUs() bool { return w.number%4 == 0 }

// writeOtherRoute writes a bounce of mail that a newsletter service has sent in the name of the recipient.
func writeOtherRoute(w *weekMail) ([]string, string) {
	return w.backscatter("from out.letters.example (out.letters.example [203.0.113.5])")
}

// writeOwnHost writes a bounce of mail that a host of the site has sent past bouncefilter.
func writeOwnHost(w *weekMail) ([]string, string) {
	return w.backscatter(fmt.Sprintf("from web.example.org (web.example.org [192.0.2.%d])", 80+w.day))
}
