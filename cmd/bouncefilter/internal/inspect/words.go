// Package inspect explains saved messages: what a report says, and what verdict the daemon would reach about it.
package inspect

import (
	"fmt"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/bouncefilter/bouncefilter/filter/bounce"
)

// kindWords says what the kinds are.
func kindWords(k bounce.Kind) string {
	switch k {
	case bounce.DSN:
		return "a delivery status notification (dsn)"
	case bounce.Bounce:
		return "a bounce in no standard form (bounce)"
	case bounce.MDN:
		return "a read receipt (mdn)"
	case bounce.AutoReply:
		return "an automatic reply (auto-reply)"
	case bounce.Challenge:
		return "a challenge to confirm a message (challenge)"
	case bounce.ARF:
		return "an abuse report (arf)"
	}
	return "no bounce, receipt, automatic reply, challenge or abuse report (none)"
}

// sourceWords says how it is known which message is answered.
func sourceWords(s bounce.Source) string {
	switch s {
	case bounce.ReturnedMessage:
		return "which came back with it"
	case bounce.ReturnedHeaders:
		return "whose header came back with it"
	case bounce.ReturnedText:
		return "whose header its text quotes"
	case bounce.FreeText:
		return "which its text names"
	case bounce.InReplyTo:
		return "which its In-Reply-To field names"
	case bounce.References:
		return "which its References field names"
	case bounce.ParentMessageID:
		return "which its X-MS-Exchange-Parent-Message-Id field names"
	case bounce.ReplacedMessageID:
		return "which was the identifier of the message that came back before a relay replaced it"
	case bounce.EnvelopeMessageID:
		return "which its Original-Envelope-Id field seems to name"
	case bounce.WrappedMessage:
		return "which is within the message that came back"
	case bounce.OriginalReferences:
		return "which the message that came back answers"
	}
	return "which a field of the report names"
}

// Words describes a report for people: a line that says what it is, and lines below it for what it says. The name is that of the
// message, and is printed as it is.
func Words(name string, r *bounce.Report) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s", name, kindWords(r.Kind))
	switch r.Family {
	case "", string(r.Kind): // nothing is known beyond the kind
	case "other":
		b.WriteString(", by software not known here")
	default:
		b.WriteString(", by " + r.Family)
	}
	b.WriteByte('\n')
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0) // into a Builder, which takes everything
	row := func(what, value string) { fmt.Fprintf(w, "  %s\t%s\n", what, value) }
	if r.Weak {
		row("shown by", "weak signs alone: its words, or its null sender")
	}
	if r.ReportingMTA != "" {
		row("reported by", r.ReportingMTA)
	}
	if !r.ArrivalDate.IsZero() {
		row("arrived there", r.ArrivalDate.UTC().Format(time.RFC3339))
	}
	if o := r.Original(); o.Source != "" {
		row("answers", originalWords(o))
	} else if r.Kind != bounce.None {
		row("answers", "a message that it does not name")
	}
	for _, o := range r.Originals {
		if o.Depth > 1 {
			row("that answered", originalWords(o))
		}
	}
	for _, rcpt := range r.Recipients {
		row("recipient", recipientWords(rcpt))
	}
	if r.HeldBy != "" {
		row("held by", r.HeldBy+", which does not know the envelope sender with its tag")
	}
	for _, p := range r.Problems {
		row("problem", OneLine(p))
	}
	_ = w.Flush()
	return b.String()
}

func originalWords(o bounce.Original) string {
	s := "a message"
	if o.MessageID != "" {
		s = "<" + o.MessageID + ">"
	}
	if from := or(o.From, o.Sender); from != "" {
		s += " from " + from
	}
	if len(o.Recipients) > 0 {
		s += " to " + strings.Join(o.Recipients, ", ")
	}
	s += ", " + sourceWords(o.Source)
	if o.EnvelopeID != "" {
		s += "; envelope ID " + o.EnvelopeID
	}
	return s
}

func recipientWords(r bounce.Recipient) string {
	s := or(r.Address, "(not named)") + ": " + or(r.Action, "no action given")
	if r.Status != "" {
		s += ", status " + r.Status
		if r.Exact != "" {
			s += " (more exactly " + r.Exact + ")"
		}
	} else if r.Code != 0 {
		s += ", reply code " + strconv.Itoa(r.Code)
	}
	if r.RemoteMTA != "" {
		s += ", according to " + r.RemoteMTA
	}
	if r.BlamesTag {
		s += ", because of the tag in the envelope sender"
	}
	if r.Diagnostic != "" {
		s += ": " + r.Diagnostic
	}
	return s
}

// OneLine quotes a text with characters that could forge a line or move the cursor of a terminal.
func OneLine(s string) string {
	if q := strconv.Quote(s); strings.ContainsFunc(s, func(c rune) bool { return !strconv.IsPrint(c) }) {
		return q
	}
	return s
}

// or returns s, or another text for nothing.
func or(s, nothing string) string {
	if s == "" {
		return nothing
	}
	return s
}
