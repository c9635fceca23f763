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

// Fold returns the address in the one form that all its spellings share: in lower case, its domain as [FoldDomain] returns it, and with
// quotes around the local part only if RFC 5321 section 4.1.2 needs them. It folds the case of the local part too, because many relays do, although
// RFC 5321 section 2.4 leaves that to the receiving host. At a site that distinguishes users by case, the tag of one user
// then verifies for the other, and nothing else changes.
//
// Lower case is that of ASCII, and for other letters that of [unicode.ToLower]. If a is in this form already, Fold allocates
// nothing.
func (a Address) Fold() Address {
	return Address{Local: foldLocal(a.Local), Domain: FoldDomain(a.Domain)}
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
		return appendFoldedDomain(append(dst, '@'), a.Domain)
	}
	return append(append(dst, '@'), a.Domain...)
}

// appendFoldedDomain appends FoldDomain(s). It does not allocate for ASCII.
func appendFoldedDomain(dst []byte, s string) []byte {
	if isASCII(s) {
		return appendLower(dst, s)
	}
	return append(dst, FoldDomain(s)...)
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

// maxExtensions is how many delimiters of a local part are tried as the beginning of an extension. Names have few; each adds to the
// chance that a guessed tag is good, and to what a bounce is looked up for.
const maxExtensions = 8

// WithoutExtensions returns the address without what may be its extension, once for each of the first eight delimiters in its local
// part, the longest first. Which delimiter begins the extension does not show: the name of a user may have one, and VERP adds
// +recipient=domain to whatever the sender was. Before a "=", "+" and "-" count as delimiters in any case: these two begin what VERP adds.
// A quoted local part has no extension.
func (a Address) WithoutExtensions(delimiters string) []Address {
	cuts, n := extensions(a.Local, delimiters)
	if n == 0 {
		return nil
	}
	list := make([]Address, 0, n)
	for i := n - 1; i >= 0; i-- {
		list = append(list, Address{Local: a.Local[:cuts[i]], Domain: a.Domain})
	}
	return list
}

// extensions returns at which of its octets an extension of a local part may begin, the first one first.
func extensions(local, delimiters string) (cuts [maxExtensions]int, n int) {
	if strings.IndexByte(local, '"') >= 0 {
		return cuts, 0
	}
	verp := strings.LastIndexByte(local, '=')
	for i := 1; i < len(local) && n < maxExtensions; i++ {
		if c := local[i]; strings.IndexByte(delimiters, c) >= 0 || (c == '+' || c == '-') && i+1 < verp {
			cuts[n] = i
			n++
		}
	}
	return cuts, n
}

// isDelimiter says whether c can be a delimiter: an ASCII character of local parts, but for those that tags and VERP need.
func isDelimiter(c byte) bool {
	return isAtext(c) && c < 0x80 && c != '=' && !isDigit(c) && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') || c == '.'
}
