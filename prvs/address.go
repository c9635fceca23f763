package prvs

import "strings"

// Address is an RFC 5321 mailbox in the form it has on the wire, without angle brackets.
//
// The zero Address is the null sender. Addresses compare with ==, octet by octet; compare what [Address.Fold] returns
// to find out whether two of them name the same mailbox.
type Address struct {
	Local  string // local part as it was written, with its quotes if it had any
	Domain string // domain or address literal, without the "@"; empty if the address had none
}

// IsNull reports whether a is the null sender, "<>".
func (a Address) IsNull() bool { return a == Address{} }

// String returns the address in wire form without angle brackets, ready for [ParseAddress]. The null sender is "".
func (a Address) String() string {
	if a.Domain == "" {
		return a.Local
	}
	return a.Local + "@" + a.Domain
}

// Fold returns the address in the one form that all spellings of it share: lower case, and the local part quoted only
// if RFC 5321 needs it to be. Case is folded in the local part too, which RFC 5321 (2.4) leaves to the receiving
// host, because many relays fold it. A site that tells users apart by case loses nothing but that one user's tag
// verifies for the other.
//
// Lower case is that of ASCII, and for other letters that of [unicode.ToLower]. Nothing is allocated if a is in this
// form already.
func (a Address) Fold() Address {
	return Address{Local: foldLocal(a.Local), Domain: strings.ToLower(a.Domain)}
}

// appendAddress appends what a.String() returns, with local part and domain folded where that is asked for, without
// allocating for ASCII addresses without quotes.
func appendAddress(dst []byte, a Address, foldedLocal, foldedDomain bool) []byte {
	switch {
	case !foldedLocal:
		dst = append(dst, a.Local...)
	case isDotString(a.Local):
		dst = appendLower(dst, a.Local)
	default:
		dst = append(dst, foldLocal(a.Local)...)
	}
	switch {
	case a.Domain == "":
		return dst
	case foldedDomain:
		return appendLower(append(dst, '@'), a.Domain)
	}
	return append(append(dst, '@'), a.Domain...)
}

// appendLower appends strings.ToLower(s), without allocating for ASCII.
func appendLower(dst []byte, s string) []byte {
	start := len(dst)
	for i := range len(s) {
		c := s[i]
		switch {
		case 'A' <= c && c <= 'Z':
			c += 'a' - 'A'
		case c >= 0x80:
			return append(dst[:start], strings.ToLower(s)...)
		}
		dst = append(dst, c)
	}
	return dst
}
