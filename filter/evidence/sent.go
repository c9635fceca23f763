package evidence

import (
	"crypto/rand"
	"slices"
	"strings"

	"github.com/bouncefilter/bouncefilter/filter/bounce"
	"github.com/bouncefilter/bouncefilter/filter/policy"
	"github.com/bouncefilter/bouncefilter/prvs"
	"github.com/bouncefilter/bouncefilter/store"
)

// Sent is what a message that leaves says about itself, and what is recorded of it: by this a bounce is recognised that comes
// back without a usable tag.
type Sent struct {
	ids     []string       // Message-IDs, see fold
	fields  int            // Message-ID fields
	usable  usableID       // the first that may stay the only one
	authors []prvs.Address // whom it may be answered to, beside the envelope sender: mailboxes
	domains []string       // of the recipients, folded
}

// What a message may say about itself is bounded.
const (
	maxCorrespondents = 100 // domains of which one message makes correspondents of its sender
	maxIDs            = 2   // RFC 5322 allows one Message-ID; MTAs let more pass
	maxAuthors        = 4
)

// usableID is a Message-ID that bounces can name, see identifier.
type usableID struct {
	id string // see fold; "" for none
	at int    // the position of its field among those with that name, counted from 1
}

// Headers returns the names of the header fields that are asked for. Read receipts go to Disposition-Notification-To (RFC 8098 section 2.1) or its
// forerunner Return-Receipt-To, the bounces of some MTAs to From, Sender or Errors-To, automatic replies to any of them or to
// Reply-To, whatever RFC 3834 says.
func Headers() []string {
	return []string{messageID, "From", "Sender", "Reply-To", "Disposition-Notification-To", "Return-Receipt-To", "Errors-To"}
}

// messageID is the header field by which a bounce names what it answers (RFC 5322 section 3.6.4).
const messageID = "Message-ID"

// Recipient notes a recipient of an outbound message.
func (m *Sent) Recipient(a prvs.Address) {
	if d := Correspondent(a.Domain); d != "" && len(m.domains) < maxCorrespondents && !slices.Contains(m.domains, d) {
		m.domains = append(m.domains, d)
	}
}

// Header notes one of [Headers].
func (m *Sent) Header(p *policy.Policy, name, value string) {
	if strings.EqualFold(name, messageID) {
		m.messageID(value)
		return
	}
	a, err := prvs.ParseAddress(bounce.Address(value))
	if err != nil || p.Domain(a.Domain) == nil || len(m.authors) >= maxAuthors {
		return
	}
	if a = p.Mailbox(a); !slices.Contains(m.authors, a) {
		m.authors = append(m.authors, a)
	}
}

// messageID notes a Message-ID field.
func (m *Sent) messageID(value string) {
	m.fields++
	if id := identifier(value); m.usable.id == "" && id != "" {
		m.usable = usableID{id, m.fields}
	}
	if id := fold(bounce.MessageID(value)); id != "" && len(m.ids) < maxIDs && !slices.Contains(m.ids, id) {
		m.ids = append(m.ids, id)
	}
}

// maxIDBytes is the length in octets of the longest Message-ID whose field is one line (RFC 5322 section 2.1.1). MTAs break longer lines,
// each in its own way, and a Message-ID cannot be folded.
const maxIDBytes = 998 - len(messageID+": <>")

// identifier returns what is recorded of a Message-ID, or "" if bounces cannot name it: if it is not in the field in one piece, has no
// "@" (RFC 5322 section 3.6.4), by which it is known in In-Reply-To, or is too long.
func identifier(field string) string {
	id := bounce.MessageID(field)
	at := strings.IndexByte(id, '@')
	if at < 1 || at == len(id)-1 || len(id) > maxIDBytes || strings.ContainsAny(id, "<>") || !strings.Contains(field, id) {
		return ""
	}
	return fold(id)
}

// Identity is what makes the Message-ID fields of a message one that bounces can name (RFC 5322 section 3.6: at most one). The zero
// Identity changes nothing.
type Identity struct {
	Fields int    // how many the message has
	Keep   int    // the position of the one that stays, counted from 1; 0 for none
	New    string // the value of the one that the message gets if none stays
}

// Identify sees to it that the message leaves with one Message-ID, and that this is recorded. A new one is in the domain, which is in
// A-labels. add and change say whether the MTA lets header fields be added, and be replaced and removed.
func (m *Sent) Identify(domain string, add, change bool) Identity {
	id := Identity{Fields: m.fields, Keep: m.usable.at}
	switch {
	case id.Fields == 1 && id.Keep == 1:
		return Identity{}
	case id.Fields == 0 && !add || id.Fields > 0 && !change:
		return Identity{} // bounces may name what can be read
	case id.Keep > 0:
		m.ids = []string{m.usable.id}
	default:
		id.New = "<" + newMessageID(domain) + ">"
		m.ids = []string{identifier(id.New)}
	}
	return id
}

// newMessageID makes a Message-ID. 130 random bits do not repeat.
func newMessageID(domain string) string { return strings.ToLower(rand.Text()) + "@" + domain }

// Addresses returns the addresses of ours that the message may be answered to.
func (m *Sent) Addresses(p *policy.Policy, sender prvs.Address) []string {
	var list []string
	if p.Domain(sender.Domain) != nil {
		list = append(list, p.Mailbox(sender).String())
	}
	for _, a := range m.authors {
		if s := a.String(); !slices.Contains(list, s) {
			list = append(list, s)
		}
	}
	return list
}

// Records returns what is recorded of the message, but for its tag, for the addresses that it may be answered to.
func (m *Sent) Records(h *store.Hasher, addresses []string, recipients uint32, expires store.Day) []store.Record {
	rs := make([]store.Record, 0, len(addresses)*(1+len(m.ids)+len(m.domains))) // 1 for the tag, or the lack of one
	for _, s := range addresses {
		for _, id := range m.ids {
			rs = append(rs, store.Record{Key: h.Message(s, id), Expires: expires, Count: recipients})
		}
		for _, d := range m.domains {
			rs = append(rs, store.Record{Key: h.Correspondent(s, d), Expires: expires})
		}
	}
	return rs
}
