package bounce

import "strings"

// findAddress returns the first address in s at or after from, and where it is, without its angle brackets. It finds
// addresses in the usual form; RFC 5322 section 3.4.1 allows more, which no report has been seen to use.
func findAddress(w *work, s string, from int) (address string, start, end int) {
	for from < len(s) {
		at := strings.IndexByte(s[from:], '@')
		if at < 0 {
			w.skim(len(s) - from)
			return "", -1, -1
		}
		at += from
		w.items(1)
		w.skim(at - from)
		start, end = localStart(s, from, at), domainEnd(s, at+1)
		if end < len(s) && s[end] == '\'' {
			// 'user@example.com' behind other text: the local part begins after the quotation mark.
			near := max(from, at-maxAddressBytes)
			start = max(start, near+strings.LastIndexByte(s[near:at], '\'')+1)
		}
		w.look(2 * (end - start))
		if start < at && end > at+1 && end-start <= maxAddressBytes {
			return s[start:end], start, end
		}
		from = at + 1
	}
	return "", -1, -1
}

// maxQuotedLocal is how many octets a local part in quotation marks has at most (RFC 5321 section 4.5.3.1), with them and a margin.
const maxQuotedLocal = 67

// localStart returns where the local part that ends in front of at begins.
func localStart(s string, from, at int) int {
	if at > from && s[at-1] == '"' {
		from = max(from, at-maxQuotedLocal)
		if open := strings.LastIndexByte(s[from:at-1], '"'); open >= 0 {
			return from + open
		}
		return at
	}
	i := at
	for i > from && at-i < 256 && isAtext(s[i-1]) {
		i--
	}
	// Octets above ASCII may be text right in front of the address. They belong to it only between angle brackets.
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
		if end := strings.IndexByte(s[i:min(len(s), i+64)], ']'); end > 0 {
			return i + end + 1
		}
		return from
	}
	for i < len(s) && (isAlnum(s[i]) || s[i] == '-' || s[i] == '.' || s[i] == '_' || s[i] >= 0x80) {
		i++
	}
	// In a sentence, a domain ends where octets above ASCII begin; between angle brackets it may contain them.
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

// isAtext says whether c may be in a local part: atext (RFC 5322 section 3.2.3), the dot, and octets above ASCII (RFC 6532
// section 3.2).
func isAtext(c byte) bool {
	if c < 0x40 {
		return atext[0]&(1<<c) != 0
	}
	return c >= 0x80 || atext[1]&(1<<(c-0x40)) != 0
}

// atext has a bit for each octet of ASCII that isAtext is true of.
var atext = func() (set [2]uint64) {
	for _, c := range "!#$%&'*+-/=?^_`{|}~.0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz" {
		set[c/0x40] |= 1 << (c % 0x40)
	}
	return set
}()

// fieldAddress returns the address in a field such as From or "rfc822; user@example.com". If the field has no address, it
// returns what is between angle brackets or after the type. It reads the first maxAuthorField octets.
func fieldAddress(value string) string {
	value = value[:min(len(value), maxAuthorField)]
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
		return value // which may have letters above ASCII (RFC 6533)
	}
	if a, _, _ := findAddress(newWork(len(value)), value, 0); a != "" {
		return a
	}
	value, _, _ = strings.Cut(value, " (")
	return strings.Trim(value, " \t\"<>,;")
}

// fieldAddresses returns the addresses of a field like To, at most limit.
func fieldAddresses(w *work, value string, limit int) []string {
	var list []string
	value = value[:min(len(value), maxAddressField)]
	for i := 0; len(list) < limit; {
		a, _, end := findAddress(w, value, i)
		if a == "" {
			break
		}
		list = append(list, a)
		i = end
	}
	return list
}
