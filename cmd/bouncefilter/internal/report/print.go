package report

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/screen"
)

// View says what is printed of a report. The zero View is its first screen.
type View struct {
	By       string // one of [Tables]
	Failures bool   // why own mail came back
	Samples  bool   // the notes
	Next     bool   // all that speaks against enforcing, and all that is to be done
}

// maxLines is how many lines the first screen has at most: a terminal has 24, and the prompt takes one.
const maxLines = 23

// Print writes what the view shows of a report, for people, in lines of at most 80 columns. Lines to paste are never broken.
func Print(out io.Writer, r *Report, v View) error {
	lines := []string{r.title()}
	switch {
	case v.By != "":
		lines = append(append(lines, ""), r.tableLines(v.By)...)
	case v.Failures:
		lines = append(append(lines, ""), r.failureLines()...)
	case v.Samples:
		lines = append(append(lines, ""), r.sampleLines()...)
	case v.Next:
		lines = append(append(lines, r.verdictLines(10)...), "")
		lines = append(lines, r.stepLines()...)
	default:
		lines = r.firstScreen()
	}
	_, err := io.WriteString(out, strings.Join(lines, "\n")+"\n")
	return err
}

// WriteCSV writes one of the [Tables] of a report as CSV (RFC 4180), with a header line.
func WriteCSV(out io.Writer, r *Report, by string) error { return r.table(by).csv(out) }

// title says what the report is about.
func (r *Report) title() string {
	parts := []string{r.period() + " UTC"}
	if l := r.Log; l != nil {
		text := fmt.Sprintf("log of %s lines", screen.Short(l.Lines))
		if l.Unreadable > 0 {
			text += fmt.Sprintf(" (%s unreadable)", screen.Short(l.Unreadable))
		}
		parts = append(parts, text)
	}
	switch {
	case r.Domain != "":
		parts = append(parts, r.Domain)
	case len(r.Domains) == 1:
		parts = append(parts, r.Domains[0].Name)
	default:
		parts = append(parts, screen.Count(len(r.Domains), "domain"))
	}
	switch {
	case r.Node != "":
		parts = append(parts, "node "+r.Node)
	case len(r.Nodes) > 1:
		parts = append(parts, screen.Count(len(r.Nodes), "node"))
	}
	return screen.Fit(screen.Printable(strings.Join(parts, ", ")), screen.Width)
}

// period writes the time of the report: days, or hours if it does not begin and end with a day.
func (r *Report) period() string {
	const hours = "2006-01-02 15:04"
	last := r.Until.Add(-time.Nanosecond)
	if r.From.Equal(r.From.Truncate(24*time.Hour)) && r.Until.Equal(r.Until.Truncate(24*time.Hour)) {
		if first, last := r.From.Format(time.DateOnly), last.Format(time.DateOnly); first != last {
			return first + " to " + last
		}
		return last.Format(time.DateOnly)
	}
	return r.From.Format(hours) + " to " + r.Until.Format(hours)
}

// headline is the verdict in a few words.
func (r *Report) headline() string {
	v := &r.Verdict
	since := ""
	if v.Since != "" {
		since = " since " + v.Since
	}
	switch v.State {
	case Ready:
		return "READY TO ENFORCE" + strings.Replace(since, " since", ", signing since", 1)
	case NotReady:
		text := "NOT READY TO ENFORCE"
		if slices.ContainsFunc(r.Domains, func(d Domain) bool { return d.Verdict.State == Enforcing }) {
			text = "NOT ALL READY TO ENFORCE"
		}
		text += strings.Replace(since, " since", ", signing since", 1)
		if v.Until != "" {
			text += ", at least until " + v.Until
		}
		return text
	case Enforcing:
		switch v.Level {
		case Red:
			return "ENFORCING" + since + ", AND GENUINE MAIL MAY BE REFUSED"
		case Amber:
			return "ENFORCING" + since + ", LOOK AT THIS"
		}
		return "ENFORCING" + since
	}
	return "NOTHING TO JUDGE YET"
}

// verdictLines are the headline and why it is so, in at most so many further lines.
func (r *Report) verdictLines(most int) []string {
	text := r.Verdict.Sentence
	if cs := r.Verdict.Concerns; r.Verdict.State == Enforcing && len(cs) > 0 {
		text = cs[0].What
	}
	lines := screen.Wrap(text, screen.Width-2)
	if len(lines) > most {
		lines = append(lines[:most-1:most-1], screen.Fit(strings.Join(lines[most-1:], " "), screen.Width-2))
	}
	for i := range lines {
		lines[i] = "  " + lines[i]
	}
	return append([]string{r.headline()}, lines...)
}

// firstScreen is what tells at a glance whether bouncefilter works, and what is to be done.
func (r *Report) firstScreen() []string {
	lines := append([]string{r.title()}, r.verdictLines(2)...)
	lines = append(lines, "")
	if r.empty() {
		return append(lines, r.emptyLines()...)
	}
	lines = append(append(lines, r.totalLines()...), "")
	next := r.nextLines()
	name := "day"
	if len(r.Days) <= 1 && len(r.Hours) > 1 || r.Until.Sub(r.From) < 24*time.Hour {
		name = "hour"
	}
	const most = 7
	t := r.table(name)
	room := min(maxLines-len(lines)-len(next)-1, most) // without the heading
	var below []string
	if before := len(t.rows) - room; before > 0 && room > 0 {
		t.columns[0] = fmt.Sprintf("last of %s", screen.Count(len(t.rows), name))
		if outliers := t.outliers(before); outliers != "" {
			below = []string{screen.Fit("* before: "+outliers, screen.Width)}
			room--
		}
	}
	return slices.Concat(lines, t.last(room).lines(), below, next)
}

// last returns the table with its last rows alone.
func (t *table) last(rows int) *table {
	if from := len(t.rows) - max(rows, 0); from > 0 {
		return &table{t.columns, t.rows[from:], t.layout, t.bars[from:], t.marks[from:]}
	}
	return t
}

// outliers names those of the first rows.
func (t *table) outliers(rows int) string {
	var list []string
	for i := rows; i >= 0; i-- {
		if i < len(t.marks) && t.marks[i] {
			list = append(list, fmt.Sprintf("%s %s", t.rows[i][0].(time.Time).Format(t.layout), screen.Short(t.bars[i])))
		}
	}
	return strings.Join(list, ", ")
}

// empty says whether nothing was counted.
func (r *Report) empty() bool {
	return r.Totals.Counts == Counts{} && r.Totals.InboundUntagged+r.Totals.InboundRefused == 0
}

func (r *Report) emptyLines() []string {
	lines := []string{"Nothing was counted in this time."}
	if l := r.Log; l != nil {
		text := fmt.Sprintf("None of the %s lines of the log is a verdict of bouncefilter: %s are of something else, %s cannot be read. ",
			screen.Short(l.Lines), screen.Short(l.Others), screen.Short(l.Unreadable)) +
			`Give it the log of the daemon, with log.level = "info": journalctl -u bouncefilter -o export, or the file that has its standard error.`
		return append(lines, screen.Wrap(text, screen.Width)...)
	}
	lines = append(lines, screen.Wrap("Mail is counted once it passes through the milter, and within a minute it is in the store. "+
		"If mail has passed in this time, see whether the daemon runs and the mail server asks it:", screen.Width)...)
	lines = append(lines, "")
	for _, s := range r.Next {
		for _, c := range s.Commands {
			lines = append(lines, "  "+screen.Printable(c))
		}
	}
	return lines
}

// totalLines are what was signed, accepted and refused, and what would have been refused.
func (r *Report) totalLines() []string {
	t := &r.Totals
	row := func(label string, n int64, text string) string {
		return strings.TrimRight(screen.Fit(fmt.Sprintf("%-18s%11s  %s", label, screen.Short(n), text), screen.Width), " ")
	}
	refused := counts(t.RefusedBy)
	if t.Deferred > 0 {
		refused += "; deferred of these: " + screen.Short(t.Deferred)
	}
	unsigned := ""
	if len(t.NotSignedBy) > 0 {
		unsigned = "left unsigned: " + counts(t.NotSignedBy)
	}
	would := row("Would refuse", t.WouldBe, counts(t.SparedBy))
	lines := []string{row("Signed", t.Signed, unsigned), row("Accepted", t.Accepted, counts(t.AcceptedBy))}
	turned := row("Refused", t.TurnedAway(), refused)
	groups, also := &t.Would, &t.Turned
	if t.WouldBe == 0 { // then the groups are those of what was refused
		groups, also = &t.Turned, &Groups{}
		lines = append(lines, would, turned)
	} else {
		lines = append(lines, turned, would)
	}
	group := func(label string, n, refused int64, signs string) string {
		if refused > 0 {
			signs = strings.TrimPrefix(signs+"; and "+screen.Short(refused)+" of the refused", "; ")
		}
		return row(label, n, signs)
	}
	var signs []string
	for _, s := range []struct {
		what string
		n    int64
	}{
		{"own host", groups.OwnHost}, {"source repeats", groups.Repeats}, {"never sends", groups.NeverSends},
	} {
		if s.n > 0 {
			signs = append(signs, s.what+" "+screen.Short(s.n))
		}
	}
	return append(lines,
		group("  may be genuine", groups.MayBeGenuine, also.MayBeGenuine, strings.Join(signs, ", ")),
		group("  no bounce at all", groups.NoBounce, also.NoBounce, ""),
		group("  no sign of yours", groups.NoSign, also.NoSign, ""))
}

// counts writes counts, the largest first.
func counts(cs []Count) string {
	var list []string
	for _, c := range cs {
		list = append(list, cmp.Or(c.Name, "none")+" "+screen.Short(c.Count))
	}
	return screen.Printable(strings.Join(list, ", "))
}

// nextLines are the first step, and how many there are more: four lines at most.
func (r *Report) nextLines() []string {
	if len(r.Next) == 0 {
		return []string{"Next: nothing needs to be done."}
	}
	s, more := &r.Next[0], len(r.Next)-1
	const most = 2
	lines := screen.Wrap("Next: "+s.What, screen.Width)
	if len(lines) > most {
		lines = []string{lines[0], screen.Fit(strings.Join(lines[1:], " "), screen.Width)}
	}
	if len(s.Commands) == 0 || len(s.Config) > 0 {
		return append(lines, "  "+screen.Printable(r.AllNext)+"    # has the lines to paste")
	}
	lines = append(lines, "  "+screen.Printable(s.Commands[0]))
	if more > 0 {
		lines = append(lines, fmt.Sprintf("  %s    # has %s", screen.Printable(r.AllNext), screen.Count(more, "more step")))
	}
	return lines
}

// bullet writes an item of a list.
func bullet(text string) []string {
	lines := screen.Wrap(text, screen.Width-2)
	for i := range lines {
		lines[i] = map[bool]string{true: "- ", false: "  "}[i == 0] + lines[i]
	}
	return lines
}

// stepLines are all concerns, and all that is to be done, with lines to paste.
func (r *Report) stepLines() (lines []string) {
	if len(r.Verdict.Concerns) > 0 {
		lines = append(lines, "What speaks against refusing:")
	}
	for _, c := range r.Verdict.Concerns {
		text := c.What
		if c.Until != "" {
			text += " Until " + c.Until + "."
		}
		lines = append(lines, bullet(text)...)
	}
	if len(lines) > 0 {
		lines = append(lines, "")
	}
	if len(r.Next) == 0 {
		return append(lines, "Nothing needs to be done.")
	}
	lines = append(lines, "What to do:")
	for _, s := range r.Next {
		lines = append(lines, bullet(s.What)...)
		paste := func(what string, ls []string) {
			if len(s.Config) > 0 && len(ls) > 0 {
				lines = append(lines, "    "+what)
			}
			for _, l := range ls {
				lines = append(lines, "      "+screen.Printable(l))
			}
		}
		paste("in the configuration:", s.Config)
		paste("then:", s.Commands)
	}
	return lines
}

// tableLines are one table, and what there is to say about it.
func (r *Report) tableLines(name string) []string {
	t := r.table(name)
	if len(t.rows) == 0 {
		text := "Nothing was counted for this table."
		if name == "family" && r.Domain != "" {
			text += " It does not tell domains apart: leave out --domain."
		}
		return screen.Wrap(text, screen.Width)
	}
	lines := t.lines()
	switch name {
	case "domain":
		for i := range r.Domains {
			d := &r.Domains[i]
			lines = append(append(lines, ""), screen.Wrap(d.Name+": "+d.Verdict.Sentence, screen.Width)...)
		}
	case "day", "hour":
		lines = append(lines, "", "genuine?: refused or would be, and may be genuine. >*: an outlier.")
	}
	return lines
}

// sampleLines are the last refusals and would-be refusals.
func (r *Report) sampleLines() []string {
	if len(r.Samples) == 0 {
		return []string{"Nothing was or would have been refused in this time."}
	}
	var lines []string
	for i := range r.Samples {
		s := &r.Samples[i]
		what := s.Reason
		if s.Would != "" && s.Would != s.Reason {
			what += ", would be " + s.Would
		}
		if s.Cause != "" {
			what += " (" + s.Cause + ")"
		}
		lines = append(lines,
			screen.Fit(screen.Printable(fmt.Sprintf("%s  %s  %s", s.Time.UTC().Format("2006-01-02 15:04:05"), s.Outcome, what)), screen.Width),
			screen.Fit(screen.Printable(fmt.Sprintf("  %s  from <%s> to <%s>, client %s", cmp.Or(s.QueueID, "no queue ID"), s.Sender, s.Recipient, s.Client)), screen.Width))
		var known []string
		for _, k := range []struct{ name, value string }{{"sign", string(s.Sign)}, {"host", s.OwnHost}, {"report", s.Kind}, {"family", s.Family}, {"reporting MTA", s.ReportingMTA}, {"node", s.Node}} {
			if k.value != "" {
				known = append(known, k.name+" "+k.value)
			}
		}
		lines = append(lines, screen.Fit(screen.Printable("  "+strings.Join(known, ", ")), screen.Width), "    "+screen.Printable(s.Inspect))
	}
	return append(lines, "", "ADDRESS is the whole address of the recipient, as in the log; FILE the message.")
}
