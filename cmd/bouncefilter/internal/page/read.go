package page

import (
	"context"
	"sync"
	"time"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/report"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/status"
	"github.com/bouncefilter/bouncefilter/filter/figures"
	"github.com/bouncefilter/bouncefilter/store"
)

const (
	// readInterval is how long figures are shown before they are read again, and readShare the least times that a read took: the page
	// takes a twentieth of what the store can do at most, however often it is asked for.
	readInterval = 10 * time.Second
	readShare    = 20
	// readTimeout bounds a read. It is less than what a client may be kept waiting.
	readTimeout = 5 * time.Second
	// shownDays is how far back the chart of days and the totals go. As many days before are read to compare.
	shownDays = 28
	// maxFigures bounds how many figures of days are kept while a page is made, the newest first, unless the last day alone has more: some
	// 25 MB. Ten domains have a few thousand in all, and 20,000 so many on one day that a view takes 360 MB.
	maxFigures = 100_000
	// maxSamples is how many refusals are shown.
	maxSamples = 20
)

// snapshot is what was read of the store.
type snapshot struct {
	at     time.Time // of the last read that succeeded; the zero time if none did
	status *status.Status
	report *report.Report // nil if no read succeeded
	days   int            // how many days of those before today were read, see maxFigures

	failed error     // of the last read
	since  time.Time // of the first read that failed since one succeeded
}

// reader reads the store for all views.
type reader struct {
	source Source
	now    func() time.Time

	reading sync.Mutex // held by the one who reads
	mu      sync.Mutex // of what follows
	last    snapshot
	next    time.Time // when it is to be read again
}

// get returns what was read last, and reads first if that is too old. While another one reads, it returns what there was before.
func (r *reader) get(ctx context.Context, l Local) snapshot {
	last, due := r.lookAt()
	if !due {
		return last
	}
	if !last.at.IsZero() || last.failed != nil {
		if !r.reading.TryLock() {
			return last
		}
	} else {
		r.reading.Lock()
	}
	defer r.reading.Unlock()
	if last, due = r.lookAt(); !due {
		return last
	}
	read, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	began := time.Now()
	s, err := r.read(read, l)
	now, took := r.now(), time.Since(began)
	if ctx.Err() != nil { // the client is gone, which says nothing about the store
		r.keep(last, now.Add(readShare*took)) // clients that go away do not have it read more often
		return last
	}
	if err != nil {
		s = last
		if s.failed == nil {
			s.since = now
		}
		s.failed = err
	}
	r.keep(s, now.Add(max(readInterval, readShare*took)))
	return s
}

// keep keeps what was read until it is to be read again.
func (r *reader) keep(s snapshot, next time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last, r.next = s, next
}

func (r *reader) lookAt() (last snapshot, due bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.last, !r.now().Before(r.next)
}

// read asks the store.
func (r *reader) read(ctx context.Context, l Local) (snapshot, error) {
	now := r.now().UTC()
	today := store.DayOf(now)
	in := report.Input{Lifetime: l.Lifetime, From: (today - shownDays + 1).Time(), Until: (today + 1).Time(), Now: now, Samples: maxSamples, Config: l.Config}
	newest := &newest{Source: r.source, left: maxFigures}
	if err := in.ReadStore(ctx, newest); err != nil {
		return snapshot{}, err
	}
	return snapshot{at: now, status: in.Status, report: report.Build(in), days: newest.days}, nil
}

// newest is a source that has a bounded number of figures, the newest.
type newest struct {
	Source
	left int // figures of days that may be read yet
	days int // that were read
}

// Figures implements Source. It asks for one hour or day after the other, the last first, until these are too many.
func (n *newest) Figures(ctx context.Context, by store.Resolution, from, until time.Time) ([]figures.Figure, error) {
	each := time.Hour
	if by == store.ByDay {
		each = 24 * time.Hour
	}
	var fs []figures.Figure
	for begin := until.Add(-time.Nanosecond).Truncate(each); begin.Add(each).After(from); begin = begin.Add(-each) {
		more, err := n.Source.Figures(ctx, by, begin, begin.Add(each))
		if err != nil {
			return nil, err
		}
		if by == store.ByHour {
			fs = append(fs, fold(more)...)
			continue
		}
		if n.left -= len(more); n.left < 0 && n.days > 0 {
			break
		}
		fs, n.days = append(fs, more...), n.days+1
	}
	return fs, nil
}

// fold adds up the figures of an hour over domains and nodes. The chart of hours needs no more, and of many domains there are many.
func fold(fs []figures.Figure) []figures.Figure {
	var folded []figures.Figure
	at := map[figures.Key]int{}
	for _, f := range fs {
		if f.Topic != figures.Verdicts && f.Topic != figures.Signs {
			continue
		}
		f.Node, f.Domain = "", ""
		i, known := at[f.Key]
		if !known {
			i = len(folded)
			at[f.Key] = i
			folded = append(folded, figures.Figure{Begin: f.Begin, Key: f.Key})
		}
		folded[i].Count += f.Count
	}
	return folded
}
