// Package evidence is both sides of the record of sent mail: what a message that leaves puts on record ([Sent]), and what is looked up
// about a bounce that comes ([Inquiry]). They are in one place so that they agree.
package evidence

import (
	"slices"
	"strings"

	"golang.org/x/net/publicsuffix"

	"github.com/bouncefilter/bouncefilter/filter/bounce"
	"github.com/bouncefilter/bouncefilter/filter/policy"
	"github.com/bouncefilter/bouncefilter/prvs"
)

// Named is what a message with the null sender is by its content, and what it names that may be on record.
type Named struct {
	Content  policy.Content
	Unclear  bool     // only weak signs say so
	Messages []string // Message-IDs of what it answers, the innermost first; see fold
	Quoted   []string // Message-IDs of what it returns or quotes beside, and may answer as well
	Cut      bool     // it names no message in front, and was longer than is read
	Domain   string   // that of its author if this may prove it, see [Correspondent]; else ""
	// Sent is when the messages were sent that it names; the zero Span if it does not tell of all of them.
	Sent policy.Span
}

// Anonymous says whether it names no message that it answers.
func (n *Named) Anonymous() bool { return len(n.Messages) == 0 }

// Of finds what a report is and names. A bounce of a bounce names both; the innermost is what was sent first.
func Of(r *bounce.Report, p *policy.Policy) Named {
	e := Named{Content: contentOf(r, p)}
	for end := len(r.Originals); end > 0; {
		begin := end - 1
		for begin > 0 && r.Originals[begin-1].Depth == r.Originals[begin].Depth {
			begin--
		}
		for _, o := range r.Originals[begin:end] {
			if id := fold(o.MessageID); id != "" && !slices.Contains(e.Messages, id) {
				e.Messages = append(e.Messages, id)
			}
		}
		end = begin
	}
	e.Sent = sentOf(r)
	for _, id := range r.Quoted {
		if id = fold(id); id != "" && !slices.Contains(e.Messages, id) && !slices.Contains(e.Quoted, id) {
			e.Quoted = append(e.Quoted, id)
		}
	}
	if len(e.Quoted) > 0 {
		e.Sent = policy.Span{}
	}
	e.Cut = r.Truncated && e.Anonymous() && e.Content != policy.ContentOther
	// A reply that names another message than those on record answers that one. Only where it is not sure that the message is a reply
	// does its author count all the same.
	if e.Unclear = r.Weak && e.Content != policy.ContentOther; e.Unclear || e.Anonymous() && e.Content == policy.ContentReply {
		e.Domain = CorrespondentOf(r.From)
	}
	if e.Domain != "" {
		e.Sent = policy.Span{} // a correspondent may have been written to at any time
	}
	return e
}

// sentOf says when the messages were sent that a report names. All of them must be dated: any of them may be the one that is on record. But
// what a returned message answered itself, which others may have sent, is not: if that was sent here as well, so was the returned message,
// and is on record.
func sentOf(r *bounce.Report) policy.Span {
	var sent policy.Span
	for i := range r.Originals {
		o := &r.Originals[i]
		if o.MessageID == "" || o.Source == bounce.OriginalReferences {
			continue
		}
		from, until, ok := r.Sent(o)
		if !ok {
			return policy.Span{}
		}
		sent = sent.With(policy.Span{From: from, Until: until})
	}
	return sent
}

// contentOf says what the message is. Where only weak signs say that it answers something, an author whom our own server has
// authenticated, and no word of a failure, say that it is ordinary mail.
func contentOf(r *bounce.Report, p *policy.Policy) policy.Content {
	if r.Weak && !r.Failure && slices.ContainsFunc(r.Authenticated, func(a bounce.Authenticated) bool { return p.Trusts(a.Server) }) {
		return policy.ContentOther
	}
	switch r.Kind {
	case bounce.DSN, bounce.Bounce:
		return policy.ContentBounce
	case bounce.MDN, bounce.AutoReply, bounce.Challenge:
		return policy.ContentReply
	}
	return policy.ContentOther
}

// fold makes of a Message-ID, or of an address in a report, what is recorded of it. Relays and reports have been seen to change its case,
// and may write the domain on its right side in either spelling. It may have none.
func fold(s string) string {
	s = strings.ToLower(s)
	if at := strings.LastIndexByte(s, '@'); at >= 0 {
		return s[:at+1] + prvs.FoldDomain(s[at+1:])
	}
	return s
}

// Correspondent returns the correspondent that a domain belongs to: its registrable domain, one label below the public suffix
// (https://publicsuffix.org), as A-labels in lower case (RFC 5890 section 2.3.2.1). Mail to user@sub.example.com may be answered from
// example.com or mail.example.com. A domain that is a public suffix itself, has one label, or is an address literal, is returned whole.
func Correspondent(domain string) string {
	domain = prvs.FoldDomain(strings.TrimSuffix(domain, "."))
	if domain == "" || domain[0] == '[' {
		return domain
	}
	if registrable, err := publicsuffix.EffectiveTLDPlusOne(domain); err == nil {
		return registrable
	}
	return domain
}

// CorrespondentOf returns the correspondent that the domain of an address belongs to, or "" if it has none.
func CorrespondentOf(address string) string {
	at := strings.LastIndexByte(address, '@')
	if at < 0 {
		return ""
	}
	return Correspondent(address[at+1:])
}

// maxFailed is how many recipients that a bounce names as failed are looked up and recorded. Most name one.
const maxFailed = 20

// failedRecipients returns the first recipients that a report names as failed, each of them once.
func failedRecipients(r *bounce.Report) []string {
	if r == nil {
		return nil
	}
	var failed []string
	for i := range r.Recipients {
		to := &r.Recipients[i]
		if address := fold(to.Address); to.Action == "failed" && address != "" && !slices.Contains(failed, address) {
			if failed = append(failed, address); len(failed) == maxFailed {
				break
			}
		}
	}
	return failed
}
