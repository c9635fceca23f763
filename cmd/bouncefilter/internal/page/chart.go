package page

import (
	"fmt"
	"time"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/report"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/screen"
)

// chart is a chart of bars, one for each hour or day. Its bars are 10 wide in a frame 100 high, which the page stretches; what is written
// is not in it.
type chart struct {
	ID, Title, Desc string
	Each            string // "hour" or "day"
	Width           int
	Top             int64 // what the full height means
	Any             bool  // there is a bar
	Bars            []bar
	Ticks           []string // at equal distances, the first at the left end
	Periods         []report.Period
	Layout          string // of the time of a period
}

// bar is one hour or day: what was accepted at the bottom, refused at the top.
type bar struct {
	X     int
	Title string
	Parts []part
	// Mark is where the mark of an outlier begins, above the bar; it has none if that is 0.
	Mark float64
}

// part is a piece of a bar, from the top of the frame down.
type part struct {
	Class     string
	Y, Height float64
}

// chartHeight is the height of the frame. Above it there is room for marks of outliers.
const (
	chartHeight = 100
	markHeight  = 4
)

// newChart makes the chart of periods, of which every ticks-th has its time below.
func newChart(id, title, each, layout, tickLayout string, periods []report.Period, every int) chart {
	c := chart{ID: id, Title: title, Each: each, Width: max(10, 10*len(periods)), Periods: periods, Layout: layout, Top: 1}
	var sum report.Counts
	var outliers int
	for i := range periods {
		p := &periods[i]
		c.Top = max(c.Top, p.Accepted+p.Turned())
		sum.Accepted, sum.WouldBe, sum.Refused = sum.Accepted+p.Accepted, sum.WouldBe+p.WouldBe, sum.Refused+refused(p.Counts)
		if p.Outlier {
			outliers++
		}
		if i%every == 0 {
			c.Ticks = append(c.Ticks, p.Begin.UTC().Format(tickLayout))
		}
	}
	c.Top, c.Any = round(c.Top), sum != report.Counts{}
	for i := range periods {
		c.Bars = append(c.Bars, newBar(i, &periods[i], c.Top, layout))
	}
	c.Desc = fmt.Sprintf("A bar for each of %d %ss: %s accepted, %s would be refused, %s refused in all; %d far above the others.",
		len(periods), each, screen.Number(sum.Accepted), screen.Number(sum.WouldBe), screen.Number(sum.Refused), outliers)
	return c
}

func newBar(i int, p *report.Period, top int64, layout string) bar {
	b := bar{X: 10*i + 1, Title: fmt.Sprintf("%s: %s accepted, %s would be refused, %s refused", p.Begin.UTC().Format(layout),
		screen.Number(p.Accepted), screen.Number(p.WouldBe), screen.Number(refused(p.Counts)))}
	y := float64(chartHeight + markHeight)
	for _, s := range []struct {
		class string
		n     int64
	}{{"accepted", p.Accepted}, {"would", p.WouldBe}, {"refused", refused(p.Counts)}} {
		if s.n == 0 {
			continue
		}
		h := max(1, chartHeight*float64(s.n)/float64(top)) // what there is can be seen
		h = min(h, y-markHeight)
		y -= h
		b.Parts = append(b.Parts, part{s.class, y, h})
	}
	if p.Outlier {
		b.Title += "; far above the others"
		b.Mark = max(0.1, y-markHeight)
	}
	return b
}

// refused is what was not delivered.
func refused(c report.Counts) int64 { return c.TurnedAway() }

// round returns n, or the next number above it that begins with 1, 1.5, 2, 3, 4, 5, 6 or 8 and ends in zeros.
func round(n int64) int64 {
	for unit := int64(1); ; unit *= 10 {
		for _, step := range []int64{10, 15, 20, 30, 40, 50, 60, 80, 100} {
			if v := step * unit / 10; v >= n && (step*unit)%10 == 0 {
				return v
			}
		}
	}
}

// Moment formats the time of a period.
func (c chart) Moment(t time.Time) string { return t.UTC().Format(c.Layout) }
