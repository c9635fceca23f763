package prvs

import "strings"

// Address is a mailbox (RFC 5321 section 4.1.2) in its form on the wire, without angle brackets.
//
// The zero Address is the null sender. The operator == compares octets. To find out whether two addresses name the same
// mailbox, compare what [Address.Fold] returns.
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

// Fold returns the address in the one form that all its spellings share: in lower case, and with quotes around the local
// part only if RFC 5321 section 4.1.2 needs them. It folds the case of the local part too, because many relays do, although
// RFC 5321 section 2.4 leaves that to the receiving host. At a site that distinguishes users by case, the tag of one user
// then verifies for the other, and nothing else changes.
//
// Lower case is that of ASCII, and for other letters that of [unicode.ToLower]. If a is in this form already, Fold allocates
// nothing.
func (a Address) Fold() Address {
	return Address{Local: foldLocal(a.Local), Domain: strings.ToLower(a.Domain)}
}

// appendAddress appends what a.String() returns, with local part and domain folded on demand. It does not allocate for ASCII
// addresses without quotes.
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

// appendLower appends strings.ToLower(s). It does not allocate for ASCII.
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
