package bounce

import (
	"encoding/base64"
	"html"
	"io"
	"mime"
	"strings"

	"github.com/emersion/go-message/charset"
)

// decodeTransfer undoes a Content-Transfer-Encoding (RFC 2045 section 6). Of a damaged encoding it returns what can be
// read: the standard library's decoders stop at the first wrong octet.
func decodeTransfer(w *work, encoding, s string) string {
	encoding = strings.ToLower(strings.TrimSpace(encoding[:min(len(encoding), maxKeyword)]))
	encoding, _, _ = strings.Cut(encoding, ";")
	switch strings.TrimSpace(encoding) {
	case "base64":
		return decodeBase64(w, s)
	case "quoted-printable":
		return decodeQuoted(w, s)
	}
	return s
}

// decodeBase64 skips octets outside the alphabet, as RFC 2045 section 6.8 asks, and reads up to the first padding.
func decodeBase64(w *work, s string) string { return normal(base64Octets(w, s)) }

func base64Octets(w *work, s string) []byte {
	w.look(2 * len(s))
	clean := make([]byte, 0, len(s))
	for i := range len(s) {
		c := s[i]
		if c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '+' || c == '/' {
			clean = append(clean, c)
		} else if c == '=' {
			break
		} else if c == '-' && strings.HasPrefix(s[i:], "--") {
			break // a boundary that was not found
		}
	}
	if len(clean)%4 == 1 {
		clean = clean[:len(clean)-1]
	}
	n, _ := base64.RawStdEncoding.Decode(clean, clean) // the alphabet is checked; a bad last digit costs one octet
	return clean[:n]
}

// decodeQuoted decodes quoted-printable (RFC 2045 section 6.7). It leaves alone what is not encoded properly.
func decodeQuoted(w *work, s string) string {
	w.skim(len(s))
	if strings.IndexByte(s, '=') < 0 {
		return s
	}
	w.look(2 * len(s))
	var b strings.Builder
	b.Grow(len(s))
	for i := 0; i < len(s); i++ {
		if s[i] != '=' {
			b.WriteByte(s[i])
			continue
		}
		if i+2 < len(s) {
			if hi, lo := unhex(s[i+1]), unhex(s[i+2]); hi >= 0 && lo >= 0 {
				b.WriteByte(byte(hi<<4 | lo))
				i += 2
				continue
			}
		}
		end := i + 1
		for end < len(s) && (s[end] == ' ' || s[end] == '\t' || s[end] == '\r') {
			end++
		}
		if end == len(s) || s[end] == '\n' {
			i = end // a soft line break
			continue
		}
		b.WriteByte('=')
	}
	out := b.String()
	if strings.IndexByte(out, '\r') >= 0 {
		return normal([]byte(out))
	}
	return out
}

func unhex(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	}
	return -1
}

// decodeCharset converts text to UTF-8. If it does not know the charset, it returns the text unchanged and ok is false.
func decodeCharset(w *work, name, s string) (text string, ok bool) {
	name = strings.ToLower(strings.Trim(name[:min(len(name), maxKeyword)], " \t\"'"))
	switch name {
	case "", "utf-8", "utf8", "us-ascii", "ascii", "unicode-1-1-utf-7", "utf-7":
		// What matters in a report is ASCII, in UTF-7 as well.
		return s, true
	}
	w.look(len(s))
	if isASCII(s) && !strings.HasPrefix(name, "utf-16") && !strings.HasPrefix(name, "utf-32") && strings.IndexByte(s, 0x1b) < 0 {
		return s, true
	}
	r, err := charset.Reader(name, strings.NewReader(s))
	if err != nil {
		return s, false
	}
	w.decode(2 * len(s))
	// The decoders replace what they cannot read and do not fail. They produce at most 3 octets for each octet.
	out, err := io.ReadAll(r)
	return string(out), err == nil
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// decodeWords decodes the encoded words of a header field (RFC 2047). A value that it cannot decode stays as it is, and so does what is
// behind the first maxWords words or the first maxWordsBytes octets.
func decodeWords(w *work, s string) string {
	end, words := 0, 0
	for words < maxWords {
		next := strings.Index(s[end:min(len(s), maxWordsBytes)], "=?")
		if next < 0 {
			end = min(len(s), maxWordsBytes)
			break
		}
		words++
		end += next + len("=?")
	}
	w.skim(end)
	if words == 0 {
		return s
	}
	if words == maxWords {
		end -= len("=?")
	}
	w.items(words * decoderItems)
	w.look(words * end) // the decoder searches for the end of each word, and may begin in each anew
	d := mime.WordDecoder{CharsetReader: charset.Reader}
	out, err := d.DecodeHeader(s[:end])
	if err != nil {
		return s
	}
	return out + s[end:]
}

// textOfHTML returns the text of an HTML page: tags that end a line become line ends, other tags are removed, entities are
// decoded.
func textOfHTML(w *work, s string) string {
	w.look(2 * len(s))
	var b strings.Builder
	b.Grow(len(s))
	for s != "" {
		lt := strings.IndexByte(s, '<')
		if lt < 0 {
			b.WriteString(s)
			break
		}
		b.WriteString(s[:lt])
		s = s[lt:]
		w.items(1)
		gt := strings.IndexByte(s, '>')
		if gt < 0 {
			break
		}
		tag := s[1:gt]
		// QUIRK: gateways do not escape the angle brackets around addresses; these are no tags.
		if strings.IndexByte(tag, '@') > 0 && !strings.ContainsAny(tag, " =\"") {
			b.WriteString(s[:gt+1])
			s = s[gt+1:]
			continue
		}
		s = s[gt+1:]
		name := strings.ToLower(strings.TrimLeft(tag, "/"))
		if i := strings.IndexAny(name, " \t\n/"); i >= 0 {
			name = name[:i]
		}
		switch name {
		case "style", "script":
			if tag[0] != '/' {
				s = s[endOfElement(w, s, name):]
			}
		case "br", "p", "div", "tr", "li", "pre", "table", "h1", "h2", "h3", "h4", "hr", "td", "ul":
			b.WriteByte('\n')
		}
	}
	w.look(perItem / 2 * strings.Count(b.String(), "&"))
	return strings.ReplaceAll(html.UnescapeString(b.String()), "\u00a0", " ")
}

// endOfElement returns where the end tag with this name begins, or the length of s.
func endOfElement(w *work, s, name string) int {
	for i := 0; ; {
		w.items(1)
		n := strings.Index(s[i:], "</")
		if n < 0 {
			return len(s)
		}
		i += n
		if tag := s[i+2:]; len(tag) >= len(name) && strings.EqualFold(tag[:len(name)], name) {
			return i
		}
		i += 2
	}
}
