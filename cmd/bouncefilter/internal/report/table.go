package report

import (
	"cmp"
	"encoding/csv"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/screen"
)

// table is one table of a report. A cell is a string, an int64, a share (float64), or a time of day (time.Time).
type table struct {
	columns []string
	rows    [][]any
	layout  string // of times
	bars    []int64
	marks   []bool // of outliers
}

// Tables are the names of the tables that a report has, as --by has them.
func Tables() []string {
	return []string{"hour", "day", "domain", "reason", "source", "reporter", "destination", "status", "node", "family"}
}

// table returns one of the tables; nil for a name that [Tables] lacks.
func (r *Report) table(name string) *table {
	switch name {
	case "hour":
		return periodTable("hour", "2006-01-02 15:00", r.Hours)
	case "day":
		return periodTable("day", "Mon 2006-01-02", r.Days)
	case "domain":
		t := &table{columns: []string{"domain", "mode", "state", "signed", "accepted", "refused", "would", "genuine?"}}
		for i := range r.Domains {
			d := &r.Domains[i]
			t.add(d.Name, cmp.Or(d.Mode, "-"), string(d.Verdict.State), d.Signed, d.Accepted, d.TurnedAway(), d.WouldBe,
				d.Would.MayBeGenuine+d.Turned.MayBeGenuine)
		}
		return t
	case "reason":
		t := &table{columns: []string{"outcome", "reason", "count"}}
		for _, group := range []struct {
			outcome string
			counts  []Count
		}{
			{"accepted", r.Totals.AcceptedBy}, {"refused", r.Totals.RefusedBy}, {"would-refuse", r.Totals.WouldBeBy}, {"not-signed", r.Totals.NotSignedBy},
		} {
			for _, c := range group.counts {
				t.add(group.outcome, c.Name, c.Count)
			}
		}
		return t
	case "source":
		return namedTable(name, r.Sources)
	case "reporter":
		return namedTable(name, r.Reporters)
	case "node":
		return namedTable(name, r.Nodes)
	case "family":
		return namedTable(name, r.Families)
	case "destination":
		return destinationTable(r.Failures.Destinations)
	case "status":
		t := &table{columns: []string{"status", "count", "before", "meaning"}}
		for _, s := range r.Failures.Statuses {
			t.add(cmp.Or(s.Status, "-"), s.Count, s.Before, s.Meaning)
		}
		return t
	}
	return nil
}

func (t *table) add(cells ...any) { t.rows = append(t.rows, cells) }

func periodTable(name, layout string, ps []Period) *table {
	t := &table{columns: []string{name, "signed", "accepted", "refused", "would", "genuine?"}, layout: layout}
	for i := range ps {
		p := &ps[i]
		t.add(p.Begin, p.Signed, p.Accepted, p.TurnedAway(), p.WouldBe, p.MayBeGenuine)
		t.bars = append(t.bars, p.Turned())
		t.marks = append(t.marks, p.Outlier)
	}
	return t
}

// namedTable makes a table of names. Of sources and reporters, only what was or would be refused is counted.
func namedTable(name string, list []Named) *table {
	turned := name == "source" || name == "reporter"
	t := &table{columns: []string{name, "signed", "accepted", "refused", "would"}}
	if turned {
		t.columns = []string{name, "refused", "would"}
	}
	for i := range list {
		n := &list[i]
		if turned {
			t.add(n.Name, n.TurnedAway(), n.WouldBe)
		} else {
			t.add(n.Name, n.Signed, n.Accepted, n.TurnedAway(), n.WouldBe)
		}
	}
	return t
}

func destinationTable(list []Destination) *table {
	t := &table{columns: []string{"destination", "sent", "failed", "share", "before", "most frequent"}}
	for i := range list {
		d := &list[i]
		why := ""
		if len(d.Statuses) > 0 {
			why = strings.TrimSpace(d.Statuses[0].Status + " " + d.Statuses[0].Meaning)
		}
		t.add(d.Name, d.Sent, d.Failed, d.Share, d.ShareBefore, why)
	}
	return t
}

// csv writes the table as RFC 4180 has it, numbers without separators.
func (t *table) csv(out io.Writer) error {
	w := csv.NewWriter(out)
	header := slices.Clone(t.columns)
	if t.marks != nil {
		header = append(header, "outlier")
	}
	if err := w.Write(header); err != nil {
		return err
	}
	for i, row := range t.rows {
		var line []string
		for _, cell := range row {
			switch c := cell.(type) {
			case int64:
				line = append(line, strconv.FormatInt(c, 10))
			case float64:
				line = append(line, strconv.FormatFloat(c, 'f', 4, 64))
			case time.Time:
				line = append(line, c.UTC().Format(time.RFC3339))
			default:
				line = append(line, inert(fmt.Sprint(cell)))
			}
		}
		if t.marks != nil {
			line = append(line, strconv.FormatBool(t.marks[i]))
		}
		if err := w.Write(line); err != nil {
			return err
		}
	}
	w.Flush()
	return w.Error()
}

// inert returns a text as CSV has it. Other hosts choose names: spreadsheets take some beginnings for formulas, and show "'" not at all.
func inert(s string) string {
	s = screen.Printable(s)
	if len(s) > 1 && strings.ContainsRune("=+-@", rune(s[0])) {
		return "'" + s
	}
	return s
}

// lines returns the table for people, at most [screen.Width] columns wide.
func (t *table) lines() []string {
	cells := [][]string{t.columns}
	for _, row := range t.rows {
		var line []string
		for _, cell := range row {
			switch c := cell.(type) {
			case int64:
				line = append(line, screen.Short(c))
			case float64:
				line = append(line, percent(c))
			case time.Time:
				line = append(line, c.UTC().Format(t.layout))
			default:
				line = append(line, screen.Printable(fmt.Sprint(cell)))
			}
		}
		cells = append(cells, line)
	}
	widths := make([]int, len(t.columns))
	for _, line := range cells {
		for i, c := range line {
			widths[i] = max(widths[i], utf8.RuneCountInString(c))
		}
	}
	t.shrink(widths)
	bars := t.barsOf(screen.Width - 2 - sum(widths) - 2*(len(widths)-1))
	var lines []string
	for n, line := range cells {
		var b strings.Builder
		for i, c := range line {
			if i > 0 {
				b.WriteString("  ")
			}
			c = screen.Fit(c, widths[i])
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(c))
			if t.isNumber(i) {
				b.WriteString(pad + c)
			} else {
				b.WriteString(c + pad)
			}
		}
		if bars != nil {
			b.WriteString("  " + bars[n])
		}
		lines = append(lines, strings.TrimRight(b.String(), " "))
	}
	return lines
}

func (t *table) isNumber(column int) bool {
	if len(t.rows) == 0 {
		return false
	}
	switch t.rows[0][column].(type) {
	case int64, float64:
		return true
	}
	return false
}

// shrink takes from the widest texts what is too much for a line.
func (t *table) shrink(widths []int) {
	for sum(widths)+2*(len(widths)-1) > screen.Width {
		widest := -1
		for i, w := range widths {
			if !t.isNumber(i) && (widest < 0 || w > widths[widest]) {
				widest = i
			}
		}
		if widest < 0 || widths[widest] <= 4 {
			return
		}
		widths[widest]--
	}
}

// minBar is how wide a chart is at least, in columns.
const minBar = 8

// barsOf returns a heading and a bar for each row, so wide at most; nil if there are none, or no room. The longest one is not an outlier:
// outliers end with ">*".
func (t *table) barsOf(wide int) []string {
	if t.bars == nil || wide < minBar {
		return nil
	}
	wide -= 2
	scale := int64(0)
	for i, n := range t.bars {
		if !t.marks[i] {
			scale = max(scale, n)
		}
	}
	bars := []string{screen.Fit("refused + would", wide)}
	for i, n := range t.bars {
		switch {
		case t.marks[i]:
			bars = append(bars, strings.Repeat("#", wide)+">*")
		case n == 0:
			bars = append(bars, "")
		default:
			bars = append(bars, strings.Repeat("#", max(1, int(n*int64(wide)/scale))))
		}
	}
	return bars
}

func sum(list []int) (n int) {
	for _, i := range list {
		n += i
	}
	return n
}

func percent(share float64) string { return strconv.Itoa(int(share*100+0.5)) + "%" }
