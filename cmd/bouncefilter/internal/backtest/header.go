package backtest

import (
	"bytes"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/bouncefilter/bouncefilter/filter/bounce"
)

// Of a header so much is read at first, and so much at most, in octets.
const (
	firstRead = 8 << 10
	maxHeader = 128 << 10 // as much as the daemon reads of that of a bounce
)

// header is what a message says of itself, as far as it matters here. Values are unfolded.
type header struct {
	fromLine   string   // the sender in an mbox "From " line; "" if there is none
	returnPath string   // the value of the field
	hasPath    bool     // there is a Return-Path field
	received   string   // the topmost Received field
	hops       int      // Received fields
	date       string   // the first Date field
	ids        []string // values of Message-ID fields
	from       string   // the first From field
	authors    [][2]string
	to         []string // values of To, Cc, Bcc
	envelope   []string // values of fields that name the envelope recipient, the most reliable first
	report     bool     // Content-Type: multipart/report
	auto       bool     // Auto-Submitted with another value than "no"
	spamFilter bool     // a spam filter has seen it
}

// envelopeFields are the fields in which MTAs write the envelope recipient, the one that the client gave first.
var envelopeFields = [...]string{"x-original-to", "envelope-to", "x-envelope-to", "x-rcpt-to", "delivered-to", "x-delivered-to"}

// maxEnvelope is how many values of each of them are read. Other hosts may have written some, on the way of a forwarded message.
const maxEnvelope = 5

// readHeader reads the header of a message. It reads less where the beginning says that it is ordinary mail and more is not wanted.
func readHeader(r io.ReaderAt, at int64, limit int64, all bool) (header, error) {
	buf := make([]byte, firstRead)
	for {
		n, err := r.ReadAt(buf[:min(int64(len(buf)), limit)], at)
		if err != nil && err != io.EOF {
			return header{}, err
		}
		h, complete := parseHeader(buf[:n])
		more := err == nil && int64(n) < limit && !complete
		if !more || len(buf) >= maxHeader || !all && h.ordinary() {
			return h, nil
		}
		buf = make([]byte, 4*len(buf))
	}
}

// ordinary says whether the envelope sender is known, and neither the null one nor that of a mailer daemon.
func (h *header) ordinary() bool {
	return h.hasPath && !isNullPath(h.returnPath) && !isDaemonName(bounce.Address(h.returnPath))
}

// parseHeader reads the fields in front of the first blank line. complete is false if there is no such line.
func parseHeader(text []byte) (h header, complete bool) {
	if bytes.HasPrefix(text, []byte("From ")) {
		line, rest, _ := bytes.Cut(text, []byte("\n"))
		h.fromLine, _, _ = strings.Cut(strings.TrimSpace(string(line[len("From "):])), " ")
		text = rest
	}
	var envelope [len(envelopeFields)][]string
	for len(text) > 0 {
		line := nextField(text)
		if len(bytes.TrimRight(line, "\r\n")) == 0 {
			complete = line[len(line)-1] == '\n'
			break
		}
		text = text[len(line):]
		colon := bytes.IndexByte(line, ':')
		if colon <= 0 {
			continue
		}
		h.field(string(bytes.ToLower(bytes.TrimSpace(line[:colon]))), line[colon+1:], &envelope)
	}
	h.envelope = slices.Concat(envelope[:]...)
	return h, complete
}

// nextField returns the first field of text with its continuation lines (RFC 5322 section 2.2.3).
func nextField(text []byte) []byte {
	for end := 0; ; {
		n := bytes.IndexByte(text[end:], '\n')
		if n < 0 {
			return text
		}
		blank := len(bytes.TrimRight(text[end:end+n], "\r")) == 0
		if end += n + 1; blank || end == len(text) || text[end] != ' ' && text[end] != '\t' {
			return text[:end]
		}
	}
}

// maxFieldBytes is how many octets of a field are kept: a message may have thousands of recipients.
const maxFieldBytes = 16 << 10

func (h *header) field(name string, raw []byte, envelope *[len(envelopeFields)][]string) {
	value := func() string { return unfold(raw) }
	switch name {
	case "return-path":
		if !h.hasPath {
			h.returnPath, h.hasPath = value(), true
		}
	case "received":
		if h.hops++; h.hops == 1 {
			h.received = value()
		}
	case "date":
		if h.date == "" {
			h.date = value()
		}
	case "message-id":
		h.ids = append(h.ids, value())
	case "from", "sender", "reply-to", "disposition-notification-to", "return-receipt-to", "errors-to":
		v := value()
		if name == "from" && h.from == "" {
			h.from = v
		}
		h.authors = append(h.authors, [2]string{name, v})
	case "to", "cc", "bcc":
		h.to = append(h.to, value())
	case "content-type":
		h.report = h.report || strings.HasPrefix(strings.ToLower(value()), "multipart/report")
	case "auto-submitted":
		h.auto = h.auto || !strings.HasPrefix(strings.ToLower(value()), "no")
	case "x-spam-status", "x-spam-flag", "x-spamd-result", "x-rspamd-score", "x-spam-level":
		h.spamFilter = true
	default:
		for i, n := range envelopeFields {
			if n == name && len(envelope[i]) < maxEnvelope {
				envelope[i] = append(envelope[i], value())
			}
		}
	}
}

// unfold returns a value on one line, in memory of its own.
func unfold(raw []byte) string {
	raw = raw[:min(len(raw), maxFieldBytes)]
	if !bytes.ContainsAny(bytes.TrimRight(raw, "\r\n"), "\r\n\t") {
		return string(bytes.TrimSpace(raw))
	}
	return strings.Join(strings.Fields(string(raw)), " ")
}

// isNullPath says whether a Return-Path is the null sender, or what MTAs write in its place.
func isNullPath(value string) bool {
	value = strings.ToLower(strings.TrimSpace(value))
	return value == "<>" || value == "" || value == "mailer-daemon" || value == "<mailer-daemon>"
}

// isDaemonName says whether an address is one that bounces come from.
func isDaemonName(address string) bool {
	local, _, _ := strings.Cut(strings.ToLower(address), "@")
	return local == "mailer-daemon" || local == "postmaster"
}

// arrived is when the message came, by the clock of the host that wrote the topmost Received field, or else of its author; the zero time
// if it does not say.
func (h *header) arrived() time.Time {
	if at := strings.LastIndexByte(h.received, ';'); at >= 0 {
		if t := bounce.Date(h.received[at+1:]); !t.IsZero() {
			return t
		}
	}
	return bounce.Date(h.date)
}

// by is the host that wrote the topmost Received field, in lower case; "" if there is none.
func (h *header) by() string {
	_, by, found := strings.Cut(" "+h.received, " by ")
	if !found {
		return ""
	}
	by, _, _ = strings.Cut(by, " ")
	return strings.ToLower(strings.TrimRight(by, ".;"))
}

// fromHost says whether the topmost Received field tells that another host handed the message over. What the MTA wrote itself has
// "by" alone, or came from the MTA's own name for itself.
func (h *header) fromHost() bool {
	from, ok := strings.CutPrefix(strings.ToLower(h.received), "from ")
	return ok && !strings.HasPrefix(from, "localhost (localhost)") // QUIRK: Sendmail's bounces
}

// forAddress is the recipient in the topmost Received field; "" if there is none.
func (h *header) forAddress() string {
	_, value, found := strings.Cut(h.received, " for ")
	if !found {
		return ""
	}
	value, _, _ = strings.Cut(value, ";")
	return bounce.Address(value)
}
