package prvs

import "strings"

// foldLocal returns a local part in lower case, with quotes only if it needs them.
func foldLocal(local string) string {
	local = strings.ToLower(local)
	if local == "" || isDotString(local) || isCanonicalQuoted(local) { // "" is the null sender, not an empty string
		return local
	}
	return quote(unquote(local))
}

// quote returns the local part whose text is text: text itself if it is a Dot-string, or else a Quoted-string that escapes
// only what it must (RFC 5321 section 4.1.2).
func quote(text string) string {
	if isDotString(text) {
		return text
	}
	return string(append(appendEscaped([]byte{'"'}, text), '"'))
}

// appendEscaped appends text in the form that it has between the quotes of a Quoted-string.
func appendEscaped(dst []byte, text string) []byte {
	for i := range len(text) {
		if text[i] == '"' || text[i] == '\\' {
			dst = append(dst, '\\')
		}
		dst = append(dst, text[i])
	}
	return dst
}

// escapedLen returns how many octets appendEscaped appends.
func escapedLen(text string) int {
	return len(text) + strings.Count(text, `"`) + strings.Count(text, `\`)
}

// unquote returns the text of a local part, without quotes and escapes.
func unquote(local string) string {
	if strings.IndexByte(local, '"') < 0 && strings.IndexByte(local, '\\') < 0 {
		return local
	}
	text := make([]byte, 0, len(local))
	for i := 0; i < len(local); i++ {
		switch local[i] {
		case '"':
			continue
		case '\\':
			if i+1 < len(local) {
				i++
			}
		}
		text = append(text, local[i])
	}
	return string(text)
}

// isCanonicalQuoted reports whether local is a Quoted-string that quote would return.
func isCanonicalQuoted(local string) bool {
	if len(local) < 2 || local[0] != '"' || local[len(local)-1] != '"' {
		return false
	}
	text := local[1 : len(local)-1]
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '"':
			return false
		case '\\':
			i++
			if i == len(text) || text[i] != '"' && text[i] != '\\' {
				return false
			}
		}
	}
	return !isDotString(text)
}

// isDotString reports whether s is a Dot-string (RFC 5321 section 4.1.2, with the UTF-8 of RFC 6531 section 3.3):
// atoms separated by single dots.
func isDotString(s string) bool {
	dot := true // An atom must come before and after each dot.
	for i := range len(s) {
		switch {
		case s[i] == '.':
			if dot {
				return false
			}
			dot = true
		case isAtext(s[i]):
			dot = false
		default:
			return false
		}
	}
	return !dot
}

// isAtext reports whether c may be in an atom (RFC 5322 section 3.2.3) or is part of a character above ASCII.
func isAtext(c byte) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c >= 0x80:
		return true
	}
	return strings.IndexByte("!#$%&'*+-/=?^_`{|}~", c) >= 0
}
