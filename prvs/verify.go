package prvs

import (
	"fmt"
	"strings"
)

// Status says what Verify found.
type Status uint8

const (
	Untagged     Status = iota // no prvs tag: a plain address, or the tag of another scheme (btv1, msprvs1, SRS0)
	Valid                      // made with one of the keys, and not expired
	Expired                    // made with one of the keys, too long ago
	BadSignature               // made with none of the keys, or for another address
	UnknownKey                 // no key in use has its number
	Malformed                  // prvs, but not of the shape KDDDSSSSSS
	Unverifiable               // an absent key has its number, and no other one made it
)

// String returns "untagged", "valid", "expired", "bad-signature", "unknown-key", "malformed" or "unverifiable".
func (s Status) String() string {
	switch s {
	case Untagged:
		return "untagged"
	case Valid:
		return "valid"
	case Expired:
		return "expired"
	case BadSignature:
		return "bad-signature"
	case UnknownKey:
		return "unknown-key"
	case Malformed:
		return "malformed"
	case Unverifiable:
		return "unverifiable"
	}
	return fmt.Sprintf("status %d", uint8(s))
}

// Result is what Verify found out about an address.
type Result struct {
	Status Status

	// Original is the address without its tag: where mail to it is to be delivered. It is the address itself if it
	// is untagged. Of a malformed tag it is what could be recognised, or else the zero Address. Its case and quotes
	// are those the address arrived with.
	Original Address

	// Sender is the address whose tag this is: Original, or, if a Valid or Expired tag was found to be made before
	// an extension was added (see Verify), Original without that. Fold it before comparing.
	Sender Address

	// Number, Expiry and Form are what the tag says; they are zero if it is untagged or malformed (Form excepted).
	// They can be trusted if the tag is Valid or Expired. Expiry is the last day on which the tag is, or was, valid:
	// of the days with its three digits, the next one if a valid tag may have it, else the last one.
	Number uint8
	Expiry Day
	Form   Form
	// OwnKey says of a Valid or Expired tag that it was made with a key of the domain's own, not with one for all domains.
	OwnKey bool
}

// Verify takes the tag off an address, which must come from [ParseAddress], and tests it. A tag is tested in this
// order: shape (Malformed), key number (UnknownKey), hash (BadSignature), day (Expired). In place of UnknownKey and BadSignature
// it is Unverifiable if an absent key may have made it (see [Key]).
//
// The hash of the draft covers the octets of the address, which change on their way, and which products write
// differently. A tag is good if it is the hash of one of these:
//
//  1. the address in folded form, which is what Sign hashes;
//  2. the address as it arrived: Exim, Halon and batv-tools sign it as written, in mixed case;
//  3. the same with its domain folded: they signed User@example.com, and a relay wrote User@EXAMPLE.COM;
//  4. and 5., 1 and 2 without what follows the last "+" of the local part: Postfix expands VERP (XVERP) after milters
//     have signed, which makes prvs=KDDDSSSSSS=list+user=remote.example@example.com;
//  6. and 7., the same with the first "+", for a list, or a subscriber, that has a "+" of its own.
//
// Only an address with upper case and two "+" is different in all seven, and each candidate adds a chance of one in
// 2^24 to a guess. The case of a local part that another product signed, and the case of a domain that was signed in
// upper case, cannot be recovered if they have changed on the way. An extension that follows the tag of a sub-address,
// user+prvs=KDDDSSSSSS+ext@example.com, was added after signing too; only user is hashed, and Original is user+ext.
//
// Nothing is allocated for ASCII addresses of up to 256 octets without quotes.
func (r *Ring) Verify(a Address, today Day) Result {
	s := splitLocal(a.Local)
	if s.status == Untagged {
		return Result{Status: Untagged, Original: a, Sender: a}
	}
	result := Result{Status: s.status, Form: s.form}
	if s.sender == "" {
		return result
	}
	result.Sender = Address{Local: s.sender, Domain: a.Domain}
	result.Original = result.Sender
	if s.suffix != "" {
		result.Original.Local = appendExtension(s.sender, s.suffix)
	}
	if s.status == Malformed {
		return result
	}

	result.Number = s.tag.number
	expiry, expired := today.until(s.tag.ddd, r.options.Window())
	result.Expiry = expiry

	keys := r.verifiers(a.Domain, s.tag.number)
	if keys[0] == nil && keys[1] == nil {
		result.Status = UnknownKey
		if r.absent(a.Domain, s.tag.number) {
			result.Status = Unverifiable
		}
		return result
	}
	sender, ok := s.tag.signer(keys[0], result.Sender)
	if result.OwnKey = ok; !ok {
		sender, ok = s.tag.signer(keys[1], result.Sender)
	}
	switch {
	case !ok && r.absent(a.Domain, s.tag.number):
		result.Status = Unverifiable
		return result
	case !ok:
		result.Status = BadSignature
		return result
	case expired:
		result.Status = Expired
	default:
		result.Status = Valid
	}
	result.Sender = sender
	return result
}

// appendExtension returns a local part with an extension that begins with "+".
func appendExtension(local, extension string) string {
	return quote(unquote(local) + extension)
}

// signer returns the address the tag was made for: sender, or sender without an extension. The candidates are those
// that the documentation of Verify lists, in its order; the folded one comes first because it is almost always right.
// A key that is nil has made nothing.
func (t tag) signer(key *macKey, sender Address) (Address, bool) {
	if key == nil {
		return sender, false
	}
	folded, asArrived, domainFolded := spelling{true, true}, spelling{false, false}, spelling{false, true}

	if t.matches(key, sender, folded) || t.matches(key, sender, asArrived) || t.matches(key, sender, domainFolded) {
		return sender, true
	}
	if strings.IndexByte(sender.Local, '"') >= 0 {
		return sender, false // VERP does not know quotes.
	}
	last, first := strings.LastIndexByte(sender.Local, '+'), strings.IndexByte(sender.Local, '+')
	for _, plus := range [...]int{last, first} {
		if plus <= 0 {
			continue
		}
		short := Address{Local: sender.Local[:plus], Domain: sender.Domain}
		if t.matches(key, short, folded) || t.matches(key, short, asArrived) {
			return short, true
		}
	}
	return sender, false
}

// spelling says which octets of an address are hashed.
type spelling struct{ foldedLocal, foldedDomain bool }

// matches reports whether the tag is that of the address, so spelled, under the key.
func (t tag) matches(key *macKey, a Address, how spelling) bool {
	var buf [messageLen]byte
	message := key.message(buf[:0], prefix(t.number, t.ddd))
	return equal(key.sum(appendAddress(message, a, how.foldedLocal, how.foldedDomain)), t.mac)
}
