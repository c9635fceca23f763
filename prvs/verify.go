package prvs

import (
	"fmt"
	"strings"
)

// Status is the result of Verify.
type Status uint8

const (
	Untagged     Status = iota // no prvs tag: a plain address, or the tag of another scheme (btv1, msprvs1, SRS0)
	Valid                      // made with one of the keys, and not expired
	Expired                    // made with one of the keys, and expired
	BadSignature               // made with none of the keys, or for another address
	UnknownKey                 // no key has its number, or only a retired one
	Malformed                  // prvs, but not in the form KDDDSSSSSS
	Unverifiable               // an absent key has its number, and no other key made it
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

// Result is what Verify returns about an address.
type Result struct {
	Status Status

	// Original is the address without its tag, to which mail is delivered. It is the address itself if that is
	// untagged. For a malformed tag it is what was recognised, or the zero Address. It has the case and quotes with
	// which the address arrived.
	Original Address

	// Sender is the address that was signed: Original, or, if an extension was added to a Valid or Expired tag's address
	// after it was signed (see Verify), Original without the extension. Fold it before you compare it.
	Sender Address

	// Number, Expiry and Form are what the tag says. Number and Expiry are zero if it is untagged or malformed, Form if it
	// is untagged. They are authentic if the tag is Valid or Expired. Expiry is the last day on which the tag is or was
	// valid: of the days with its three digits the next one if a valid tag may have it, or else the last one.
	Number uint8
	Expiry Day
	Form   Form
	// KeyDomain is the domain of the key that made a Valid or Expired tag, folded: "" for a key for all domains.
	KeyDomain string
}

// Verify removes the tag from an address, which must come from [ParseAddress], and verifies it, in this order: form
// (Malformed), key number (UnknownKey), hash (BadSignature), day (Expired). The result is Unverifiable in place of
// UnknownKey and BadSignature if an absent key may have made the tag (see [Key]).
//
// The draft hashes the octets of the address. Relays change these, and products write them differently. So a tag is good if
// it is the hash of one of these:
//
//  1. the address in folded form, which is what Sign hashes;
//  2. the address as it arrived: Exim, Halon and batv-tools sign it as written, in mixed case;
//  3. the same with its domain folded: they signed User@example.com, and a relay wrote User@EXAMPLE.COM;
//  4. and 5., only if the domain has U-labels, 2 and 1 with these in lower case: they sign them as written;
//  6. and further, 1 and 2 without an extension (see [Address.WithoutExtensions]): Postfix expands VERP (XVERP) after milters have
//     signed, which makes prvs=KDDDSSSSSS=list+user=remote.example@example.com, or list-user=remote.example with another
//     delimiter.
//
// An address without a delimiter and in lower case has one candidate, one with eight delimiters and upper case has nineteen, or
// twenty-one, for each key with the number of the tag. Each candidate adds a chance of one in 2^24 that a guess is good. If a relay has changed the case of a local part that another product signed, or of a domain that
// was signed in upper case, the tag does not verify. An extension after the tag of a sub-address,
// user+prvs=KDDDSSSSSS+ext@example.com, was added after signing too: only user is hashed, and Original is user+ext. Such an extension may
// begin with any delimiter.
//
// Verify allocates nothing for ASCII addresses of up to 256 octets without quotes.
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

	used, absent, ok := false, false, false
	sender := result.Sender
	r.sets(a.Domain, func(set *keyset) bool {
		absent = absent || set.absent[s.tag.number]
		if key := set.keys[s.tag.number]; key != nil {
			used = true
			if sender, ok = s.tag.signer(key, result.Sender, r.options.Delimiters); ok {
				result.KeyDomain = set.domain
			}
		}
		return !ok
	})
	switch {
	case ok:
	case absent:
		result.Status = Unverifiable
		return result
	case !used:
		result.Status = UnknownKey
		return result
	default:
		result.Status = BadSignature
		return result
	}
	result.Sender, result.Status = sender, Valid
	if expired {
		result.Status = Expired
	}
	return result
}

// appendExtension returns a local part with an extension that begins with a delimiter.
func appendExtension(local, extension string) string {
	return quote(unquote(local) + extension)
}

// signer returns the address that was signed: sender, or sender without an extension. It tries the candidates that the
// documentation of Verify lists, in this order; the first is almost always right.
func (t tag) signer(key *macKey, sender Address, delimiters string) (Address, bool) {
	folded, asArrived, domainFolded := spelling{true, true}, spelling{false, false}, spelling{false, true}

	if t.matches(key, sender, folded) || t.matches(key, sender, asArrived) || t.matches(key, sender, domainFolded) {
		return sender, true
	}
	if !isASCII(sender.Domain) {
		lower := Address{Local: sender.Local, Domain: strings.ToLower(sender.Domain)}
		if t.matches(key, lower, asArrived) || t.matches(key, lower, spelling{true, false}) {
			return sender, true
		}
	}
	cuts, n := extensions(sender.Local, delimiters)
	for i := n - 1; i >= 0; i-- {
		short := Address{Local: sender.Local[:cuts[i]], Domain: sender.Domain}
		if t.matches(key, short, folded) || t.matches(key, short, asArrived) {
			return short, true
		}
	}
	return sender, false
}

// spelling says which parts of an address are folded before it is hashed.
type spelling struct{ foldedLocal, foldedDomain bool }

// matches reports whether the tag is that of the address, in this spelling, under the key.
func (t tag) matches(key *macKey, a Address, how spelling) bool {
	var buf [messageLen]byte
	message := key.message(buf[:0], prefix(t.number, t.ddd))
	return equal(key.sum(appendAddress(message, a, how.foldedLocal, how.foldedDomain)), t.mac)
}
