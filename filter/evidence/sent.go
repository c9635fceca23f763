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
	ids     []string       // Message-IDs, see foldID
	authors []prvs.Address // whom it may be answered to, beside the envelope sender: mailboxes
	domains []string       // of the recipients, folded
}

// What a message may say about itself is bounded.
const (
	maxCorrespondents = 100 // domains of which one message makes correspondents of its sender
	maxIDs            = 2   // RFC 5322 allows one Message-ID; MTAs let more pass
	maxAuthors        = 4
)

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
		if id := foldID(bounce.MessageID(value)); id != "" && len(m.ids) < maxIDs && !slices.Contains(m.ids, id) {
			m.ids = append(m.ids, id)
		}
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

// HasMessageID says whether the message names itself.
func (m *Sent) HasMessageID() bool { return len(m.ids) > 0 }

// AddMessageID notes a Message-ID that the message is given.
func (m *Sent) AddMessageID(id string) { m.ids = append(m.ids, foldID(id)) }

// NewMessageID makes the Message-ID of a message that has none. 130 random bits do not repeat.
func NewMessageID(hostname string) string { return strings.ToLower(rand.Text()) + "@" + hostname }

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
