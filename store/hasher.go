package store

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"log/slog"
	"sync"
)

// The kinds of key. The kind is the first octet that is hashed, so that a key of one kind never equals a key of another. A new
// kind has its own octet here and its own method of [Hasher]. The octets are part of the stored format: never reuse or change one.
const (
	kindTag           = 't'
	kindUnsigned      = 'u'
	kindKeyCheck      = 'w'
	kindMessage       = 'm'
	kindProven        = 'p'
	kindCorrespondent = 'c'
	kindTrusted       = 'r'
	kindUnproven      = 'n'
	kindUnclear       = 'l'
	kindKeyID         = 'k'
	kindSeal          = 's'
	kindShard         = 'h'
	kindAnswered      = 'a'
	kindFailed        = 'f'
	kindFailedTo      = 'e'
	kindRevoked       = 'v'
	kindWrongTag      = 'g'
	kindPlace         = 'o'
)

// Hasher turns what a record is about into a [Key], so that no address reaches a store in clear: HMAC-SHA-256
// (RFC 2104, FIPS 180-4) under the site's hash secret, cut to [KeySize] octets. A reader of the store who lacks the secret cannot
// find out whether an address is in it.
//
// All nodes that share a store need the same secret. Under another secret no record is found.
//
// The first octet of a key depends on the sender's address alone, without its extension: a store of several servers places all
// records of one sender on one of them.
//
// Many goroutines may use a Hasher. It never shows its secret, whatever the formatting verb.
type Hasher struct {
	states sync.Pool // of *hashState
	seed   uint32    // of the hash that gives the first octets
}

// hashState is the working memory of one computation. It is pooled because a fresh HMAC costs more than the hash itself.
type hashState struct {
	mac hash.Hash
	in  []byte
	sum []byte
}

// inputSize is room for an address of the largest size that SMTP allows (RFC 5321 section 4.5.3.1), in octets.
const inputSize = 384

// maxPooledInput bounds the memory that an oversized sender leaves behind in the pool, in octets.
const maxPooledInput = 4096

// NewHasher returns a Hasher under secret, which it copies. The secret should be 32 random octets. It must not be one of the keys that
// sign tags.
func NewHasher(secret []byte) *Hasher {
	own := append([]byte(nil), secret...)
	h := &Hasher{}
	h.states.New = func() any {
		return &hashState{
			mac: hmac.New(sha256.New, own),
			in:  make([]byte, 0, inputSize),
			sum: make([]byte, 0, sha256.Size),
		}
	}
	seed := h.finish(h.begin(kindShard), "")
	h.seed = binary.BigEndian.Uint32(seed[1:])
	return h
}

// Tag returns the key of an issued tag. Two tags with the same sender, last day of validity and key number are the same tag.
//
// All methods hash addresses and Message-IDs as given. A caller that wants a record to be found when an address comes back in another case
// folds the address the same way when it records and when it looks up.
func (h *Hasher) Tag(sender string, expires Day, keyNumber uint8) Key {
	return h.finish(h.tag(kindTag, sender, expires, keyNumber), sender)
}

// Answered returns the key of the count of bounces that were accepted for an issued tag (see [Hasher.Tag]).
func (h *Hasher) Answered(sender string, expires Day, keyNumber uint8) Key {
	return h.finish(h.tag(kindAnswered, sender, expires, keyNumber), sender)
}

// Failed returns the key of the count of recipients that these bounces reported as failed, each of them once.
func (h *Hasher) Failed(sender string, expires Day, keyNumber uint8) Key {
	return h.finish(h.tag(kindFailed, sender, expires, keyNumber), sender)
}

// FailedRecipient returns the key of the record that one of these bounces reported recipient as failed.
func (h *Hasher) FailedRecipient(sender string, expires Day, keyNumber uint8, recipient string) Key {
	s := h.tag(kindFailedTo, sender, expires, keyNumber)
	s.in = appendField(s.in, recipient)
	return h.finish(s, sender)
}

func (h *Hasher) tag(kind byte, sender string, expires Day, keyNumber uint8) *hashState {
	s := h.begin(kind)
	s.in = appendField(s.in, sender)
	s.in = binary.BigEndian.AppendUint32(s.in, uint32(expires))
	s.in = append(s.in, keyNumber)
	return s
}

// Unsigned returns the key of the record that mail of sender was left unsigned on purpose, so that bounces to it have no tag.
func (h *Hasher) Unsigned(sender string) Key { return h.one(kindUnsigned, sender) }

// Message returns the key of a message that sender sent, by its Message-ID (RFC 5322 section 3.6.4, without angle brackets). It takes
// both to find the record, so that a Message-ID seen in public proves nothing about other addresses.
func (h *Hasher) Message(sender, messageID string) Key { return h.pair(kindMessage, sender, messageID) }

// Proven returns the key of the count of bounces that a message has proven.
func (h *Hasher) Proven(sender, messageID string) Key { return h.pair(kindProven, sender, messageID) }

// Correspondent returns the key of the record that sender wrote to an address in domain.
func (h *Hasher) Correspondent(sender, domain string) Key {
	return h.pair(kindCorrespondent, sender, domain)
}

// Trusted returns the key of the count of bounces to recipient that were accepted for the correspondent's domain alone.
func (h *Hasher) Trusted(recipient string) Key { return h.one(kindTrusted, recipient) }

// Unproven returns the key of the count of automatic replies and bounces to recipient that were accepted although nothing proved them.
func (h *Hasher) Unproven(recipient string) Key { return h.one(kindUnproven, recipient) }

// Unclear returns the key of the same count of messages of which it is unclear whether they are automatic replies or bounces.
func (h *Hasher) Unclear(recipient string) Key { return h.one(kindUnclear, recipient) }

// KeyID returns a name for a signing key, 16 hexadecimal digits, by which nodes distinguish keys without showing them. It is made from the
// fingerprint of the key. A reader of the store needs the hasher's secret, too, to try out keys on it.
func (h *Hasher) KeyID(fingerprint string) string {
	s := h.begin(kindKeyID)
	s.in = appendField(s.in, fingerprint)
	k := h.finish(s, "")
	return hex.EncodeToString(k[:8])
}

// Revocation returns the name of the broadcast that revokes something of a kind, 12 hexadecimal digits.
func (h *Hasher) Revocation(kind, revoked string) string {
	k := h.pair(kindRevoked, kind, revoked)
	return hex.EncodeToString(k[1:7])
}

// WrongTag returns a key for a tag whose signature is not that of the sender. No record has it: it tells such tags apart, and chooses some
// of them in a way that an outsider cannot foresee and that all nodes share.
func (h *Hasher) WrongTag(sender, tag string) Key { return h.pair(kindWrongTag, sender, tag) }

func (h *Hasher) one(kind byte, address string) Key {
	s := h.begin(kind)
	s.in = appendField(s.in, address)
	return h.finish(s, address)
}

func (h *Hasher) pair(kind byte, a, b string) Key {
	s := h.begin(kind)
	s.in = appendField(s.in, a)
	s.in = appendField(s.in, b)
	return h.finish(s, a)
}

// KeyCheck returns the key check value of the secret: a key with nothing behind it. A daemon that finds its record knows that
// the store was written under the same secret.
func (h *Hasher) KeyCheck() Key { return h.finish(h.begin(kindKeyCheck), "") }

// appendField appends the length of a field and the field, so that two different lists of fields never give the same input.
func appendField(in []byte, field string) []byte {
	in = binary.BigEndian.AppendUint32(in, uint32(len(field)))
	return append(in, field...)
}

func (h *Hasher) begin(kind byte) *hashState {
	s := h.states.Get().(*hashState)
	s.in = append(s.in[:0], kind)
	return s
}

// finish returns the key of the input in s. The sender chooses the first octet; "" means no sender.
func (h *Hasher) finish(s *hashState, sender string) Key {
	s.mac.Reset()
	s.mac.Write(s.in) // never fails, see hash.Hash
	s.sum = s.mac.Sum(s.sum[:0])
	k := Key(s.sum[:KeySize])
	if sender != "" {
		k[0] = h.shard(sender)
	}
	if cap(s.in) <= maxPooledInput {
		h.states.Put(s)
	}
	return k
}

// shard returns the first octet of a sender's keys: the highest octet of the 32-bit FNV-1a hash of the address without its extension, from
// "+" to "@". The hash begins with a seed that is derived from the secret.
func (h *Hasher) shard(sender string) byte {
	const prime = 16777619
	sum := 2166136261 ^ h.seed
	extension := false
	for i := range len(sender) {
		switch c := sender[i]; {
		case c == '+' && i > 0:
			extension = true
		case c == '@':
			extension = false
			fallthrough
		default:
			if !extension {
				sum = (sum ^ uint32(c)) * prime
			}
		}
	}
	return byte(sum >> 24)
}

// hidden is printed instead of a Hasher.
const hidden = "store.Hasher(secret hidden)"

// String implements [fmt.Stringer] and shows nothing of the secret.
func (h *Hasher) String() string { return hidden }

// Format implements [fmt.Formatter] and shows nothing of the secret, for any verb.
func (h *Hasher) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, hidden) }

// LogValue implements [slog.LogValuer] and shows nothing of the secret.
func (h *Hasher) LogValue() slog.Value { return slog.StringValue(hidden) }
