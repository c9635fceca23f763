package prvs

import "errors"

// maxLocalLen is the number of octets that RFC 5321 section 4.5.3.1.1 allows a local part. Many hosts refuse more.
const maxLocalLen = 64

// Reasons for which an address is not signed. Sign and CanSign return them without wrapping them.
var (
	ErrNull     = errors.New("prvs: null sender or empty local part is not signed")
	ErrNoDomain = errors.New("prvs: address without a domain is not signed")
	ErrTagged   = errors.New("prvs: address carries a tag already")
	ErrTooLong  = errors.New("prvs: local part would exceed 64 octets with a tag")
	ErrNoKey    = errors.New("prvs: no signing key for the domain")
)

// Signed is an address with its tag.
type Signed struct {
	Address string // wire form without angle brackets, ready for MAIL FROM
	Number  uint8  // number of the key that signed it
	Expiry  Day    // last day on which the tag is valid
}

// CanSign returns the error that Sign returns for the address with any keys: [ErrNull], [ErrNoDomain], [ErrTagged] or
// [ErrTooLong], tested in this order; or nil.
func CanSign(a Address) error {
	text := unquote(a.Local)
	switch {
	case text == "":
		return ErrNull
	case a.Domain == "":
		return ErrNoDomain
	case splitLocal(a.Local).status != Untagged:
		return ErrTagged
	}
	n := len(tagPrefix) + tagLen + len("=") // len(tagInfix) + tagLen is the same
	if isDotString(text) {
		n += len(text)
	} else {
		n += escapedLen(text) + len(`""`)
	}
	if n > maxLocalLen {
		return ErrTooLong
	}
	return nil
}

// Sign returns a, which must come from [ParseAddress], with a tag that expires Lifetime days after today, rounded up
// to a multiple of Rotation days. On one day it returns the same for the same address (draft section 5).
//
// The tag is computed over a.Fold(). The returned address has the case of a. Its local part has quotes, around the whole of
// it, only if it needs them. Sign refuses an address with a tag of any key or product, even a malformed one, with
// [ErrTagged]: there must be only one tag (draft section 2.4.1). The other errors are those of [CanSign] and [ErrNoKey].
func (r *Ring) Sign(a Address, f Form, today Day) (Signed, error) {
	if err := CanSign(a); err != nil {
		return Signed{}, err
	}
	set := r.signer(a.Domain)
	if set.signing == nil {
		return Signed{}, ErrNoKey
	}
	expiry := (today + Day(r.options.Lifetime)).roundUp(r.options.Rotation)
	t := tag{number: set.number, ddd: expiry.ddd()}

	var buf [messageLen]byte
	message := set.signing.message(buf[:0], prefix(t.number, t.ddd))
	t.mac = set.signing.sum(appendAddress(message, a, true, true))

	var address [stackAddress]byte
	signed := append(appendTagged(address[:0], a.Local, f, t), '@')
	return Signed{Address: string(append(signed, a.Domain...)), Number: t.number, Expiry: expiry}, nil
}

// appendTagged appends a local part with a tag.
func appendTagged(dst []byte, local string, f Form, t tag) []byte {
	text := unquote(local)
	quoted := !isDotString(text)
	if quoted {
		dst = append(dst, '"')
	}
	if f != SubAddress {
		dst = append(t.append(append(dst, tagPrefix...)), '=')
	}
	if quoted {
		dst = appendEscaped(dst, text)
	} else {
		dst = append(dst, text...)
	}
	if f == SubAddress {
		dst = t.append(append(dst, tagInfix...))
	}
	if quoted {
		dst = append(dst, '"')
	}
	return dst
}
