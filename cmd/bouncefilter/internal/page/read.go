package page

import (
	"context"
	"fmt"
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
	// shownDays and shownHours are how far back the charts go. As many days before are read to compare.
	shownDays  = 28
	shownHours = 48
	// maxFigures bounds how many figures are read, the newest first: some 25 MB while a page is made. Ten domains have a few thousand.
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
func (r *reader) get(ctx context.Context, lifetime int) snapshot {
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
	s, err := r.read(read, lifetime)
	if ctx.Err() != nil {
		return last // the client is gone, which says nothing about the store
	}
	now := r.now()
	if err != nil {
		s = last
		if s.failed == nil {
			s.since = now
		}
		s.failed = err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last, r.next = s, now.Add(max(readInterval, readShare*time.Since(began)))
	return s
}

func (r *reader) lookAt() (last snapshot, due bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.last, !r.now().Before(r.next)
}

// read asks the store.
func (r *reader) read(ctx context.Context, lifetime int) (snapshot, error) {
	now := r.now().UTC()
	st, err := r.source.Status(ctx)
	if err != nil {
		return snapshot{}, fmt.Errorf("read the status: %w", err)
	}
	notes, err := r.source.Notes(ctx)
	if err != nil {
		return snapshot{}, fmt.Errorf("read the notes: %w", err)
	}
	in := report.Input{Notes: notes, Status: st, Lifetime: lifetime, Now: now, Samples: maxSamples}
	today := now.Truncate(24 * time.Hour)
	in.From, in.Until = today.AddDate(0, 0, 1-shownDays), today.AddDate(0, 0, 1)
	days := max(2*shownDays, report.EvidenceDays(lifetime))
	in.Days, days, err = r.newest(ctx, store.ByDay, in.Until, 24*time.Hour, days)
	if err != nil {
		return snapshot{}, fmt.Errorf("read figures of days: %w", err)
	}
	in.Hours, _, err = r.newest(ctx, store.ByHour, now.Truncate(time.Hour).Add(time.Hour), time.Hour, shownHours)
	if err != nil {
		return snapshot{}, fmt.Errorf("read figures of hours: %w", err)
	}
	return snapshot{at: now, status: st, report: report.Build(in), days: days}, nil
}

// newest returns the figures of the last n hours or days before until, or of fewer if these are too many.
func (r *reader) newest(ctx context.Context, by store.Resolution, until time.Time, each time.Duration, n int) (fs []figures.Figure, read int, err error) {
	for read < n {
		more, err := r.source.Figures(ctx, by, until.Add(-each), until)
		if err != nil {
			return nil, 0, err
		}
		if len(fs)+len(more) > maxFigures && read > 0 {
			break
		}
		fs, read, until = append(fs, more...), read+1, until.Add(-each)
	}
	return fs, read, nil
}
