package bounce

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// Read reads one message from r and reports what it is. It reads no more than the limits allow and leaves the rest of r
// unread. Line ends may be CRLF or LF. It skips an mbox "From " line in front.
//
// The Report is never nil. The error is that of r, wrapped; the Report then says what came before it.
func Read(r io.Reader, limits Limits) (*Report, error) {
	limits = limits.withDefaults()
	text, problems, err := readMessage(r, limits)
	rep := analyse(text, limits, problems)
	if err != nil {
		rep.Truncated = true
		return rep, fmt.Errorf("bounce: read the message: %w", err)
	}
	return rep, nil
}

// Parse reports what a message in memory is. It does not check HeaderBytes and BodyBytes: the caller passes no more than that,
// and cuts off a longer message at the end of a line; then it sets Truncated itself.
func Parse(message []byte, limits Limits) *Report { return ParsePieces([][]byte{message}, limits) }

// ParsePieces is [Parse] for a message in pieces, which it reads before it returns. It needs no copy of them in one piece beside its own.
func ParsePieces(pieces [][]byte, limits Limits) *Report {
	return analyse(normal(pieces...), limits.withDefaults(), nil)
}

func analyse(text string, limits Limits, problems []string) *Report {
	a := &analysis{work: newWork(len(text)), limits: limits, parts: limits.Parts}
	if limits.Steps > 0 {
		a.most = limits.Steps
	}
	rep, ok := a.within(text)
	if !ok {
		a.problem("to read it takes more work than its size allows")
	}
	for _, p := range append(problems, a.problems...) {
		rep.problem(p)
	}
	rep.Truncated = a.truncated || !ok || len(problems) > 0 // of Read, which all say that something was cut off
	if len(rep.Problems) > maxProblems {
		rep.Problems = append(rep.Problems[:maxProblems], "and more")
	}
	return rep
}

// within reports about a message if the work that it may take is enough. If not, the report says nothing but that.
func (a *analysis) within(text string) (r *Report, ok bool) {
	defer func() {
		switch p := recover(); p.(type) {
		case nil:
		case exhausted:
			r, ok = &Report{Kind: None, Unread: true}, false
		default:
			panic(p)
		}
	}()
	r = a.message(text, 1)
	r.bound(a.work)
	for i := range r.Originals {
		r.Originals[i].sent = r.sent(a.work, &r.Originals[i])
	}
	return r, true
}

// readMessage returns the message with LF line ends, cut off at the limits. It cuts a header that is too long at the end of
// a line, and still reads the body.
func readMessage(r io.Reader, limits Limits) (text string, problems []string, err error) {
	br := bufio.NewReaderSize(r, 8<<10)
	var b bytes.Buffer
	header, skipped := 0, 0
	for {
		line, e := br.ReadSlice('\n')
		for partial := e == bufio.ErrBufferFull; partial; partial = e == bufio.ErrBufferFull {
			// A line longer than the buffer: take its beginning, and bound the search for its end.
			if header += len(line); header <= limits.HeaderBytes {
				b.Write(line)
			} else if skipped += len(line); skipped > limits.BodyBytes {
				return normal(b.Bytes()), []string{"the header is longer than the limit"}, nil
			}
			line, e = br.ReadSlice('\n')
		}
		header += len(line)
		blank := len(bytes.TrimRight(line, "\r\n")) == 0 && len(line) > 0
		if header <= limits.HeaderBytes || blank {
			b.Write(line)
		} else if skipped += len(line); skipped > limits.BodyBytes {
			return normal(b.Bytes()), []string{"the header is longer than the limit"}, nil
		}
		if e == io.EOF {
			return normal(b.Bytes()), problems, nil
		}
		if e != nil {
			return normal(wholeLines(b.Bytes())), problems, e
		}
		if blank {
			break
		}
	}
	if skipped > 0 {
		problems = append(problems, "the header is longer than the limit")
	}
	n, err := io.Copy(&b, io.LimitReader(br, int64(limits.BodyBytes)))
	if err == nil && n == int64(limits.BodyBytes) {
		if _, e := br.ReadByte(); e == nil {
			problems = append(problems, "the body is longer than the limit and was cut off")
			return normal(wholeLines(b.Bytes())), problems, nil
		}
	}
	if err != nil {
		return normal(wholeLines(b.Bytes())), problems, err
	}
	return normal(b.Bytes()), problems, nil
}

// wholeLines drops a last line that was cut off: half of a Message-ID is a wrong Message-ID.
func wholeLines(b []byte) []byte { return b[:bytes.LastIndexByte(b, '\n')+1] }

// normal joins the pieces of a message and turns CRLF into LF. It leaves a lone CR alone, except in front of CRLF.
//
// QUIRK: the DragonFly Mail Agent ends the lines of an SMTP reply that it quotes with CR CR LF.
func normal(pieces ...[]byte) string {
	size := 0
	for _, p := range pieces {
		size += len(p)
	}
	var b strings.Builder
	b.Grow(size)
	returns := 0 // CRs that were not written yet
	write := func(n int) {
		for ; n > 0; n-- {
			b.WriteByte('\r')
		}
		returns = 0
	}
	for _, p := range pieces {
		for len(p) > 0 {
			switch {
			case p[0] == '\r':
				returns++
				p = p[1:]
				continue
			case p[0] == '\n':
				write(returns - 2)
			default:
				write(returns)
			}
			n := bytes.IndexByte(p, '\r')
			if n < 0 {
				n = len(p)
			}
			b.Write(p[:n])
			p = p[n:]
		}
	}
	write(returns)
	return b.String()
}

// bound cuts everything that an attacker's message could make large.
func (r *Report) bound(w *work) {
	r.Recipients = r.Recipients[:min(len(r.Recipients), maxRecipients)]
	for i := range r.Recipients {
		rcpt := &r.Recipients[i]
		w.items(4)
		w.look(2 * min(len(rcpt.Diagnostic), 4*maxDiagnosticBytes))
		rcpt.Address = printable(rcpt.Address, maxAddressBytes)
		rcpt.Action = printable(rcpt.Action, maxNameBytes)
		rcpt.Diagnostic = printable(rcpt.Diagnostic, maxDiagnosticBytes)
		rcpt.RemoteMTA = printable(rcpt.RemoteMTA, maxNameBytes)
	}
	r.sort()
	r.Originals = r.Originals[:min(len(r.Originals), maxOriginals)]
	for i := range r.Originals {
		o := &r.Originals[i]
		w.items(4 * (1 + len(o.Recipients)))
		o.Sender = printable(o.Sender, maxAddressBytes)
		o.From = printable(o.From, maxAddressBytes)
		o.EnvelopeID = printable(o.EnvelopeID, maxNameBytes)
		o.Recipients = o.Recipients[:min(len(o.Recipients), maxOriginalRcpts)]
		for k := range o.Recipients {
			o.Recipients[k] = printable(o.Recipients[k], maxAddressBytes)
		}
	}
	r.Sender = printable(r.Sender, maxAddressBytes)
	r.From = printable(r.From, maxAddressBytes)
	r.ReceivedFrom = printable(r.ReceivedFrom, maxNameBytes)
	r.ReportingMTA = printable(r.ReportingMTA, maxNameBytes)
}

// sort puts the messages that the report answers directly first, the most reliable source first.
func (r *Report) sort() {
	slices.SortStableFunc(r.Originals, func(a, b Original) int {
		if a.Depth != b.Depth {
			return a.Depth - b.Depth
		}
		return a.Source.rank() - b.Source.rank()
	})
}

// printable makes s fit for a log: valid UTF-8, no control characters, one line, at most limit octets. It reads no more than it may need,
// unless s was made for that.
func printable(s string, limit int) string {
	clean := true
	s = s[:min(len(s), 4*limit)]
	for i := range len(s) {
		if s[i] < 0x20 || s[i] >= 0x7f {
			clean = false
			break
		}
	}
	if clean {
		return s[:min(len(s), limit)]
	}
	var b strings.Builder
	b.Grow(min(len(s), limit))
	invalid := false // what came last: a run of octets that are no UTF-8 becomes one question mark
	for i, n := 0, 0; i < len(s); i += n {
		var c rune
		c, n = utf8.DecodeRuneInString(s[i:])
		switch {
		case c == utf8.RuneError && n == 1:
			if invalid {
				continue
			}
			c, invalid = '?', true
		case c < 0x20 || c >= 0x7f && c < 0xa0 || c == 0x2028 || c == 0x2029:
			c, invalid = ' ', false
		default:
			invalid = false
		}
		if b.Len()+utf8.RuneLen(c) > limit {
			break
		}
		b.WriteRune(c)
	}
	return b.String()
}
