package prvs

import (
	"encoding/hex"
	"strings"
)

const (
	tagType   = "prvs"
	tagPrefix = tagType + "="       // what a local part in standard form begins with
	tagInfix  = "+" + tagType + "=" // what separates user and tag in sub-address form

	tagLen = 4 + 2*macLen // KDDDSSSSSS
)

// tag is a parsed KDDDSSSSSS.
type tag struct {
	number uint8
	ddd    int
	mac    [macLen]byte
}

// append appends KDDDSSSSSS in lower case.
//
// QUIRK: Exim accepts no upper case.
func (t tag) append(dst []byte) []byte {
	digits := prefix(t.number, t.ddd)
	return hex.AppendEncode(append(dst, digits[:]...), t.mac[:])
}

// parseTag reads KDDDSSSSSS, with hexadecimal digits in any case.
func parseTag(s string) (t tag, ok bool) {
	if len(s) != tagLen {
		return tag{}, false
	}
	for i := range 4 {
		if !isDigit(s[i]) {
			return tag{}, false
		}
	}
	t.number = s[0] - '0'
	t.ddd = int(s[1]-'0')*100 + int(s[2]-'0')*10 + int(s[3]-'0')
	for i := range t.mac {
		high, low := hexValue(s[4+2*i]), hexValue(s[5+2*i])
		if high > 15 || low > 15 {
			return tag{}, false
		}
		t.mac[i] = high<<4 | low
	}
	return t, true
}

// TagOf returns the tag in an address as KDDDSSSSSS, in lower case, or "" if there is none or it is malformed. It says nothing about
// whether the tag is valid.
func TagOf(a Address) string {
	s := splitLocal(a.Local)
	if s.status != Valid {
		return ""
	}
	return string(s.tag.append(nil))
}

// split is a local part and the tag in it.
type split struct {
	status Status // Untagged, Malformed, or Valid if there is a tag, which is not yet verified
	form   Form
	tag    tag
	sender string // local part that was signed; for a malformed tag what was recognised of it
	suffix string // extension after the tag of a sub-address, with its delimiter
}

// splitLocal looks for a tag in a local part, which may have quotes.
func splitLocal(local string) split {
	if hasTagPrefix(local) {
		s := splitStandard(local[len(tagPrefix):])
		switch {
		case s.status == Malformed && strings.IndexByte(s.sender, '"') >= 0:
			s.sender = "" // The "=" at which it was split may have been between the quotes.
		case strings.HasPrefix(s.sender, "@"):
			s.sender = quote(s.sender) // Without quotes it would be a source route.
		}
		return s
	}
	quoted := strings.IndexByte(local, '"') >= 0
	text := local
	if quoted {
		text = unquote(local)
	}
	var s split
	if hasTagPrefix(text) {
		s = splitStandard(text[len(tagPrefix):])
	} else {
		s = splitSubAddress(text)
	}
	if quoted && s.sender != "" {
		s.sender = quote(s.sender)
	}
	return s
}

// splitStandard splits what follows "prvs=". The first "=" in it ends the tag, all others belong to the original local part
// (draft section 3).
func splitStandard(s string) split {
	value, rest, found := strings.Cut(s, "=")
	if t, ok := parseTag(value); ok && found && rest != "" {
		return split{status: Valid, form: Standard, tag: t, sender: rest}
	}
	return split{status: Malformed, form: Standard, sender: guessSender(value, rest)}
}

// guessSender returns the original of a tag in another form than the draft's: prvs=TAG=user with a tag of another length, or
// prvs=user=TAG and prvs=user/TAG, which older drafts and vendors' documents have.
//
// QUIRK: Cisco's tags have 9 digits.
func guessSender(value, rest string) string {
	if rest == "" {
		user, value, found := strings.Cut(value, "/")
		if found && looksLikeTag(value) {
			return user
		}
		return ""
	}
	if looksLikeTag(rest) && !looksLikeTag(value) {
		return value
	}
	return rest
}

// looksLikeTag reports whether s could be the tag of another product: about ten hexadecimal digits, of which the first is
// decimal.
func looksLikeTag(s string) bool {
	if len(s) < tagLen-2 || len(s) > tagLen+2 || !isDigit(s[0]) {
		return false
	}
	for i := range len(s) {
		if hexValue(s[i]) > 15 {
			return false
		}
	}
	return true
}

// splitSubAddress looks for the last "+prvs=". A tag in this form ends the local part, or a delimiter follows it. So
// list+prvs=0123456789=user=remote.example has none: it is a VERP address that names the tagged address of another site.
func splitSubAddress(s string) split {
	bad := split{status: Untagged}
	for end := len(s); ; {
		at := lastTagInfix(s[:end])
		if at < 0 {
			return bad
		}
		value, suffix := s[at+len(tagInfix):], ""
		if len(value) > tagLen && isDelimiter(value[tagLen]) {
			value, suffix = value[:tagLen], value[tagLen:]
		}
		if t, ok := parseTag(value); ok && at > 0 {
			return split{status: Valid, form: SubAddress, tag: t, sender: s[:at], suffix: suffix}
		}
		value, _, _ = strings.Cut(value, "+")
		if bad.status == Untagged && strings.IndexByte(value, '=') < 0 {
			bad = split{status: Malformed, form: SubAddress, sender: s[:at]}
		}
		end = at
	}
}

// hasTagPrefix reports whether s begins with "prvs=" in any case: the tag type is case-insensitive (draft section 3).
func hasTagPrefix(s string) bool {
	return len(s) >= len(tagPrefix) && strings.EqualFold(s[:len(tagPrefix)], tagPrefix)
}

// lastTagInfix returns the position of the last "+prvs=" in s, in any case, or -1.
func lastTagInfix(s string) int {
	for {
		at := strings.LastIndexByte(s, '+')
		if at < 0 || hasTagPrefix(s[at+1:]) {
			return at
		}
		s = s[:at]
	}
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// hexValue returns the value of a hexadecimal digit in any case, and 16 for all other characters.
func hexValue(c byte) byte {
	switch {
	case isDigit(c):
		return c - '0'
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10
	}
	return 16
}
