package bounce

import (
	"slices"
	"strings"
)

// analysis is the state while one message is read. The messages that it contains share its limits.
type analysis struct {
	*work
	limits   Limits
	parts    int // parts that may still be read
	problems []string
	opened   int // scanners' messages that were opened
}

func (a *analysis) problem(s string) {
	if !slices.Contains(a.problems, s) {
		a.problems = append(a.problems, s)
	}
}

// facts are what the header and the parts of a message say, before its kind is decided.
type facts struct {
	*work
	header   header
	subject  string     // decoded, as rules are compared with it
	report   string     // report-type of a multipart/report, or ""
	status   string     // message/delivery-status, decoded
	receipt  string     // message/disposition-notification
	feedback string     // message/feedback-report
	text     string     // what the report says in words, without the returned message
	tail     string     // what follows a returned header in the text
	folded   string     // the beginning of text in lower case, white space folded
	lines    *textLines // of text, once they are looked at
	returned []returned
	origin   origin
	tnef     []string // identifiers of messages in winmail.dat
	class    string   // of the message in winmail.dat
	virus    bool     // there is an attachment of a type that viruses have
	machine  bool     // there is a part for status, receipt or feedback, which may be empty
	calendar bool     // an invitation, or the answer to one
	failure  bool     // the text says near its beginning that something was not delivered
	quotes   bool     // the text quotes another message, line by line
}

// returned is an original message, or its beginning, as the report contains it.
type returned struct {
	text   string
	source Source
}

const (
	foldedBytes = 8 << 10 // of the text that are searched for what it says
	foldedLists = 12      // of phrases
)

// message reports about one message. depth is 1 for the message that the caller passed, and more for returned ones.
func (a *analysis) message(s string, depth int) *Report {
	if strings.HasPrefix(s, "From ") || strings.HasPrefix(s, ">From ") {
		_, s = cutLine(s)
	}
	h, body, junk := parseHeader(a.work, s, true)
	a.items(len(h)) // which is searched for some dozens of fields
	if junk > 0 && depth == 1 {
		a.problem("the header has lines that are no fields")
	}
	f := a.collect(h, body, depth)
	if inner := a.scanned(&f, depth); inner != nil {
		inner.Sender, inner.From = fieldAddress(h.get("return-path")), fieldAddress(h.get("from"))
		inner.Authenticated = authenticated(a.work, h, inner.From)
		return inner
	}
	r := &Report{Date: date(h.get("date")), MessageID: messageID(a.work, h.get("message-id")), Sender: fieldAddress(h.get("return-path")), From: fieldAddress(h.get("from")), to: fieldAddress(h.get("to"))}
	if f.status != "" {
		r.deliveryStatus(a.work, f.status)
	}
	if f.receipt != "" {
		r.disposition(a.work, f.receipt)
	}
	if f.feedback != "" {
		r.feedback(a.work, f.feedback)
	}
	a.originals(r, &f, depth)
	r.textRecipients(&f)
	r.Kind, r.Weak = f.kind(r)
	r.Failure = f.status != "" || f.failure || bounceSubjects.in(f.subject)
	r.Authenticated = authenticated(a.work, h, r.From)
	switch r.Kind {
	case None, AutoReply, Challenge:
		// What looked like recipients and returned messages may be part of a text that a person wrote.
		r.Recipients, r.ReportingMTA = nil, ""
		r.onlyQuotes()
	case DSN, Bounce:
		r.complete(&f)
		r.explain(&f)
	}
	r.blame(&f)
	if r.Kind != None {
		r.Family = familyOf(a.work, h, f.folded, strings.ToLower(f.status[:min(len(f.status), 1000)]))
		if r.Kind == MDN || r.Kind == AutoReply || r.Kind == Challenge || r.Kind == ARF {
			r.Family = first(strings.TrimSuffix(r.Family, "other"), string(r.Kind))
		}
	}
	return r
}

// scanned returns what the report says that a scanner has attached whole to a message of its own, such as SpamAssassin (report_safe),
// or nil if the message is something else. The scanner keeps the recipient, which a bounce of a report does not have, and the sender
// or the null sender. The report is weak if the outer message has another author, who may be a person.
func (a *analysis) scanned(f *facts, depth int) *Report {
	if a.opened == maxOpened || depth > 1 || f.report != "" || f.machine || len(f.returned) != 1 || f.returned[0].source != ReturnedMessage {
		return nil
	}
	text := f.returned[0].text
	h, _, _ := parseHeader(a.work, text, true)
	from, to := fieldAddress(h.get("from")), fieldAddress(h.get("to"))
	switch {
	case !looksAutomatic(a.work, h), to == "" || !strings.EqualFold(to, fieldAddress(f.header.get("to"))):
		return nil
	}
	origin, kept := f.origin, strings.EqualFold(from, fieldAddress(f.header.get("from")))
	if origin < nullSender && !kept {
		return nil
	}
	a.opened++
	if r := a.message(f.header.returnPath()+text, depth); r.Kind == DSN || r.Kind == MDN || r.Kind == Bounce && !r.Weak {
		r.Weak = r.Weak || !kept && origin < postmaster
		return r
	}
	return nil
}

// returnPath returns the first Return-Path field as it is written, or nothing.
func (h header) returnPath() string {
	if !h.has("return-path") {
		return ""
	}
	return "Return-Path: " + h.get("return-path") + "\n"
}

// collect takes the message apart.
func (a *analysis) collect(h header, body string, depth int) facts {
	f := facts{work: a.work, header: h, subject: subjectOf(a.work, h)}
	f.origin = f.originOf()
	var plain, page []string
	ps := a.split(nil, h, body, depth)
	if len(ps) > 0 {
		// The first part counts, because a signature or a list's footer may be wrapped around a report. A report in a later
		// part is one that a person writes about.
		f.report = ps[0].report
	}
	for i := range ps {
		p := &ps[i]
		name := p.fileName()
		for _, end := range executables {
			if strings.HasSuffix(name, end) {
				f.virus = true
			}
		}
		a.part(&f, p, len(plain)+len(page) > 0 && len(ps) > 1, &plain, &page)
	}
	text := strings.Join(plain, "\n\n")
	a.skim(len(text))
	if isBlank(a.work, text) || f.origin > person && strings.IndexByte(text, '@') < 0 {
		// The plain alternative of some reports says only that they are in HTML.
		text += "\n\n" + textOfHTML(a.work, strings.Join(page, "\n"))
	}
	lead, found, tail := splitReturned(a.work, text)
	f.text, f.tail = lead, tail
	f.returned = append(f.returned, found...)
	f.folded = a.lower(foldSpace(lead, foldedBytes))
	a.look(foldedLists * len(f.folded))
	f.failure = failures.in(f.folded)
	a.skim(len(lead))
	f.quotes = strings.HasPrefix(lead, ">") || strings.Contains(lead, "\n>")
	return f
}

// part adds one part to the facts. later says that text came before it.
func (a *analysis) part(f *facts, p *part, later bool, plain, page *[]string) {
	switch p.kind {
	case "message/delivery-status", "message/global-delivery-status", "message/xdelivery-status":
		f.status, f.machine = a.join(f.status, p.machine()), true
	case "message/disposition-notification", "message/global-disposition-notification":
		f.receipt, f.machine = a.join(f.receipt, p.machine()), true
	case "message/feedback-report":
		f.feedback, f.machine = a.join(f.feedback, p.machine()), true
	case "message/rfc822", "message/global", "message/partial", "message/news":
		f.returned = append(f.returned, returned{p.embedded(), ReturnedMessage})
	case "text/rfc822-headers", "message/rfc822-headers", "message/global-headers", "text/rfc822-header", "text/rfc822":
		f.returned = append(f.returned, returned{p.embedded(), ReturnedHeaders})
	case "text/calendar", "application/ics":
		f.calendar = true
	case "application/ms-tnef", "application/vnd.ms-tnef":
		f.readTNEF(p.octets())
	case "text/html", "application/xhtml+xml":
		*page = append(*page, a.text(p))
	default:
		if !strings.HasPrefix(p.kind, "text/") {
			// QUIRK: gateways turn the returned message into an attachment of unknown type, often in base64
			// (testdata/base64-octet-stream.eml).
			if p.mayBeMessage() {
				if s := p.content(); startsLikeMessage(a.work, s) {
					f.returned = append(f.returned, returned{s, ReturnedMessage})
					return
				}
			}
			if p.fileName() == "winmail.dat" {
				f.readTNEF(p.octets())
			}
			return
		}
		s := a.text(p)
		if later && startsLikeMessage(a.work, s) {
			f.returned = append(f.returned, returned{s, ReturnedMessage})
			return
		}
		*plain = append(*plain, s)
	}
}

// join appends a machine-readable part to those before it.
func (w *work) join(before, part string) string {
	w.skim(len(before) + len(part))
	return before + part + "\n\n"
}

// readTNEF adds what a winmail.dat says.
func (f *facts) readTNEF(stream []byte) {
	f.tnef = append(f.tnef, tnefIDs(f.work, stream)...)
	f.class = first(f.class, tnefClass(stream))
	f.calendar = f.calendar || strings.HasPrefix(f.class, tnefSchedule)
}

// mayBeMessage says whether the type or name of a part is one that attached returned messages have.
func (p *part) mayBeMessage() bool {
	switch p.kind {
	case "application/octet-stream", "application/x-unknown", "application/unknown", "application/eml", "application/x-eml":
		return true
	}
	return strings.HasPrefix(p.kind, "message/") || strings.HasSuffix(p.fileName(), ".eml")
}

// machine returns the content of a machine-readable part.
//
// QUIRK: gateways leave out the blank line after the part's header, or put fields of their own in front of it. Then fields
// of the report are in the part's header, and count as well.
func (p *part) machine() string {
	s := p.content()
	for _, f := range p.header {
		if f.name == "reporting-mta" || f.name == "final-recipient" || f.name == "feedback-type" || f.name == "disposition" {
			return p.fields() + s
		}
	}
	return s
}

// embedded returns the message in a part.
//
// QUIRK: gateways leave out the blank line after the part's header, so that the header of the message is read as that of
// the part (testdata/no-blank-line.eml). They also use base64 and quoted-printable, which RFC 2046 section 5.2.1 forbids
// (testdata/base64-rfc822.eml).
func (p *part) embedded() string {
	if p.header.has("message-id") && (p.header.has("from") || p.header.has("subject") || p.header.has("received")) {
		return p.fields() + "\n" + p.content()
	}
	s := p.content()
	if s == p.body && !startsLikeMessage(p.work, s) {
		// QUIRK: gateways encode the message without a Content-Transfer-Encoding.
		if d := undeclared(p.work, s); startsLikeMessage(p.work, d) {
			return d
		}
	}
	return s
}

// fields returns the header of a part.
func (p *part) fields() string {
	var b strings.Builder
	for _, f := range p.header {
		p.items(1)
		p.skim(len(f.value))
		b.WriteString(f.name + ": " + f.value + "\n")
	}
	return b.String()
}

// text returns a text part in UTF-8.
func (a *analysis) text(p *part) string {
	s := p.content()
	if s == p.body {
		s = undeclared(a.work, s)
	}
	s, ok := decodeCharset(a.work, p.params["charset"], s)
	if !ok {
		a.problem("unknown charset " + printable(p.params["charset"], 40))
	}
	return s
}

// undeclared decodes text that is base64 or quoted-printable without a Content-Transfer-Encoding that says so.
//
// QUIRK: Exim, qmail and Yahoo return a message in the text of the report, encoded as it was.
func undeclared(w *work, s string) string {
	w.skim(4 * len(s))
	line, rest := cutLine(strings.TrimLeft(s, "\n"))
	next, _ := cutLine(rest)
	switch {
	case len(line) >= 60 && len(line) <= 76 && len(line)%4 == 0 && allBase64(line) && allBase64(next):
		return decodeBase64(w, s)
	case strings.Count(s, "=\n") >= 2 && (strings.Contains(s, "=3D") || strings.Contains(s, "=20\n")):
		return decodeQuoted(w, s)
	}
	return s
}

func allBase64(line string) bool {
	for i := range len(line) {
		if !isAlnum(line[i]) && line[i] != '+' && line[i] != '/' && line[i] != '=' {
			return false
		}
	}
	return true
}

// foldSpace folds white space to single spaces in at most limit octets of s.
func foldSpace(s string, limit int) string {
	s = s[:min(len(s), limit)]
	var b strings.Builder
	b.Grow(len(s))
	for word := range strings.FieldsSeq(s) {
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(word)
	}
	return b.String()
}
