package bounce

import (
	"html"
	"strings"
	"unicode"
)

// messageID reads a Message-ID from the value of a field: without angle brackets, without the white space that folding
// leaves in it, and with HTML entities and encoded words decoded. It accepts identifiers without angle brackets, because some
// software sends them.
func messageID(w *work, value string) string {
	value = value[:min(len(value), 4*maxMessageIDBytes)] // which is too long in any case
	if strings.Contains(value, "?=") {
		value = decodeWords(w, value) // QUIRK: gateways encode the field as if it were a text
	}
	return plainID(w, value)
}

// plainID is messageID for a value that is no field, and has no encoded words.
func plainID(w *work, value string) string {
	w.items(1)
	w.look(2 * len(value))
	if strings.Contains(value, "&") && (strings.Contains(value, "&lt;") || strings.Contains(value, "&#")) {
		value = html.UnescapeString(value)
	}
	id := value
	if open := strings.IndexByte(value, '<'); open >= 0 {
		id = value[open+1:]
		// Some software sends "<<a@b>>".
		id = strings.TrimLeft(id, "<")
		if end := strings.IndexByte(id, '>'); end >= 0 {
			id = id[:end]
		} else {
			id = firstWord(id)
		}
	} else {
		id = firstWord(id)
	}
	if strings.ContainsAny(id, " \t\n\r") {
		id = strings.Join(strings.Fields(id), "")
	}
	id = strings.Trim(id, `"';,`)
	if len(id) < 3 {
		return ""
	}
	id = strings.ToValidUTF8(id, "?")
	if len(id) > maxMessageIDBytes || strings.IndexFunc(id, unicode.IsControl) >= 0 {
		return "" // the controls U+0080 to U+009F as well, which terminals obey
	}
	return id
}

func firstWord(s string) string {
	s = strings.TrimSpace(s)
	if i := strings.IndexAny(s, " \t\n\r"); i >= 0 {
		return s[:i]
	}
	return s
}

// keyword returns the keyword of a structured field (RFC 3464 section 2.3.3), folded, without the comments that may be around it
// (RFC 5322 section 3.2.2).
func keyword(s string) string {
	s = strings.TrimSpace(s)
	for strings.HasPrefix(s, "(") {
		end := commentEnd(s)
		if end == 0 {
			break
		}
		s = strings.TrimSpace(s[end:])
	}
	if i := strings.IndexByte(s, '('); i > 0 {
		s = s[:i]
	}
	return strings.ToLower(firstWord(s))
}

// commentEnd returns where the comment ends that s begins with, 0 if it does not end.
func commentEnd(s string) int {
	depth := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return 0
}

// messageIDs reads the identifiers of In-Reply-To or References (RFC 5322 section 3.6.4), the last one first, at most limit.
func messageIDs(w *work, value string, limit int) []string {
	var ids []string
	value = value[max(0, len(value)-maxIDField):]
	for tried := 0; len(ids) < limit && tried < 4*limit+16; tried++ {
		open := strings.LastIndexByte(value, '<')
		if open < 0 {
			break
		}
		if id := messageID(w, value[open:]); strings.IndexByte(id, '@') > 0 {
			ids = append(ids, id)
		}
		value = value[:open]
	}
	if len(ids) == 0 {
		// Without angle brackets, the "@" distinguishes an identifier from the prose of old In-Reply-To fields.
		if id := messageID(w, value); strings.IndexByte(id, '@') > 0 {
			ids = append(ids, id)
		}
	}
	return ids
}
