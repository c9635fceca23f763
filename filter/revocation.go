package filter

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/bouncefilter/bouncefilter/prvs"
	"github.com/bouncefilter/bouncefilter/store"
)

// RevocationTopic is the topic of the notices by which nodes learn what is revoked.
const RevocationTopic = "revocations"

// TakenBackTopic is that of notices with the names of revocations that somebody has taken back. Without one, a revocation that is gone was
// lost by the store, and is written again.
const TakenBackTopic = "revocations-taken-back"

// RevocationKind is what kind of thing is revoked.
type RevocationKind string

const (
	RevokedTag    RevocationKind = "tag"    // one tag
	RevokedSender RevocationKind = "sender" // all tags of one sender that were issued by then
	RevokedKey    RevocationKind = "key"    // all tags made with one key
)

// maxRevocationNote bounds what may be noted about a revocation, in octets: a sentence, not a file.
const maxRevocationNote = 500

// Revocation says what is revoked, when it was, and why. It travels sealed in a notice: who reads the store learns nothing.
type Revocation struct {
	Kind   RevocationKind `json:"kind"`
	Sender string         `json:"sender,omitempty"` // folded; of a tag or a sender
	Number uint8          `json:"number"`           // of a tag or a key
	Domain string         `json:"domain,omitempty"` // of a key; "" for a key for all domains
	Until  prvs.Day       `json:"until"`            // last day of the tag, or of those tags of a sender that are revoked
	At     time.Time      `json:"at"`
	Note   string         `json:"note,omitempty"`

	Expires store.Day `json:"-"` // last day on which it is found: all that it revokes has expired by then
}

// Name returns the name of the revocation, which is the same for whatever revokes the same.
func (r *Revocation) Name(h *store.Hasher) string {
	what := r.Sender
	switch r.Kind {
	case RevokedTag:
		what = fmt.Sprintf("%d %d %s", r.Number, r.Until, r.Sender)
	case RevokedKey:
		what = fmt.Sprintf("%d %s", r.Number, r.Domain)
	}
	return h.Revocation(string(r.Kind), what)
}

// Broadcast returns what the nodes are told.
func (r *Revocation) Broadcast(h *store.Hasher) (store.Broadcast, error) {
	if err := r.validate(); err != nil {
		return store.Broadcast{}, err
	}
	value, err := json.Marshal(r)
	if err != nil {
		return store.Broadcast{}, err
	}
	name := r.Name(h)
	value = h.Seal(RevocationTopic+"/"+name, value)
	return store.Broadcast{Topic: RevocationTopic, Name: name, Value: value, Expires: r.Expires}, nil
}

// OpenRevocation reads a notice. The error says why it cannot be understood; a later version may know other kinds.
func OpenRevocation(h *store.Hasher, n store.Broadcast) (*Revocation, error) {
	value, err := h.Open(RevocationTopic+"/"+n.Name, n.Value)
	if err != nil {
		return nil, err
	}
	r := &Revocation{}
	if err := json.Unmarshal(value, r); err != nil {
		return nil, err
	}
	r.Expires = n.Expires
	return r, r.validate()
}

func (r *Revocation) validate() error {
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
	notices map[string]store.Broadcast // all of them, also those that cannot be understood, by name
}

type tagName struct {
	sender  string
	expires prvs.Day
	number  uint8
}

type keyName struct {
	domain string
	number uint8
}

// NewRevocations makes a set of what notices say. What cannot be understood is left out, and skipped is told of it.
func NewRevocations(h *store.Hasher, ns []store.Broadcast, skipped func(name string, err error)) *Revocations {
	s := &Revocations{
		tags: map[tagName]*Revocation{}, senders: map[string]*Revocation{}, keys: map[keyName]*Revocation{},
		notices: map[string]store.Broadcast{},
	}
	for _, n := range ns {
		s.notices[n.Name] = n
		r, err := OpenRevocation(h, n)
		if err != nil {
			skipped(n.Name, err)
			continue
		}
		switch r.Kind {
		case RevokedTag:
			s.tags[tagName{r.Sender, r.Until, r.Number}] = r
		case RevokedSender:
			s.senders[r.Sender] = r
		case RevokedKey:
			s.keys[keyName{lower(r.Domain), r.Number}] = r
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
	domain := ""
	if tag.OwnKey {
		domain = lower(tag.Sender.Domain)
	}
	return s.keys[keyName{domain, tag.Number}]
}
