package bounce

import "strings"

// part is one leaf of the MIME tree, or an embedded message, which is not split here.
type part struct {
	*work
	header header
	kind   string // media type in lower case; text/plain if none is given
	params map[string]string
	body   string // in transfer encoding
	typed  bool   // the part has a Content-Type
	report string // report-type of the multipart/report around the part, "?" if that has none; "" outside a multipart/report
}

// content returns the body without its transfer encoding.
func (p *part) content() string {
	return decodeTransfer(p.work, p.header.get("content-transfer-encoding"), p.body)
}

// octets returns the body without its transfer encoding, octet for octet.
func (p *part) octets() []byte {
	if encoding, _, _ := strings.Cut(strings.TrimSpace(p.header.get("content-transfer-encoding")), ";"); strings.EqualFold(encoding, "base64") {
		return base64Octets(p.work, p.body)
	}
	return []byte(p.content())
}

// fileName returns the part's file name.
func (p *part) fileName() string {
	_, params := mediaType(p.work, p.header.get("content-disposition"))
	return strings.ToLower(decodeWords(p.work, first(params["filename"], p.params["name"])))
}

// split appends the leaves of the message or part with this header to ps. go-message's reader stops at the first wrong
// boundary. This function guesses the boundary from the body if the announced one is not in it, and needs no closing line.
func (a *analysis) split(ps []part, h header, body string, depth int) []part {
	if a.parts <= 0 || depth > a.limits.Depth {
		a.problem("there are more MIME parts than the limits allow")
		a.truncated = true
		return ps
	}
	value := h.get("content-type")
	p := part{work: a.work, header: h, body: body, typed: value != ""}
	p.kind, p.params = mediaType(a.work, value)
	if !strings.Contains(p.kind, "/") {
		p.kind = "text/plain"
	}
	if inner, ok := p.signed(); ok {
		a.parts--
		ih, rest, _ := parseHeader(a.work, inner, false)
		return a.split(ps, ih, rest, depth+1)
	}
	if !strings.HasPrefix(p.kind, "multipart/") {
		a.parts--
		return append(ps, p)
	}
	if p.kind == "multipart/report" {
		p.report = strings.ToLower(first(p.params["report-type"], "?")) // RFC 6522 section 3
	}
	boundary := p.params["boundary"]
	if boundary == "" || !hasBoundary(a.work, body, boundary) {
		boundary = guessBoundary(a.work, body)
		if boundary == "" {
			a.problem("a multipart message has no parts")
			p.kind, a.parts = "text/plain", a.parts-1
			return append(ps, p)
		}
		a.problem("the boundary is not the one announced")
	}
	from := len(ps)
	sections, closed := splitBoundary(a.work, body, boundary, a.parts+1)
	if p.report != "" {
		sections = a.splitStray(sections)
	}
	if !closed {
		a.problem("a multipart is not closed")
	}
	for i, s := range sections {
		if i == 0 { // the preamble
			continue
		}
		ph, rest, _ := parseHeader(a.work, s, false)
		// A blank line first means a part without header (RFC 2046 section 5.1).
		// QUIRK: gateways add one in front of the header (testdata/blank-line-before-part-headers.eml).
		if after := strings.TrimLeft(s, "\n"); after != s && startsWithContentType(after) {
			ph, rest, _ = parseHeader(a.work, after, false)
		}
		if i > 1 && isMessageHeader(ph) {
			// QUIRK: OpenMail puts the returned message between the boundaries without a header for the part
			// (testdata/part-is-message.eml).
			a.parts--
			ps = append(ps, part{work: a.work, kind: "message/rfc822", body: s})
			continue
		}
		ps = a.split(ps, ph, rest, depth+1)
	}
	for i := from; i < len(ps) && p.report != ""; i++ {
		ps[i].report = p.report
	}
	return ps
}

// splitStray splits the parts of a multipart/report further where a gateway has written another boundary than the announced one in
// front of a part that only reports have.
func (a *analysis) splitStray(sections []string) []string {
	var split []string
	for i, s := range sections {
		for i > 0 {
			at, next := strayPart(a.work, s)
			if at < 0 || len(split) >= a.parts {
				break
			}
			a.problem("a later boundary is not the one announced")
			split, s = append(split, strings.TrimSuffix(s[:at], "\n")), s[next:]
		}
		split = append(split, s)
	}
	return split
}

// strayPart returns where a boundary line of unknown name is within a part of a report, and where the part after it begins, or -1.
// Nothing is looked for in a returned message, and in parts that have parts of their own.
func strayPart(w *work, s string) (at, next int) {
	h, body, _ := parseHeader(w, s, false)
	kind, _ := mediaType(w, h.get("content-type"))
	if strings.HasPrefix(kind, "multipart/") || strings.HasPrefix(kind, "message/") && !strings.HasSuffix(kind, "delivery-status") {
		return -1, -1
	}
	for rest := body; rest != ""; {
		var line string
		before := len(rest)
		line, rest = cutLine(rest)
		w.items(1)
		w.skim(len(line))
		if len(line) > 2 && strings.HasPrefix(line, "--") && startsReportPart(w, rest) {
			return len(s) - before, len(s) - len(rest)
		}
	}
	return -1, -1
}

// startsReportPart says whether s begins with the header of a part that only reports have.
func startsReportPart(w *work, s string) bool {
	for range 6 {
		var line string
		line, s = cutLine(s)
		w.items(1)
		w.skim(len(line))
		name, value, ok := splitField(line)
		if !ok || len(name) < 8 || !strings.EqualFold(name[:8], "content-") {
			return false
		}
		if strings.EqualFold(name, "content-type") {
			kind, _ := mediaType(w, value)
			return strings.HasPrefix(kind, "message/") || strings.HasPrefix(kind, "text/rfc822")
		}
	}
	return false
}

// isMessageHeader says whether the header at the start of a part is that of a message, not that of the part.
func isMessageHeader(h header) bool {
	return h.has("message-id") && h.has("from") && !strings.HasPrefix(strings.ToLower(h.get("content-type")), "message/")
}

func startsWithContentType(s string) bool {
	const name = "content-type:"
	return len(s) > len(name) && strings.EqualFold(s[:len(name)], name)
}

// hasBoundary says whether a line of body begins with the boundary.
func hasBoundary(w *work, body, boundary string) bool {
	w.skim(len(body) + len(boundary))
	return strings.HasPrefix(body, "--"+boundary) || strings.Contains(body, "\n--"+boundary)
}

// guessBoundary returns the boundary that the body seems to use: what follows "--" in the first line that a Content- field
// follows.
func guessBoundary(w *work, body string) string {
	for rest := body; rest != ""; {
		var line string
		line, rest = cutLine(rest)
		w.items(1)
		w.skim(len(line))
		candidate, ok := strings.CutPrefix(strings.TrimRight(line, " \t"), "--")
		if !ok || candidate == "" || strings.ContainsAny(candidate, " \t") {
			continue
		}
		next, _ := cutLine(rest)
		if len(next) > 8 && strings.EqualFold(next[:8], "content-") {
			return candidate
		}
	}
	return ""
}

// splitBoundary splits a multipart body at its boundary lines into the preamble and at most n-1 parts. closed says
// whether there is a closing line; what follows it is dropped, unless further parts follow.
func splitBoundary(w *work, body, boundary string, n int) (sections []string, closed bool) {
	delimiter := "--" + boundary
	w.skim(len(body))
	start, at := 0, 0
	for {
		i := at
		if i > 0 || !strings.HasPrefix(body, delimiter) {
			j := strings.Index(body[at:], "\n"+delimiter)
			if j < 0 {
				break
			}
			i = at + j + 1
		}
		line, _ := cutLine(body[i:])
		w.items(1)
		w.look(len(line))
		tail := strings.TrimRight(line[len(delimiter):], " \t")
		if tail != "" && tail != "--" {
			at = i + 1 // the longer boundary of a multipart inside this one
			if at >= len(body) {
				break
			}
			continue
		}
		if !closed {
			sections = append(sections, strings.TrimSuffix(body[start:i], "\n"))
		}
		closed = tail == "--"
		start = min(i+len(line)+1, len(body))
		at = max(start-1, i+1)
		if at >= len(body) || len(sections) > n {
			break
		}
	}
	if !closed && start < len(body) && len(sections) <= n {
		sections = append(sections, body[start:])
	}
	return sections, closed
}
