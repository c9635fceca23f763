package report

import "strings"

// meanings are those of the enhanced status codes of RFC 3463 and of the IANA registry "SMTP Enhanced Status Codes" that bounces have,
// without their class.
var meanings = map[string]string{
	"0.0":  "no detail",
	"1.0":  "something about the address",
	"1.1":  "no such mailbox",
	"1.2":  "no such host or domain",
	"1.3":  "malformed recipient address",
	"1.4":  "ambiguous recipient address",
	"1.6":  "mailbox has moved, no forwarding address",
	"1.7":  "malformed sender address",
	"1.8":  "sender's domain does not resolve",
	"1.9":  "a relay cannot report success",
	"1.10": "recipient's domain accepts no mail (null MX)",
	"2.0":  "something about the mailbox",
	"2.1":  "mailbox is disabled",
	"2.2":  "mailbox is full",
	"2.3":  "message is too long for the mailbox",
	"2.4":  "mailing list cannot be expanded",
	"3.0":  "something about the mail system",
	"3.1":  "mail system is full",
	"3.2":  "mail system accepts no messages now",
	"3.3":  "mail system lacks a feature",
	"3.4":  "message is too big for the mail system",
	"3.5":  "mail system is configured wrongly",
	"4.0":  "something about network or routing",
	"4.1":  "no answer from the host",
	"4.2":  "bad connection",
	"4.3":  "directory server failed, such as DNS",
	"4.4":  "no route to the host",
	"4.5":  "mail system is congested",
	"4.6":  "routing loop",
	"4.7":  "delivery took too long",
	"5.0":  "something about the mail protocol",
	"5.1":  "invalid command",
	"5.2":  "syntax error",
	"5.3":  "too many recipients",
	"5.4":  "invalid command arguments",
	"5.6":  "authentication line is too long",
	"6.0":  "something about the content",
	"6.1":  "media are not supported",
	"6.2":  "conversion is needed and prohibited",
	"6.3":  "conversion is needed and not supported",
	"6.4":  "conversion with loss",
	"6.5":  "conversion failed",
	"6.7":  "address needs SMTPUTF8",
	"6.9":  "header needs SMTPUTF8",
	"7.0":  "refused by security or policy",
	"7.1":  "refused by policy",
	"7.2":  "sender may not write to the mailing list",
	"7.3":  "security conversion is needed and not possible",
	"7.4":  "security features are not supported",
	"7.5":  "cryptographic failure",
	"7.7":  "message integrity failure",
	"7.8":  "authentication failed",
	"7.9":  "authentication mechanism is too weak",
	"7.10": "encryption is needed",
	"7.13": "account is disabled",
	"7.14": "trust relationship is needed",
	"7.15": "priority is too low",
	"7.16": "message is too big for its priority",
	"7.17": "mailbox owner has changed",
	"7.18": "domain owner has changed",
	"7.20": "no valid DKIM signature",
	"7.21": "no acceptable DKIM signature",
	"7.22": "no DKIM signature of the author",
	"7.23": "SPF failed",
	"7.24": "SPF check failed",
	"7.25": "reverse DNS failed",
	"7.26": "several authentication checks failed",
	"7.27": "sender's domain accepts no mail (null MX)",
	"7.28": "mail flood",
	"7.29": "ARC failed",
	"7.30": "REQUIRETLS is needed",
}

// subjects are those of the codes without a detail that is known (RFC 3463 section 3).
var subjects = map[string]string{
	"1": "something about the address", "2": "something about the mailbox", "3": "something about the mail system", "4": "something about network or routing",
	"5": "something about the mail protocol", "6": "something about the content", "7": "refused by security or policy",
}

// meaning says in words what an enhanced status code means.
func meaning(status string) string {
	class, detail, _ := strings.Cut(status, ".")
	text := meanings[detail]
	if text == "" {
		subject, _, _ := strings.Cut(detail, ".")
		text = subjects[subject]
	}
	switch {
	case text == "" && class == "5":
		return "failed, no detail"
	case text == "" && class == "4":
		return "failed for a while, or delayed, no detail"
	case text == "":
		return "the report says no status"
	case class == "4":
		return "for a while: " + text
	}
	return text
}
