package bounce

import (
	"slices"
	"strings"
)

// originals adds to r the messages that the report returns or that its fields name. If a returned message is a bounce
// itself, it adds the messages that this one returned, too.
func (a *analysis) originals(r *Report, f *facts, depth int) {
	for _, ret := range f.returned {
		if len(r.Originals) >= maxOriginals {
			break
		}
		a.original(r, ret, depth)
	}
	for _, id := range f.tnef {
		if id != r.MessageID {
			r.original(Original{Source: ReportField, Depth: depth, MessageID: id})
		}
	}
	for _, id := range mentionedIDs(f.work, f.text) {
		if id != r.MessageID {
			r.original(Original{Source: FreeText, Depth: depth, MessageID: id})
		}
	}
	if id := messageID(a.work, f.header.get("x-ms-exchange-parent-message-id")); id != "" {
		r.original(Original{Source: ParentMessageID, Depth: depth, MessageID: id})
	}
	ids := messageIDs(a.work, f.header.get("in-reply-to"), 1)
	for _, id := range ids {
		r.original(Original{Source: InReplyTo, Depth: depth, MessageID: id})
	}
	for _, id := range messageIDs(a.work, f.header.get("references"), maxReferences) {
		if len(ids) == 0 || id != ids[0] {
			r.original(Original{Source: References, Depth: depth, MessageID: id})
		}
	}
	for i := range r.Originals {
		if r.Originals[i].Depth == 0 {
			r.Originals[i].Depth = depth
		}
	}
}

// onlyQuotes moves to Quoted the identifiers of what the message returns or quotes.
func (r *Report) onlyQuotes() {
	r.sort()
	var quoted []Original
	r.Originals = slices.DeleteFunc(r.Originals, func(o Original) bool {
		answers := o.Source == InReplyTo || o.Source == References || o.Source == ParentMessageID
		if !answers {
			quoted = append(quoted, o)
		}
		return !answers
	})
	for _, o := range quoted {
		answered := slices.ContainsFunc(r.Originals, func(a Original) bool { return a.MessageID == o.MessageID })
		if o.MessageID != "" && o.MessageID != r.MessageID && !answered && !slices.Contains(r.Quoted, o.MessageID) && len(r.Quoted) < maxQuoted {
			r.Quoted = append(r.Quoted, o.MessageID)
		}
	}
}

// original adds one returned message to r, and those in it if it looks like a bounce.
func (a *analysis) original(r *Report, ret returned, depth int) {
	text := ret.text
	if t := strings.TrimLeft(text, "\n"); strings.HasPrefix(t, "From ") || strings.HasPrefix(t, ">From ") {
		_, text = cutLine(t)
	}
	if t := strings.TrimLeft(text, "\n"); t != "" && (t[0] == ' ' || t[0] == '\t') {
		// QUIRK: gateways indent every line of a returned header (testdata/indented-headers.eml).
		text = dedent(a.work, t, marksOf(t))
	}
	a.skim(2 * len(text))
	if line, _ := cutLine(text); strings.Count(line, "\r") > 1 {
		text = strings.ReplaceAll(text, "\r", "\n") // QUIRK: the lines end with CR alone
	}
	h, body, junk := parseHeader(a.work, text, true)
	for range maxBlankLines {
		if h.has("message-id") || !startsLikeMessage(a.work, body) {
			break
		}
		// QUIRK: a program on the way has put a blank line into the header, such as after an encoded word with a line end in it
		// (testdata/blank-line-in-returned-header.eml). A second From is that of a message in the body.
		more, rest, _ := parseHeader(a.work, body, true)
		if more.has("from") && h.has("from") {
			break
		}
		h, body = append(h, more...), rest
	}
	o := Original{
		Source:    ret.source,
		Depth:     depth,
		MessageID: messageID(a.work, h.get("message-id")),
		Sender:    fieldAddress(first(h.get("return-path"), h.get("x-envelope-from"), h.get("x-apparently-from"))),
		From:      fieldAddress(decodeWords(a.work, h.get("from"))),
		header:    h,
	}
	if strings.IndexByte(o.Sender, '@') < 0 {
		o.Sender = ""
	}
	if o.MessageID == "" && (junk > 0 || len(h) < 2) {
		// The header is malformed or not at the start: take the first Message-ID field on a line of its own.
		o.MessageID = strayMessageID(a.work, text)
		if len(h) < 2 && o.MessageID == "" {
			return
		}
	}
	for _, name := range [...]string{"to", "cc"} {
		o.Recipients = append(o.Recipients, fieldAddresses(a.work, h.get(name), maxOriginalRcpts-len(o.Recipients))...)
	}
	r.original(o)
	r.alsoNamed(a.work, &o)
	if !looksAutomatic(a.work, h) {
		r.wrapped(a.work, h, body, depth)
		return
	}
	if len(body) == 0 {
		return
	}
	if depth >= a.limits.Depth || a.parts <= 0 {
		a.truncated = true
		return
	}
	inner := a.message(text, depth+1)
	for _, n := range inner.Originals {
		if inner.Kind != None && n.Depth > depth {
			r.original(n)
		}
	}
}

// alsoNamed adds to r the other identifiers that a returned message may be known by, and those that it answers itself.
func (r *Report) alsoNamed(w *work, o *Original) {
	add := func(source Source, id string) {
		if id != "" && id != o.MessageID {
			r.original(Original{Source: source, Depth: o.Depth, MessageID: id, Sender: o.Sender, From: o.From})
		}
	}
	more := 0
	for _, f := range o.header {
		switch f.name {
		case "message-id": // more than one: a relay has added its own, or an attacker has
			if more++; more <= maxMessageIDs {
				add(o.Source, messageID(w, f.value))
			}
		case "x-google-original-message-id", "x-original-message-id", "x-ms-exchange-original-message-id", "old-message-id",
			"x-old-message-id":
			add(ReplacedMessageID, messageID(w, f.value))
		}
	}
	for _, name := range [...]string{"in-reply-to", "references"} {
		for _, id := range messageIDs(w, o.header.get(name), maxOriginalReferences) {
			add(OriginalReferences, id)
		}
	}
}

// wrapped adds to r the message that a gateway has attached whole to a returned one, if the recipient of the report is its author.
func (r *Report) wrapped(w *work, h header, body string, depth int) {
	const attached = "content-type: message/rfc822"
	kind, _ := mediaType(w, h.get("content-type"))
	switch {
	case kind == "message/rfc822":
	case !strings.HasPrefix(kind, "multipart/"):
		return
	default:
		w.look(len(body))
		i := indexFold(body, attached)
		if i < 0 {
			return
		}
		_, body, _ = parseHeader(w, body[i:], true)
	}
	inner, _, _ := parseHeader(w, body, true)
	from := fieldAddress(decodeWords(w, inner.get("from")))
	if id := messageID(w, inner.get("message-id")); id != "" && r.to != "" && strings.EqualFold(from, r.to) {
		r.original(Original{Source: WrappedMessage, Depth: depth, MessageID: id, From: from})
	}
}

// looksAutomatic says whether a returned message may be a report itself, so that it is worth reading.
func looksAutomatic(w *work, h header) bool {
	kind, _ := mediaType(w, h.get("content-type"))
	return kind == "multipart/report" || isDaemon(w, h.get("from")) || nullPath(h.get("return-path"))
}

// strayMessageID returns the Message-ID field within the first lines of a text that has no proper header.
func strayMessageID(w *work, s string) string {
	for n := 0; n < 200 && s != ""; n++ {
		var line string
		line, s = cutLine(s)
		w.items(1)
		w.skim(len(line))
		line = trimMarks(w, line)
		if isMessageIDField(line) {
			value, _ := unfold(w, strings.TrimSpace(line[len("message-id:"):]), s, "")
			return messageID(w, value)
		}
	}
	return ""
}

// disposition reads the fields of a message/disposition-notification part (RFC 8098 section 3.1).
func (r *Report) disposition(w *work, s string) {
	h, _, _ := parseHeader(w, s, true)
	r.ReportingMTA = untyped(h.get("mdn-gateway"))
	r.original(Original{Source: OriginalMessageID, Depth: 1, MessageID: messageID(w, h.get("original-message-id"))})
	if final, original := h.get("final-recipient"), h.get("original-recipient"); final+original != "" {
		rcpt := Recipient{Address: statusAddress(final, original), Diagnostic: untypedDiagnostic(first(h.get("error"), h.get("failure")))}
		// "manual-action/MDN-sent-manually; displayed": the disposition comes last (RFC 8098 section 3.2.6).
		_, done, _ := strings.Cut(h.get("disposition"), ";")
		rcpt.Action = strings.ToLower(strings.TrimSpace(done))
		r.Recipients = append(r.Recipients, rcpt)
	}
}

// feedback reads the fields of a message/feedback-report part (RFC 5965 section 3).
func (r *Report) feedback(w *work, s string) {
	// QUIRK: list software puts another header in front, with a blank line in between (testdata/arf.eml).
	for dates := 0; s != ""; {
		before := len(s)
		var h header
		h, s, _ = parseHeader(w, s, true)
		w.items(len(h) + 4)
		r.original(Original{
			Source:     ReportField,
			Depth:      1,
			EnvelopeID: h.get("original-envelope-id"),
			Sender:     fieldAddress(h.get("original-mail-from")),
			Recipients: fieldAddresses(w, h.get("original-rcpt-to"), maxOriginalRcpts),
			MessageID:  messageID(w, h.get("original-message-id")),
		})
		r.ReportingMTA = first(r.ReportingMTA, untyped(h.get("reporting-mta")))
		if dates < maxDates && r.ArrivalDate.IsZero() && (h.has("arrival-date") || h.has("received-date")) {
			dates++
			r.ArrivalDate = date(first(h.get("arrival-date"), h.get("received-date")))
		}
		if len(s) == before {
			break
		}
	}
}
