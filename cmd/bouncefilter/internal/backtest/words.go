package backtest

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/screen"
)

// words are how each class is shown, and what becomes of it.
var words = map[Class][2]string{
	Genuine:     {"Genuine bounces of your mail", "accepted"},
	Reply:       {"Replies and receipts to your mail", "accepted"},
	NoBounce:    {"No bounce, with the null sender", "delivered"},
	Unproven:    {"Nothing proves them", "delivered"},
	Backscatter: {"Backscatter", "REFUSED"},
	CannotTell:  {"Cannot tell", "see below"},
}

// whyWords say in words what a class rests on.
var whyWords = map[Why]string{
	WhyMessage:     "answer a message that you sent, and would carry its tag",
	WhyRecipient:   "name a recipient to whom you wrote (likely)",
	WhyOwn:         "your own mail server wrote them: no milter sees them",
	WhyAbsent:      "answer a message that is not among those you sent",
	WhyPath:        "return a message that passed no host of yours",
	WhyNone:        "name neither a message of yours nor a recipient you wrote to",
	WhyNoSent:      "no sent mail of the recipient is known of that time",
	WhyOwnHost:     "name a host of yours, but no sent mail that is known",
	WhyNoPath:      "no Return-Path: may be ordinary mail",
	WhyNoRecipient: "name no recipient in these domains",
	WhyLogKnown:    "only in the log, from a site the recipient had written to",
	WhyLogUnknown:  "only in the log, from another site",
}

// whysOf are the values of Why of a class, in the order in which they are shown.
var whysOf = map[Class][]Why{
	Genuine:     {WhyMessage, WhyRecipient, WhyOwn},
	Backscatter: {WhyAbsent, WhyPath, WhyNone},
	CannotTell:  {WhyNoSent, WhyOwnHost, WhyNoPath, WhyNoRecipient, WhyLogKnown, WhyLogUnknown},
}

// Print writes the result for people, on one screen of 80 columns. Of each class it names so many messages in addition.
func Print(w io.Writer, r *Result, samples int) error {
	var b strings.Builder
	fmt.Fprintf(&b, "What bouncefilter would have done from %s to %s\n\n", r.Since.UTC().Format(time.DateOnly), r.Until.UTC().Format(time.DateOnly))
	r.input(&b)
	b.WriteByte('\n')
	for _, c := range Classes {
		r.class(&b, c)
	}
	r.chart(&b)
	r.largest(&b)
	b.WriteByte('\n')
	screen.Paragraph(&b, "Next: ", r.Next())
	if samples > 0 {
		r.samples(&b, samples)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// input says what was read.
func (r *Result) input(b *strings.Builder) {
	from := ""
	if r.Proposed {
		from = " (of the authors of your sent mail; or name them: --domain)"
	}
	const most = 5
	domains := strings.Join(r.Domains[:min(len(r.Domains), most)], ", ")
	if n := len(r.Domains) - most; n > 0 {
		domains += fmt.Sprintf(" and %s more", screen.Number(n))
	}
	screen.Paragraph(b, "Domains  ", domains+from)
	c := &r.Read
	mail := fmt.Sprintf("%s: %s sent (of %s), %s ordinary, %s that may be bounces", screen.Count(c.Messages, "message"), screen.Number(c.Sent),
		screen.Count(r.Mailboxes, "mailbox"), screen.Number(c.Ordinary), screen.Number(c.Candidates))
	screen.Paragraph(b, "Mail     ", mail)
	var left []string
	if c.Older > 0 {
		left = append(left, screen.Number(c.Older)+" older (--since)")
	}
	if c.Copies > 0 {
		left = append(left, screen.Count(c.Copies, "copy"))
	}
	if len(left) > 0 {
		screen.Paragraph(b, "         ", "left out: "+strings.Join(left, ", "))
	}
	if c.Logs > 0 {
		logs := fmt.Sprintf("%s with no line of a mail server", screen.Count(c.Logs, "file"))
		if r.LogSince != nil {
			logs = fmt.Sprintf("%s since %s: %s sent, %s came; %s with the null sender refused already", screen.Count(c.Logs, "file"),
				r.LogSince.Format(time.DateOnly), screen.Count(c.LogSent, "message"), screen.Number(c.LogInbound), screen.Number(c.Rejected))
		}
		screen.Paragraph(b, "Logs     ", logs)
	}
	switch {
	case r.Interrupted:
		screen.Paragraph(b, "         ", fmt.Sprintf("INTERRUPTED: only a part was read; %s not judged", screen.Number(r.NotJudged)))
	case c.Unread > 0:
		screen.Paragraph(b, "         ", fmt.Sprintf("%s could not be read; the standard error names them", screen.Count(c.Unread, "file")))
	}
}

// class writes the lines of one class.
func (r *Result) class(b *strings.Builder, c Class) {
	n := r.Classes[c]
	fmt.Fprintf(b, "%-46s %9s %5s   %s\n", words[c][0], screen.Number(n), share(n, r.Total()), words[c][1])
	detail := func(what string, n int) { fmt.Fprintf(b, "   %9s  %s\n", screen.Number(n), what) }
	if n == 0 {
		return
	}
	for _, why := range whysOf[c] {
		if k := r.Whys[why]; k > 0 {
			detail(whyWords[why], k)
		}
	}
	switch c {
	case Reply:
		for _, m := range r.AcceptedBy {
			if what := methods[m.Name]; what != "" && r.replies(m.Name) > 0 {
				detail(what, r.replies(m.Name))
			}
		}
	case NoBounce:
		fmt.Fprintf(b, "              from %s\n", screen.Fit(list(r.Null, 4), screen.Width-19))
	case Backscatter:
		if k := n - r.Sure[c]; k > 0 {
			detail("of these only most likely: your sent mail may not be complete", k)
		}
	}
}

// methods say by what a reply is accepted.
var methods = map[string]string{
	"valid-message":       "name a message that you sent",
	"valid-correspondent": "come from a site that you wrote to",
}

// replies returns how many replies were accepted for a reason.
func (r *Result) replies(reason string) (n int) {
	for i := range r.Messages {
		if r.Messages[i].Class == Reply && r.Messages[i].Reason == reason {
			n++
		}
	}
	return n
}

// chart draws how much backscatter came on each day, or, if there is none, how much that could be some.
func (r *Result) chart(b *strings.Builder) {
	if r.Total() == 0 {
		return
	}
	title, on := "Backscatter", func(d Day) int { return d.Classes[Backscatter] }
	if r.Classes[Backscatter] == 0 {
		title, on = "All of these", func(d Day) (n int) {
			for _, k := range d.Classes {
				n += k
			}
			return n
		}
	}
	const most = 56 // days
	last, _ := time.Parse(time.DateOnly, r.Days[len(r.Days)-1].Day)
	first, _ := time.Parse(time.DateOnly, r.Days[0].Day)
	if oldest := last.AddDate(0, 0, 1-most); first.Before(oldest) {
		first = oldest
	}
	counts := map[string]int{}
	largest := 0
	for _, d := range r.Days {
		if counts[d.Day] = on(d); d.Day >= first.Format(time.DateOnly) {
			largest = max(largest, counts[d.Day])
		}
	}
	bars := []rune("▁▂▃▄▅▆▇█")
	fmt.Fprintf(b, "\n%s by day, at most %s:\n  %s ", title, screen.Number(largest), first.Format("01-02"))
	for d := first; !d.After(last); d = d.AddDate(0, 0, 1) {
		n := counts[d.Format(time.DateOnly)]
		if n == 0 {
			b.WriteByte('.')
			continue
		}
		b.WriteRune(bars[(n*len(bars)-1)/max(largest, 1)])
	}
	fmt.Fprintf(b, " %s\n", last.Format("01-02"))
}

// largest names the largest sources and targets.
func (r *Result) largest(b *strings.Builder) {
	for _, row := range []struct {
		title string
		list  []Named
	}{
		{"  most to    ", r.Targets}, {"  most from  ", r.Reporters}, {"Null sender, by the logs: to    ", r.LogTo}, {"                          from  ", r.Clients},
	} {
		if len(row.list) > 0 {
			fmt.Fprintf(b, "%s%s\n", row.title, screen.Fit(list(row.list, 5), screen.Width-len(row.title)))
		}
	}
}

// Next says what the operator should do.
func (r *Result) Next() string {
	total, back, unsure := r.Total(), r.Classes[Backscatter], r.Classes[CannotTell]
	switch {
	case total == 0:
		return "no mail that may be a bounce was found. Name the folders of users' inboxes, or the logs; --since takes an earlier day."
	case r.Mailboxes == 0 && r.LogSince == nil:
		return "no sent mail is known, so that little can be told. Name the folders of sent mail (--sent DIR), or add the logs of the mail server " +
			"of the same time."
	case unsure*5 > total && r.LogSince == nil:
		return "much cannot be told. Add the logs of the mail server (they name all mail that was sent), or folders of sent mail (--sent DIR)."
	case unsure*5 > total && r.Read.Messages == 0:
		return "logs do not say what a message is. Add saved mail, such as the Maildirs of some users, to have it told."
	case back == 0 && unsure > 0:
		return "there is no backscatter in this mail as far as can be told. Look at the rest: --list cannot-tell names it, inspect FILE explains it."
	case back == 0:
		return "there is no backscatter in this mail. bouncefilter would have changed nothing but the senders of your mail."
	case r.Classes[NoBounce] > 0:
		return "look at some of what would be refused (--list backscatter, inspect FILE). Then install bouncefilter: mode auto refuses nothing " +
			"until all bounces carry tags. Mail that is no bounce goes on being delivered."
	}
	return "look at some of what would be refused (--list backscatter, inspect FILE). Then install bouncefilter: mode auto refuses nothing " +
		"until all bounces carry tags."
}

// samples names messages of each class, the latest first.
func (r *Result) samples(b *strings.Builder, most int) {
	for _, c := range Classes {
		n := 0
		for _, m := range slices.Backward(r.Messages) {
			if m.Class != c {
				continue
			}
			if n++; n > most {
				break
			}
			if n == 1 {
				fmt.Fprintf(b, "\n%s:\n", words[c][0])
			}
			fmt.Fprintf(b, "  %s\n", m.Line())
		}
	}
}

// Line names a message on one line: where it is, what the class rests on, when it came, its recipient and its Message-ID. In an mbox that
// is the path with offset and length in octets.
func (m *Message) Line() string {
	where := m.File
	switch {
	case m.File == "":
		where = "queue-id:" + m.QueueID
	case m.Length > 0:
		where = fmt.Sprintf("%s@%d+%d", m.File, m.Offset, m.Length)
	}
	return strings.Join([]string{screen.Printable(where), cmp.Or(string(m.Why), m.Reason), m.Time.UTC().Format(time.RFC3339), screen.Printable(m.Recipient), "<" + screen.Printable(m.MessageID) + ">"}, "\t")
}

// list writes the first few of some counts: "a 12, b 3".
func list(counts []Named, most int) string {
	var parts []string
	for _, n := range counts[:min(len(counts), most)] {
		parts = append(parts, screen.Printable(n.Name)+" "+screen.Number(n.Count))
	}
	return strings.Join(parts, ", ")
}

func share(n, of int) string {
	if of == 0 {
		return ""
	}
	return fmt.Sprintf("%d%%", (100*n+of/2)/of)
}
