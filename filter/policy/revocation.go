package policy

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/bouncefilter/bouncefilter/prvs"
)

// RevocationKind is what kind of thing is revoked.
type RevocationKind string

const (
	RevokedTag    RevocationKind = "tag"    // one tag
	RevokedSender RevocationKind = "sender" // all tags of one sender that were issued by then
	RevokedKey    RevocationKind = "key"    // all tags made with one key
)

// maxRevocationNote bounds what may be noted about a revocation, in octets: a sentence, not a file.
const maxRevocationNote = 500

// Revocation says what is revoked, when it was, and why.
type Revocation struct {
	Kind   RevocationKind `json:"kind"`
	Sender string         `json:"sender,omitempty"` // folded; of a tag or a sender
	Number uint8          `json:"number"`           // of a tag or a key
	Domain string         `json:"domain,omitempty"` // of a key; "" for a key for all domains
	Until  prvs.Day       `json:"until"`            // last day of the tag, or of those tags of a sender that are revoked
	At     time.Time      `json:"at"`
	Note   string         `json:"note,omitempty"`

	Expires prvs.Day `json:"-"` // last day on which it is found: all that it revokes has expired by then
}

// Validate says what is wrong with the revocation, or nil.
func (r *Revocation) Validate() error {
	switch {
	case r.Kind != RevokedTag && r.Kind != RevokedSender && r.Kind != RevokedKey:
		return fmt.Errorf("unknown kind %q", r.Kind)
	case r.Kind != RevokedKey && r.Sender == "":
		return errors.New("no sender")
	case r.Number > 9:
		return fmt.Errorf("%d is no key number", r.Number)
	case len(r.Note) > maxRevocationNote:
		return fmt.Errorf("a note of more than %d octets", maxRevocationNote)
	}
	return nil
}

// String says what is revoked.
func (r *Revocation) String() string {
	switch r.Kind {
	case RevokedTag:
		return fmt.Sprintf("the tag of <%s> with key %d that expires on %s", r.Sender, r.Number, r.Until)
	case RevokedSender:
		return fmt.Sprintf("all tags of <%s> that expire by %s", r.Sender, r.Until)
	case RevokedKey:
		if r.Domain != "" {
			return fmt.Sprintf("all tags of key %d of %s", r.Number, r.Domain)
		}
	}
	return "all tags of key " + strconv.Itoa(int(r.Number))
}

// Revocations is an immutable set. Nil is the empty one.
type Revocations struct {
	tags    map[tagName]*Revocation
	senders map[string]*Revocation
	keys    map[keyName]*Revocation
}

type tagName struct {
	sender  string
	expires prvs.Day
	number  uint8
}

type keyName struct {
	domain string // folded
	number uint8
}

// NewRevocations makes a set.
func NewRevocations(rs []*Revocation) *Revocations {
	s := &Revocations{tags: map[tagName]*Revocation{}, senders: map[string]*Revocation{}, keys: map[keyName]*Revocation{}}
	for _, r := range rs {
		switch r.Kind {
		case RevokedTag:
			s.tags[tagName{r.Sender, r.Until, r.Number}] = r
		case RevokedSender:
			s.senders[r.Sender] = r
		case RevokedKey:
			s.keys[keyName{prvs.FoldDomain(r.Domain), r.Number}] = r
		}
	}
	return s
}

// Len returns how many revocations there are.
func (s *Revocations) Len() int {
	if s == nil {
		return 0
	}
	return len(s.tags) + len(s.senders) + len(s.keys)
}

// Of returns what revokes a tag with a right signature, or nil.
func (s *Revocations) Of(tag *prvs.Result) *Revocation {
	if s.Len() == 0 {
		return nil
	}
	sender := tag.Sender.Fold().String()
	if r := s.tags[tagName{sender, tag.Expiry, tag.Number}]; r != nil {
		return r
	}
	if r := s.senders[sender]; r != nil && tag.Expiry <= r.Until {
		return r
	}
	return s.keys[keyName{tag.KeyDomain, tag.Number}]
}
