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

// Kinds of record. The kind is the first octet that is hashed, so that a key of one kind never equals a key of
// another. A new kind of record gets its own octet here and its own method on [Hasher]. Values are part of the stored
// format: never reuse or renumber one.
const (
	kindTag           = 't'
	kindUnsigned      = 'u'
	kindKeyCheck      = 'w'
	kindMessage       = 'm'
	kindProven        = 'p'
	kindCorrespondent = 'c'
	kindTrusted       = 'r'
	kindKeyID         = 'k'
	kindSeal          = 's'
	kindShard         = 'h'
	kindAnswered      = 'a'
	kindFailed        = 'f'
	kindFailedTo      = 'e'
	kindRevoked       = 'v'
)

// Hasher turns what a record is about into a [Key], so that no address reaches a store in clear: HMAC-SHA-256
// (RFC 2104, FIPS 180-4) under the site's secret, cut to [KeySize] octets. Without the secret nobody who reads a store
// can try out addresses.
//
// All nodes that share a store need the same secret. With another secret every record is absent.
//
// The first octet of a key depends on the sender alone, whatever extension its address has: a store that is spread over several
// servers keeps all that belongs to one sender on one of them.
//
// A Hasher is safe for concurrent use and never shows its secret, whatever the formatting verb.
type Hasher struct {
	states sync.Pool // of *hashState
	seed   uint32    // of the first octets
}

// hashState is what one computation needs. It is pooled because a fresh HMAC costs more than the hash itself.
type hashState struct {
	mac hash.Hash
	in  []byte
	sum []byte
}

// inputSize holds the input for an address of the largest size that SMTP allows (RFC 5321 section 4.5.3.1).
const inputSize = 384

// maxPooledInput bounds what an oversized sender can leave behind in the pool, in octets.
const maxPooledInput = 4096

// NewHasher returns a Hasher under secret, which it copies. The secret should have 32 random octets; it must not be
// one of the keys that sign tags.
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

// Tag returns the key of an issued tag. The three arguments are all that tells one tag from another: tags of one
// sender, one last day of validity and one key number are the same tag.
//
// The sender is hashed as given. A caller that wants a tag to be found when its address comes back in another case
// must fold the address the same way when it records and when it looks up.
func (h *Hasher) Tag(sender string, expires Day, keyNumber uint8) Key {
	return h.finish(h.tag(kindTag, sender, expires, keyNumber), sender)
}

// Answered returns the key under which the bounces are counted that were accepted for an issued tag. See [Hasher.Tag].
func (h *Hasher) Answered(sender string, expires Day, keyNumber uint8) Key {
	return h.finish(h.tag(kindAnswered, sender, expires, keyNumber), sender)
}

// Failed returns the key under which the recipients are counted that these bounces named as failed, each of them once.
func (h *Hasher) Failed(sender string, expires Day, keyNumber uint8) Key {
	return h.finish(h.tag(kindFailed, sender, expires, keyNumber), sender)
}

// FailedRecipient returns the key that says that one of these bounces named recipient as failed. The recipient is hashed as
// given, like the sender.
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

// Unsigned returns the key that says that mail of sender was left unsigned on purpose, so that an untagged bounce to
// it is expected. The sender is hashed as given, see [Hasher.Tag].
func (h *Hasher) Unsigned(sender string) Key {
	s := h.begin(kindUnsigned)
	s.in = appendField(s.in, sender)
	return h.finish(s, sender)
}

// Message returns the key of a message that sender sent. Only who knows both the sender and the Message-ID (RFC 5322
// section 3.6.4, without angle brackets) finds it, so a Message-ID seen in public proves nothing about other addresses.
// Both are hashed as given, see [Hasher.Tag].
func (h *Hasher) Message(sender, messageID string) Key { return h.pair(kindMessage, sender, messageID) }

// Proven returns the key under which the bounces are counted that a message has proven.
func (h *Hasher) Proven(sender, messageID string) Key { return h.pair(kindProven, sender, messageID) }

// Correspondent returns the key that says that sender wrote to an address in domain.
func (h *Hasher) Correspondent(sender, domain string) Key {
	return h.pair(kindCorrespondent, sender, domain)
}

// Trusted returns the key under which the bounces to recipient are counted that nothing but the correspondent's domain
// spoke for.
func (h *Hasher) Trusted(recipient string) Key {
	s := h.begin(kindTrusted)
	s.in = appendField(s.in, recipient)
	return h.finish(s, recipient)
}

// KeyID returns what nodes tell each other a secret apart by, in hexadecimal. It is made from a fingerprint of the secret, and
// who has not the hasher's secret as well cannot try out secrets on it.
func (h *Hasher) KeyID(fingerprint string) string {
	s := h.begin(kindKeyID)
	s.in = appendField(s.in, fingerprint)
	k := h.finish(s, "")
	return hex.EncodeToString(k[:8])
}

// Revocation returns the name under which nodes tell each other that something is revoked, in hexadecimal. kind says what
// kind of thing it is.
func (h *Hasher) Revocation(kind, revoked string) string {
	k := h.pair(kindRevoked, kind, revoked)
	return hex.EncodeToString(k[1:7])
}

func (h *Hasher) pair(kind byte, a, b string) Key {
	s := h.begin(kind)
	s.in = appendField(s.in, a)
	s.in = appendField(s.in, b)
	return h.finish(s, a)
}

// KeyCheck returns the key of a record about nothing. Whoever finds it knows that the store was written under the same
// secret.
func (h *Hasher) KeyCheck() Key { return h.finish(h.begin(kindKeyCheck), "") }

// appendField appends a field behind its length, so that two different lists of fields never give the same input.
func appendField(in []byte, field string) []byte {
	in = binary.BigEndian.AppendUint32(in, uint32(len(field)))
	return append(in, field...)
}

func (h *Hasher) begin(kind byte) *hashState {
	s := h.states.Get().(*hashState)
	s.in = append(s.in[:0], kind)
	return s
}

// finish returns the key of what was collected, which belongs to a sender; "" for nobody.
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

// shard returns the first octet of a sender's keys: FNV-1a of the address without its extension, from "+" to "@". It begins
// with a seed that comes from the secret.
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

// hidden is what a Hasher shows of itself.
const hidden = "store.Hasher(secret hidden)"

// String implements [fmt.Stringer] and shows nothing of the secret.
func (h *Hasher) String() string { return hidden }

// Format implements [fmt.Formatter] and shows nothing of the secret, for any verb.
func (h *Hasher) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, hidden) }

// LogValue implements [slog.LogValuer] and shows nothing of the secret.
func (h *Hasher) LogValue() slog.Value { return slog.StringValue(hidden) }
