package bounce

import (
	"slices"
	"strings"
)

const (
	maxMentioned  = 4         // identifiers that are taken from one text
	mentionBytes  = 128 << 10 // of the text that are searched
	mentionWindow = 40        // octets between "id" and the other word of its label, the colon or the identifier
)

// mentionedIDs returns the Message-IDs that a text names, in a sentence or behind a label, in many languages: "message-id of
// 123@example.com received", "Nachrichten-ID: <...>", "ID du message : <...>", "邮件 ID：<...>".
func mentionedIDs(w *work, text string) []string {
	var ids []string
	text = text[:min(len(text), mentionBytes)]
	w.look(len(text))
	for at := 0; len(ids) < maxMentioned; {
		i := indexFold(text[at:], "id")
		if i < 0 {
			break
		}
		i += at
		w.items(2)
		id, end := labelledID(w, text, i)
		if id == "" {
			id = sentenceID(w, text, i)
		}
		if at = i + len("id"); id == "" {
			at = max(at, end) // what is no identifier has none in it
		}
		if id != "" && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// sentenceID returns the identifier that follows "message-id", whose "id" is at i, or "".
func sentenceID(w *work, text string, i int) string {
	const message = "message"
	before := i - len(message) - 1
	if before < 0 || !strings.EqualFold(text[before:i-1], message) || strings.IndexByte("- _", text[i-1]) < 0 {
		return ""
	}
	w.items(32) // the words that follow
	tail := text[i+len("id") : min(len(text), i+mentionWindow+maxMessageIDBytes)]
	if tail == "" || isAlnum(tail[0]) {
		return ""
	}
	if open := strings.IndexByte(tail[:min(len(tail), mentionWindow)], '<'); open >= 0 {
		value := tail[open:]
		if end := strings.IndexByte(value, '>'); end >= 0 {
			value = value[:end+1]
		}
		if id := plainID(w, value); strings.IndexByte(id, '@') > 0 {
			return id
		}
	}
	for _, word := range strings.Fields(tail[:min(len(tail), mentionWindow*5)]) {
		word = strings.Trim(word, ".,;:()[]<>")
		if at := strings.IndexByte(word, '@'); at > 0 && at < len(word)-1 {
			return plainID(w, word)
		}
	}
	return ""
}

// labelledID returns the identifier behind a label with the "id" at i, or "", and where what was looked at ends. Without angle brackets,
// the label must be about a message, for accounts have identifiers with "@" as well.
func labelledID(w *work, text string, i int) (id string, end int) {
	end = i + len("id")
	if len(text) >= i+len("ident") && strings.EqualFold(text[i:i+len("ident")], "ident") { // identifiant, identificador
		for end < len(text) && end < i+mentionWindow && isAlnum(text[end]) {
			end++
		}
	}
	start := max(0, i-mentionWindow)
	start += strings.LastIndexByte(text[start:i], '\n') + 1
	colon, value := cutLabel(text[end:])
	if value == "" || end < len(text) && isAlnum(text[end]) {
		return "", 0
	}
	w.items(12)
	front := strings.ToLower(text[start:i])
	if front != "" && isAlnum(front[len(front)-1]) && !strings.HasSuffix(front, "msg") && !strings.HasSuffix(front, "message") {
		return "", 0 // the end of another word
	}
	label := strings.ToLower(text[start : end+colon])
	if accounts.in(label) {
		return "", 0
	}
	trimmed := strings.TrimLeft(value, " \t\r\n\u00a0")
	w.look(2 * (len(value) - len(trimmed)))
	value = trimmed[:min(len(trimmed), maxMessageIDBytes+2)]
	if end := strings.IndexByte(value, '>'); end >= 0 {
		value = value[:end+1]
	}
	candidate := value
	if !strings.HasPrefix(value, "<") {
		if !messages.in(label) {
			return "", 0
		}
		value = firstWord(value)
		candidate = strings.Trim(value, ".,;()[]")
	}
	if id := plainID(w, candidate); strings.IndexByte(id, '@') > 0 {
		return id, 0
	}
	return "", len(text) - len(trimmed) + len(value)
}

// cutLabel returns where the colon is that ends a label, on the same line and within the window, and what follows it. value is empty
// if there is none.
func cutLabel(s string) (colon int, value string) {
	line, _ := cutLine(s[:min(len(s), mentionWindow)])
	for _, c := range [...]string{":", "："} {
		if i := strings.Index(line, c); i >= 0 {
			return i, s[i+len(c):]
		}
	}
	return 0, ""
}
