package bounce

import (
	"strings"
	"time"
)

// Kind is the sort of automatic message that a message is.
type Kind string

// The kinds of messages.
const (
	None      Kind = "none"       // an ordinary message, or an automatic one that answers no message
	DSN       Kind = "dsn"        // delivery status notification with a message/delivery-status part (RFC 3464)
	Bounce    Kind = "bounce"     // it says in no standard form that a message was not delivered
	MDN       Kind = "mdn"        // message disposition notification, the read receipt (RFC 8098)
	AutoReply Kind = "auto-reply" // out-of-office note or another answer of a responder (RFC 3834)
	Challenge Kind = "challenge"  // it asks the sender to confirm a message before that is delivered
	ARF       Kind = "arf"        // abuse feedback report (RFC 5965)
)

// Source is the place in the message where an [Original] was found.
type Source string

// The sources.
const (
	ReturnedMessage   Source = "returned-message"    // a returned message with its body, or its beginning
	ReturnedHeaders   Source = "returned-headers"    // a text/rfc822-headers part, or one of a similar type
	ReportField       Source = "report-field"        // Original-Envelope-Id or Original-Message-ID in a machine-readable part
	ReturnedText      Source = "returned-text"       // headers copied into the text of the report
	OriginalMessageID Source = "original-message-id" // the field of an MDN (RFC 8098 section 3.2.5)
	FreeText          Source = "free-text"           // a Message-ID in a sentence
	InReplyTo         Source = "in-reply-to"         // the header field of the report itself
	References        Source = "references"          // likewise; the last identifier comes first

	// ParentMessageID is X-MS-Exchange-Parent-Message-Id in the header of the report. Exchange puts it in its notices.
	ParentMessageID Source = "parent-message-id"
	// ReplacedMessageID is X-Google-Original-Message-ID, or a field of that sort, in a returned message: the identifier before a
	// relay replaced it.
	ReplacedMessageID Source = "replaced-message-id"
	// EnvelopeMessageID is Original-Envelope-Id where it looks like a Message-ID: some senders use that as ENVID (RFC 3461 section 4.4).
	EnvelopeMessageID Source = "envelope-message-id"
	// WrappedMessage is a message within a returned one, from the recipient of the report: a gateway has wrapped what was sent.
	WrappedMessage Source = "wrapped-message"
	// OriginalReferences are In-Reply-To and References of a returned message. They name what that message answered, which
	// the recipient of the report need not have sent.
	OriginalReferences Source = "original-references"
)

// Report is what was found in one message.
type Report struct {
	Kind   Kind
	Family string // the software that wrote it, as named in families.go, or "other"; empty for None

	// Weak says that legitimate mail that answers nothing may look like this. Kind rests on words, or on the null sender and
	// In-Reply-To, or on what the message contains under the name of an ordinary sender, who may have forwarded a bounce. It is
	// false for None.
	Weak bool
	// Failure says that the text, or a machine-readable part, says that something was not delivered.
	Failure bool
	// Authenticated are the results dkim=pass in Authentication-Results fields of the report for a domain that is aligned with
	// From. Every server on the way, and the author, can write such a field: the caller trusts only those of its own server.
	Authenticated []Authenticated

	// ReportingMTA is the name of the MTA that reports, without its type: "mx.example.com" (RFC 3464 section 2.2.2).
	ReportingMTA string
	// ReceivedFrom is the host from which the reporting MTA got the original (Received-From-MTA, RFC 3464 section 2.2.4).
	ReceivedFrom string
	// ArrivalDate is when the original arrived at the reporting MTA; zero if the report does not say so.
	ArrivalDate time.Time

	// Date is that of the report itself; zero if it has none.
	Date time.Time
	// MessageID is that of the report itself, without angle brackets.
	MessageID string
	// Sender is the envelope sender in the Return-Path field in front of the report; empty if it is null or there is none.
	Sender string
	// From is the address in the From field of the report itself.
	From string

	// Originals are the messages that this one answers or may answer. Those that it answers directly come first, the most
	// reliable source first. If they were bounces themselves, the messages that they answered follow; the innermost is last.
	Originals []Original
	// Quoted are Message-IDs of what an automatic reply, a challenge or another message returns or quotes, without those in
	// Originals: it may answer them. One that is on record proves that it does, for a stranger cannot know it. Their absence says
	// nothing. They are empty for the other kinds, whose Originals have them.
	Quoted []string

	Recipients []Recipient

	// HeldBy is the address of a mailing list or a service that holds or refuses the message because it does not know the envelope
	// sender, if its notice names no recipient otherwise; empty for all other reports. It is the author of the notice.
	HeldBy string

	// Truncated says that the message exceeded the limits, or that its reader failed: what it answers may be named behind that.
	Truncated bool
	// Unread says that the message was not read because that takes more work than its size allows. The report is empty then. Such a
	// message was made for the purpose.
	Unread bool

	to string // the address of its To field

	// Problems say in words for the operator what was malformed or cut off. The rest of the Report is valid in spite of them.
	Problems []string
}

// Authenticated is a DKIM signature that a server verified (RFC 8601 section 2.7.1).
type Authenticated struct {
	Server string // the authserv-id of the server that verified it (RFC 8601 section 2.5), in lower case
	Domain string // the signing domain, in lower case: that of From, or one above it
}

// Original is what a report says about one message that it answers.
type Original struct {
	Source Source
	Depth  int // 1 for a message that the report answers, 2 for one that this message answered, and so on

	MessageID  string   // without angle brackets and white space; empty if the report does not contain it
	Sender     string   // envelope sender from Return-Path or the report's fields; empty if it is null or not in the report
	From       string   // address of the From field
	Recipients []string // addresses of To and Cc, or those that the report names
	EnvelopeID string   // Original-Envelope-Id, the ENVID of RFC 3461 section 4.4

	header header // of a returned message, for methods that few callers need
	sent   span   // when the returned message was sent
}

// Recipient is what the report says about one recipient of the original.
type Recipient struct {
	Address    string // as the report has it, without type and angle brackets
	Original   string // to which the original was sent, if the report says so and it is not Address (RFC 3464 section 2.3.1)
	Action     string // failed, delayed, delivered, relayed or expanded (RFC 3464 section 2.3.3), in lower case
	Status     string // enhanced status code (RFC 3463) such as "5.1.1"; empty if there is none
	Exact      string // the status in Diagnostic if Status says no more than "5.0.0"; else empty
	Code       int    // SMTP reply code such as 550; 0 if there is none
	Diagnostic string // the remote server's reply or the reporting MTA's words, on one line
	RemoteMTA  string // the server that gave the reply
	BlamesTag  bool   // it failed or waits because of the tag in the envelope sender, as far as the words of the report tell
}

// Class returns '2', '4' or '5', the class of the status or else of the reply code, or 0 if there is neither.
func (r *Recipient) Class() byte {
	switch {
	case r.Status != "":
		return r.Status[0]
	case r.Code >= 200 && r.Code < 600:
		return byte('0' + r.Code/100)
	}
	return 0
}

// Undelivered says whether the recipient has not got the message, or not yet, and not whether it was delivered (RFC 3464 section 2.3.3).
// Of a recipient without an Action the status tells, and without that, being in the report does.
func (r *Recipient) Undelivered() bool {
	switch r.Action {
	case "failed", "delayed":
		return true
	case "delivered", "relayed", "expanded":
		return false
	}
	return r.Class() != '2'
}

// Original returns the message that the report answers directly, merged from all Originals of depth 1. All its fields are
// empty if there are none.
func (r *Report) Original() Original {
	var merged Original
	for i := range r.Originals {
		o := &r.Originals[i]
		if o.Depth != 1 {
			break
		}
		if o.Source == OriginalReferences {
			break // they are last, and name other messages
		}
		if merged.Source == "" {
			merged = *o
			continue
		}
		// Beside a returned message without Message-ID, In-Reply-To may name another message.
		weak := o.Source == InReplyTo || o.Source == References
		if merged.MessageID == "" && !(weak && merged.Returned()) {
			merged.MessageID = o.MessageID
		}
		merged.Sender = first(merged.Sender, o.Sender)
		merged.From = first(merged.From, o.From)
		merged.EnvelopeID = first(merged.EnvelopeID, o.EnvelopeID)
		if len(merged.Recipients) == 0 {
			merged.Recipients = o.Recipients
		}
	}
	return merged
}

// rank orders the sources, the most reliable one first.
func (s Source) rank() int {
	for i, known := range [...]Source{
		ReturnedMessage, ReturnedHeaders, ReturnedText, ReportField, OriginalMessageID, FreeText, ParentMessageID, ReplacedMessageID,
		EnvelopeMessageID, WrappedMessage, InReplyTo, References, OriginalReferences,
	} {
		if s == known {
			return i
		}
	}
	return int(^uint(0) >> 1)
}

// problem adds to Problems what is wrong with the message, each thing once.
func (r *Report) problem(s string) {
	for _, p := range r.Problems {
		if p == s {
			return
		}
	}
	r.Problems = append(r.Problems, strings.ToValidUTF8(s, "?"))
}

// first returns the first of the values that is not empty, or "".
func first(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}
