package bounce

import "strings"

// findAddress returns the first address in s at or after from, and where it stands without its angle brackets. It knows
// addresses the way people write them; RFC 5322 allows more, which no report has been seen to use.
func findAddress(s string, from int) (address string, start, end int) {
	for from < len(s) {
		at := strings.IndexByte(s[from:], '@')
		if at < 0 {
			return "", -1, -1
		}
		at += from
		start, end = localStart(s, from, at), domainEnd(s, at+1)
		if end < len(s) && s[end] == '\'' {
			// 'user@example.com' with something in front of it: the local part begins behind the quotation mark.
			start = max(start, from+strings.LastIndexByte(s[from:at], '\'')+1)
		}
		if start < at && end > at+1 && end-start <= maxAddressBytes {
			return s[start:end], start, end
		}
		from = at + 1
	}
	return "", -1, -1
}

// localStart returns where the local part that ends in front of at begins.
func localStart(s string, from, at int) int {
	if at > from && s[at-1] == '"' {
		if open := strings.LastIndexByte(s[from:at-1], '"'); open >= 0 && at-open-from < 68 {
			return from + open
		}
		return at
	}
	i := at
	for i > from && at-i < 256 && isAtext(s[i-1]) {
		i--
	}
	// Octets above ASCII may be text that stands right in front; they count between angle brackets alone.
	if i == 0 || s[i-1] != '<' {
		for k := at; k > i; k-- {
			if s[k-1] >= 0x80 {
				i = k
				break
			}
		}
	}
	for i < at && (s[i] == '.' || s[i] == '\'' || s[i] == '=' || s[i] == '*' || s[i] == '`') {
		i++
	}
	return i
}

func domainEnd(s string, from int) int {
	i := from
	if i < len(s) && s[i] == '[' { // an address literal
		if end := strings.IndexByte(s[i:], ']'); end > 0 && end < 64 {
			return i + end + 1
		}
		return from
	}
	for i < len(s) && (isAlnum(s[i]) || s[i] == '-' || s[i] == '.' || s[i] == '_' || s[i] >= 0x80) {
		i++
	}
	// A domain in a sentence ends where octets above ASCII begin, unless all of it is between angle brackets.
	if i < len(s) && s[i] != '>' || i == len(s) {
		for k := from; k < i; k++ {
			if s[k] >= 0x80 {
				i = k
				break
			}
		}
	}
	for i > from && (s[i-1] == '.' || s[i-1] == '-' || s[i-1] == '_') {
		i--
	}
	return i
}

func isAlnum(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

// isAtext says whether c may stand in a local part: RFC 5322's atext, the dot, and RFC 6532's octets above ASCII.
func isAtext(c byte) bool {
	return isAlnum(c) || c >= 0x80 || strings.IndexByte("!#$%&'*+-/=?^_`{|}~.", c) >= 0
}

// fieldAddress returns the address in a field such as From or "rfc822; user@example.com"; without one in it, what the
// field has between angle brackets or after its type.
func fieldAddress(value string) string {
	if i := strings.IndexByte(value, ';'); i >= 0 && i < 20 && !strings.ContainsAny(value[:i], "@<\"") {
		value = value[i+1:]
	}
	value = strings.TrimSpace(value)
	if open := strings.LastIndexByte(value, '<'); open >= 0 {
		if end := strings.IndexByte(value[open:], '>'); end > 0 {
			inner := strings.TrimSpace(value[open+1 : open+end])
			if inner != "" || strings.IndexByte(value, '@') < 0 {
				return inner
			}
		}
	}
	if !strings.ContainsAny(value, " \t<>()\",;:") {
		return value // also one with letters above ASCII (RFC 6533)
	}
	if a, _, _ := findAddress(value, 0); a != "" {
		return a
	}
	value, _, _ = strings.Cut(value, " (")
	return strings.Trim(value, " \t\"<>,;")
}

// fieldAddresses returns the addresses of a field like To, at most limit.
func fieldAddresses(value string, limit int) []string {
	var list []string
	for i := 0; len(list) < limit; {
		a, _, end := findAddress(value, i)
		if a == "" {
			break
		}
		list = append(list, a)
		i = end
	}
	return list
}
