package bounce

import (
	"net/mail"
	"strings"
	"time"
)

// deliveryStatus reads the fields of a message/delivery-status part (RFC 3464 section 2) into r. Blocks of fields may come in
// any order, and blank lines between or inside them may be wrong: a new recipient begins at a second address field, or at a
// field that the current recipient has already.
func (r *Report) deliveryStatus(w *work, s string) {
	a := statusReader{work: w, report: r}
	for s != "" {
		before := len(s)
		var h header
		h, s, _ = parseHeader(w, s, true)
		w.items(len(h))
		if len(h) == 0 && len(s) == before {
			_, s = cutLine(s)
		}
		a.block(h)
	}
	a.flush()
	r.Recipients = a.recipients.all
}

// statusReader collects the fields of one recipient.
type statusReader struct {
	*work
	report     *Report
	recipients recipientList // those that are complete
	dates      int           // that were tried

	final, original, action, status string
	diagnostic, remote              string
	any                             bool
}

func (a *statusReader) block(h header) {
	fresh := true // no field of this block belongs to a recipient yet
	for _, f := range h {
		switch f.name {
		case "reporting-mta", "x-reporting-mta":
			a.report.ReportingMTA = first(a.report.ReportingMTA, untyped(f.value))
		case "received-from-mta":
			a.report.ReceivedFrom = first(a.report.ReceivedFrom, untyped(f.value))
		case "arrival-date":
			if a.dates++; a.dates <= maxDates && a.report.ArrivalDate.IsZero() {
				a.report.ArrivalDate = date(f.value)
			}
		case "original-envelope-id":
			a.report.original(Original{Source: ReportField, Depth: 1, EnvelopeID: f.value})
			if id := messageID(a.work, f.value); strings.IndexByte(id, '@') > 0 {
				a.report.original(Original{Source: EnvelopeMessageID, Depth: 1, MessageID: id})
			}
		case "original-message-id", "x-original-message-id", "x-message-id":
			a.report.original(Original{Source: ReportField, Depth: 1, MessageID: messageID(a.work, f.value)})
		case "x-postfix-sender", "x-original-sender", "original-mail-from":
			a.report.original(Original{Source: ReportField, Depth: 1, Sender: fieldAddress(f.value)})
		case "final-recipient":
			// RFC 3464 section 2.3 has it once for each recipient, in front of most fields; some MTAs write it last.
			a.begin(&a.final, f.value, fresh)
			fresh = false
		case "original-recipient":
			a.begin(&a.original, f.value, fresh)
			fresh = false
		case "action":
			a.begin(&a.action, f.value, fresh && a.action != "")
			fresh = false
		case "status":
			a.begin(&a.status, f.value, fresh && a.status != "")
			fresh = false
		case "diagnostic-code":
			a.begin(&a.diagnostic, f.value, fresh && a.diagnostic != "")
			fresh = false
		case "remote-mta":
			a.begin(&a.remote, f.value, false)
		}
	}
}

// begin sets a field of the current recipient. It starts a new recipient first if the current one has that field, or if a
// new block with an address begins.
func (a *statusReader) begin(field *string, value string, newBlock bool) {
	address := field == &a.final || field == &a.original
	if *field != "" || newBlock && address && (a.final != "" || a.original != "") {
		a.flush()
	}
	*field, a.any = value, true
}

func (a *statusReader) flush() {
	if !a.any {
		return
	}
	a.items(4)
	a.look(2 * (len(a.final) + len(a.original) + len(a.action) + len(a.status) + 2*len(a.diagnostic) + len(a.remote)))
	rcpt := Recipient{
		Address:    statusAddress(a.final, a.original),
		Action:     keyword(a.action),
		Status:     statusField(a.status),
		Diagnostic: untypedDiagnostic(a.diagnostic),
		RemoteMTA:  untyped(a.remote),
	}
	if o := fieldAddress(a.original); o != rcpt.Address && strings.IndexByte(o, '@') > 0 {
		rcpt.Original = o
	}
	rcpt.Code = replyCode(rcpt.Diagnostic)
	if rcpt.Status == "" {
		rcpt.Status = findStatus(rcpt.Diagnostic)
	}
	*a = statusReader{work: a.work, report: a.report, recipients: a.recipients, dates: a.dates}
	switch have := a.recipients.of(rcpt.Address); {
	case rcpt.Address == "":
		a.recipients.unnamed(rcpt)
	case have != nil: // relays that merge reports name a recipient twice
		have.Status, have.Action = first(have.Status, rcpt.Status), first(have.Action, rcpt.Action)
		have.Diagnostic = first(have.Diagnostic, rcpt.Diagnostic)
		have.Original = first(have.Original, rcpt.Original)
	default:
		if have = a.recipients.add(rcpt.Address); have != nil {
			*have = rcpt
		}
	}
}

// statusAddress chooses between Final-Recipient and Original-Recipient (RFC 3464 section 2.3). It prefers the final one,
// unless that is no mail address, such as a pipe or an X.400 name.
//
// QUIRK: iCloud masks the final recipient: "*****@*****" (testdata/masked-recipient.eml).
func statusAddress(final, original string) string {
	f, o := fieldAddress(final), fieldAddress(original)
	_, domain, _ := strings.Cut(f, "@")
	if f == "" || strings.Trim(domain, "*.") == "" && strings.IndexByte(o, '@') > 0 {
		return o
	}
	return f
}

// statusField reads the value of a Status field, "5.1.1 (bad mailbox)".
func statusField(value string) string {
	if s := findStatus(value); s != "" {
		return s
	}
	// QUIRK: some MTAs write "5.1.x". It is reported as it is.
	if w := firstWord(value); len(w) >= 5 && len(w) <= 11 && strings.IndexByte("245", w[0]) >= 0 && w[1] == '.' &&
		strings.Trim(w, "0123456789.xX") == "" {
		return w
	}
	return ""
}

// untyped removes type and comment from "dns; mx.example.com (192.0.2.1)".
func untyped(value string) string {
	if kind, rest, ok := strings.Cut(value, ";"); ok && len(kind) < 20 {
		value = rest
	}
	value, _, _ = strings.Cut(value, " (")
	return strings.Trim(value, " \t;<>.")
}

func untypedDiagnostic(value string) string {
	kind, rest, ok := strings.Cut(value, ";")
	if ok && len(kind) < 20 && !strings.ContainsAny(strings.TrimSpace(kind), " \t.<@") {
		value = rest
	}
	return strings.Join(strings.Fields(value), " ")
}

// zones has the offsets of the zones that have names (RFC 5322 section 4.3). QUIRK: mail.ParseDate takes a name that this host does not know
// for UTC.
var zones = map[string]string{
	"UT": "+0000", "UTC": "+0000", "GMT": "+0000", "Z": "+0000",
	"EST": "-0500", "EDT": "-0400", "CST": "-0600", "CDT": "-0500", "MST": "-0700", "MDT": "-0600", "PST": "-0800", "PDT": "-0700",
}

// date reads a date (RFC 5322 section 3.3). It returns the zero time if value is none, or if its zone is not known.
func date(value string) time.Time {
	if value, _, _ = strings.Cut(value, "("); len(value) > maxDateBytes {
		return time.Time{}
	}
	words := strings.Fields(value)
	numeric := func(at int) bool { return at >= 0 && strings.ContainsAny(words[at][:1], "+-") }
	last := len(words) - 1
	if numeric(last - 1) { // and its name
		words, last = words[:last], last-1
	}
	if last >= 0 && !numeric(last) {
		words[last] = zones[strings.ToUpper(words[last])]
	}
	joined := strings.Join(words, " ")
	t, err := time.Parse(usualDate, joined)
	if err != nil {
		if t, err = mail.ParseDate(joined); err != nil {
			return time.Time{}
		}
	}
	return t
}

// usualDate is how nearly all programs write a date. ParseDate tries it after many others, at ten times the cost.
const usualDate = "Mon, 2 Jan 2006 15:04:05 -0700"

// original adds an original to r. It completes an entry of the same source and depth instead if that is the same message.
func (r *Report) original(o Original) {
	if o.MessageID == "" && o.Sender == "" && o.From == "" && o.EnvelopeID == "" && len(o.Recipients) == 0 {
		return
	}
	for i := range r.Originals {
		have := &r.Originals[i]
		switch {
		case have.Source != o.Source || have.Depth != o.Depth:
		case o.Source == ReportField && (have.MessageID == "" || o.MessageID == "" || have.MessageID == o.MessageID):
			have.MessageID, have.Sender = first(have.MessageID, o.MessageID), first(have.Sender, o.Sender)
			have.EnvelopeID = first(have.EnvelopeID, o.EnvelopeID)
			return
		case have.MessageID == o.MessageID && have.From == o.From:
			return
		}
	}
	if len(r.Originals) < 4*maxOriginals { // sorted and cut later
		r.Originals = append(r.Originals, o)
	}
}
