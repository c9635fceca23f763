package report

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/logread"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/status"
	"github.com/bouncefilter/bouncefilter/filter/figures"
	"github.com/bouncefilter/bouncefilter/store"
	"github.com/bouncefilter/bouncefilter/store/memory"
)

// Source has the figures of a store.
type Source interface {
	// Figures returns the figures that begin in the time from from until until; see [figures.Read].
	Figures(ctx context.Context, by store.Resolution, from, until time.Time) ([]figures.Figure, error)
	// Notes returns the notes of all nodes; see [figures.Notes].
	Notes(ctx context.Context) ([]figures.Note, error)
	Status(ctx context.Context) (*status.Status, error)
}

// earlierDays is how many days before a domain signed are read, to tell failures that began with signing, and before the evidence, to tell
// a site that has no mail on some days from one whose figures have just begun.
const earlierDays = 7

// ReadStore fills in what a store has of the time that the input has already.
func (in *Input) ReadStore(ctx context.Context, src Source) (err error) {
	if in.Status, err = src.Status(ctx); err != nil {
		return fmt.Errorf("ask for the status: %w", err)
	}
	first := earlier(in.From.Add(in.From.Sub(in.Until)), in.evidenceBegins().AddDate(0, 0, -earlierDays))
	for i := range in.Status.Domains {
		since, err := time.Parse(time.DateOnly, in.Status.Domains[i].SigningSince)
		if err == nil && !since.Before(in.From.Add(in.From.Sub(in.Until))) {
			first = earlier(first, since.AddDate(0, 0, -earlierDays))
		}
	}
	if in.Days, err = src.Figures(ctx, store.ByDay, store.DayOf(first).Time(), in.Now); err != nil {
		return fmt.Errorf("read the figures of days: %w", err)
	}
	if in.Hours, err = src.Figures(ctx, store.ByHour, in.Now.Add(-store.HourRetention*time.Hour), in.Now); err != nil {
		return fmt.Errorf("read the figures of hours: %w", err)
	}
	if in.Samples > 0 {
		if in.Notes, err = src.Notes(ctx); err != nil {
			return fmt.Errorf("read the notes: %w", err)
		}
	}
	return nil
}

// logNode is the node of figures of a log, which does not say which node has written it.
const logNode = "log"

// flushAfter is after how many verdicts what was counted is moved on, so that memory stays bounded.
const flushAfter = 4096

// ReadLog fills in what a log has. The figures are those that the daemon has counted when it wrote the log, however long it is: what
// outsiders can make up is bounded in the same way. Figures of hours are those of the last 48 hours before the last verdict. If the time of
// the report is not set, it becomes the days of the log.
func (in *Input) ReadLog(ctx context.Context, log io.Reader, clock logread.Clock) error {
	var last time.Time
	st := memory.NewWithClock(func() time.Time { return last })
	hasher := store.NewHasher(nil)
	keep := 0
	if in.Samples > 0 {
		keep = store.MaxNotes // also those of other days and domains, which the report leaves out
	}
	recorder := figures.New(logNode, keep, hasher)
	waiting := 0
	var failed error
	stats, err := logread.Read(log, clock, func(e *figures.Observation) {
		if e.At.After(last) {
			last = e.At
		}
		recorder.Observe(e)
		if waiting++; waiting == flushAfter && failed == nil {
			waiting, failed = 0, recorder.Flush(ctx, st, last)
		}
	})
	if err != nil {
		return err
	}
	if failed == nil {
		failed = recorder.Flush(ctx, st, last)
	}
	if failed != nil {
		return failed
	}
	in.Log = &stats
	if stats.Verdicts == 0 {
		last = in.Now
	}
	end := last.Add(time.Nanosecond)
	if in.From.IsZero() {
		in.From = max(store.DayOf(stats.First), store.DayOf(last)-store.CounterRetention).Time()
		if stats.Verdicts == 0 {
			in.From = store.DayOf(in.Now).Time()
		}
	}
	if in.Until.IsZero() {
		in.Until = (store.DayOf(last) + 1).Time()
	}
	if in.Days, err = figures.Read(ctx, st, store.ByDay, (store.DayOf(last) - store.CounterRetention).Time(), end); err != nil {
		return err
	}
	if in.Hours, err = figures.Read(ctx, st, store.ByHour, last.Add(-store.HourRetention*time.Hour), end); err != nil {
		return err
	}
	in.Notes, err = figures.Notes(ctx, st, hasher)
	return err
}
