package bounce

import (
	"slices"
	"strings"
)

// field is one header field: its name in lower case, its value unfolded and trimmed.
type field struct {
	name, value string
}

type header []field

// get returns the value of the first field with this name, given in lower case, or "".
func (h header) get(name string) string {
	for i := range h {
		if h[i].name == name {
			return h[i].value
		}
	}
	return ""
}

// lower returns the beginning of the value of the first field with this name, in lower case.
func (h header) lower(name string) string {
	v := h.get(name)
	return strings.ToLower(v[:min(len(v), maxKeyword)])
}

func (h header) has(name string) bool {
	for i := range h {
		if h[i].name == name {
			return true
		}
	}
	return false
}

// parseHeader reads the header in front of a message or part and returns what follows it. A line that is neither a
// field nor a continuation ends the header. If lenient is set, up to maxJunk such lines between two fields are skipped,
// because some headers have lines that lost their indentation. junk counts all of them.
func parseHeader(w *work, s string, lenient bool) (h header, rest string, junk int) {
	return parseIndented(w, s, "", lenient)
}

// longHeader is how many fields a header has that may have very many. More space is made for it once, and not again and again.
const longHeader = 256

// parseIndented is parseHeader for a header whose lines begin with an indentation, which it leaves out as dedent does.
func parseIndented(w *work, s, indentation string, lenient bool) (h header, rest string, junk int) {
	const maxJunk = 40 // encoded words of Exchange's diagnostics run to 35 lines
	run := 0
	for len(s) > 0 {
		line, after := cutLine(s)
		w.items(1)
		w.skim(len(line))
		line = dedentLine(line, indentation)
		switch {
		case isBlank(w, line):
			if len(h) == 0 && lenient {
				s = after
				continue
			}
			return h, after, junk
		case line[0] == ' ' || line[0] == '\t':
			// A continuation without a field: the first field was cut off, or this is no header.
			if !lenient && len(h) == 0 {
				return h, s, junk
			}
		default:
			name, value, ok := splitField(line)
			switch {
			case ok:
				w.decode(len(line) - len(name) - len(value)) // white space that was removed
				value, after = unfold(w, value, after, indentation)
				run = 0
				if len(h) == maxFields {
					w.truncated = true
					break
				}
				if len(h) == longHeader {
					h = slices.Grow(h, maxFields-longHeader)
				}
				h = append(h, field{strings.ToLower(name), value})
			case !lenient || len(h) == 0 || run == maxJunk:
				return h, s, junk
			default:
				junk++
				run++
				// QUIRK: filters break long Message-IDs and leave the rest at the start of a line.
				f := &h[len(h)-1]
				if f.name == "message-id" && len(f.value) <= maxMessageIDBytes && !strings.Contains(f.value, ">") {
					f.value += strings.TrimSpace(line)
				}
			}
		}
		s = after
	}
	return h, "", junk
}

// unfold adds the continuation lines at the start of rest to value.
func unfold(w *work, value, rest, indentation string) (unfolded, after string) {
	if indentation == "" && (rest == "" || rest[0] != ' ' && rest[0] != '\t') {
		return value, rest
	}
	var b strings.Builder
	for rest != "" {
		line, next := cutLine(rest)
		line = dedentLine(line, indentation)
		if line == "" || line[0] != ' ' && line[0] != '\t' || isBlank(w, line) {
			break
		}
		w.items(1)
		w.skim(len(line))
		if b.Len() == 0 {
			b.WriteString(value)
		}
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(strings.TrimSpace(line))
		rest = next
	}
	if b.Len() == 0 {
		return value, rest
	}
	return b.String(), rest
}

// isBlank says whether a line is white space alone.
func isBlank(w *work, line string) bool {
	i := 0
	for i < len(line) && (line[i] == ' ' || line[i] >= '\t' && line[i] <= '\r') {
		i++
	}
	w.look(i)
	if i == len(line) || line[i] < 0x80 {
		return i == len(line)
	}
	w.look(len(line) - i)
	return strings.TrimSpace(line[i:]) == "" // white space above ASCII
}

// maxFieldName is how many octets the name of a field has at most: with its colon, they fit on a line of 78 (RFC 5322 section 2.1.1).
const maxFieldName = 76

// splitField splits "Name: value". White space in front of the colon is allowed (RFC 5322 section 4.5).
func splitField(line string) (name, value string, ok bool) {
	colon := strings.IndexByte(line[:min(len(line), maxFieldName+1)], ':')
	if colon < 1 || strings.HasPrefix(line[colon:], "://") {
		return "", "", false
	}
	name = strings.TrimRight(line[:colon], " \t")
	if name == "" {
		return "", "", false
	}
	for i := range len(name) {
		if name[i] <= ' ' || name[i] >= 0x7f || name[i] == '<' || name[i] == '>' || name[i] == '@' {
			return "", "", false
		}
	}
	return name, strings.TrimSpace(line[colon+1:]), true
}

// cutLine splits off the first line, without its line end.
func cutLine(s string) (line, rest string) {
	line, rest, _ = strings.Cut(s, "\n")
	return strings.TrimSuffix(line, "\r"), rest
}

// mediaType splits the value of Content-Type or Content-Disposition into the type, in lower case, and the parameters. It
// accepts what mime.ParseMediaType refuses: missing quotes, stray semicolons, a parameter that is there twice.
// It reads the first maxTypeBytes octets of it.
func mediaType(w *work, value string) (kind string, params map[string]string) {
	value = value[:min(len(value), maxTypeBytes)]
	w.items(1)
	w.look(6 * len(value))
	kind, rest, _ := strings.Cut(value, ";")
	kind = strings.ToLower(strings.TrimSpace(kind))
	if i := strings.IndexAny(kind, " \t("); i > 0 {
		kind, rest = kind[:i], kind[i:]+";"+rest
	}
	params = make(map[string]string, 2)
	for rest != "" {
		var key, val string
		rest = strings.TrimLeft(rest, " \t;")
		eq := strings.IndexAny(rest, "=;")
		if eq < 0 {
			break
		}
		if rest[eq] == ';' {
			rest = rest[eq:]
			continue
		}
		key, rest = strings.ToLower(strings.TrimSpace(rest[:eq])), strings.TrimLeft(rest[eq+1:], " \t")
		if strings.HasPrefix(rest, `"`) {
			val, rest = quotedString(rest)
		} else {
			end := strings.IndexByte(rest, ';')
			if end < 0 {
				end = len(rest)
			}
			val, rest = strings.TrimSpace(rest[:end]), rest[end:]
		}
		// RFC 2231 section 4: name*=charset'language'value. The charset does not matter for the parameters that are read.
		if k, ok := strings.CutSuffix(key, "*"); ok {
			key = k
			if p := strings.SplitN(val, "'", 3); len(p) == 3 {
				val = p[2]
			}
		}
		if _, twice := params[key]; !twice {
			params[key] = val
		}
	}
	return kind, params
}

// quotedString reads the quoted string at the start of s, which begins with a quotation mark.
func quotedString(s string) (value, rest string) {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return unescape(s[1:i]), s[i+1:]
		}
	}
	return unescape(s[1:]), ""
}

func unescape(s string) string {
	if strings.IndexByte(s, '\\') < 0 {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
