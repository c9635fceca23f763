package control

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bouncefilter/bouncefilter/store"
	"github.com/bouncefilter/bouncefilter/store/memory"
)

// counting is a daemon that has counted something and has not written it yet.
type counting struct {
	stub
	store   *memory.Store
	counted []store.Counter
	failed  error
	asked   int
}

func (c *counting) Store() store.Store { return c.store }

func (c *counting) FlushFigures(ctx context.Context) error {
	cs := c.counted
	c.asked++
	c.counted = nil
	return errors.Join(c.failed, c.store.Count(ctx, cs))
}

func TestCountersOfTheDaemon(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	hour := store.HourOf(now)
	d := &counting{store: memory.NewWithClock(func() time.Time { return now })}
	counter := func(h store.Hour, n int64) store.Counter {
		return store.Counter{Hour: h, Node: "mx1", Topic: "verdict", Name: "a|b", Count: n}
	}
	d.counted = []store.Counter{counter(hour, 1), counter(hour-13, 2), counter(hour-40, 4), counter(hour-24*300, 8)}
	_, c := serveDaemon(t, d)

	sums := func(by store.Resolution, from, to store.Hour) (sum int64) {
		t.Helper()
		cs, err := c.Counters(t.Context(), by, from, to)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range cs {
			sum += c.Count
		}
		return sum
	}
	if got := sums(store.ByHour, hour, hour); got != 1 {
		t.Errorf("of this hour: %d", got)
	}
	if got := sums(store.ByHour, hour-47, hour); got != 7 {
		t.Errorf("of two days by hour: %d", got)
	}
	if got := sums(store.ByDay, 0, hour); got != 15 {
		t.Errorf("of all days: %d", got)
	}
	if got := sums(store.ByDay, hour, hour-1); got != 0 {
		t.Errorf("of no time: %d", got)
	}
	d.counted = []store.Counter{counter(hour, 16)}
	if got := sums(store.ByHour, hour, hour); got != 17 {
		t.Errorf("with what was counted since: %d", got)
	}
	d.failed = store.ErrUnavailable
	if _, err := c.Counters(t.Context(), store.ByHour, hour, hour); err == nil || !strings.Contains(err.Error(), "the store does not answer") {
		t.Errorf("what is counted cannot be written: %v", err)
	}
	if _, err := c.Notes(t.Context()); err == nil {
		t.Error("likewise for notes")
	}
}

func TestNotesOfTheDaemon(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	d := &counting{store: memory.NewWithClock(func() time.Time { return now })}
	_, c := serveDaemon(t, d)
	if ns, err := c.Notes(t.Context()); err != nil || len(ns) != 0 {
		t.Errorf("%+v, %v", ns, err)
	}
	want := store.Note{Node: "mx1", Slot: 3, Day: store.DayOf(now), Text: strings.Repeat("x", store.MaxNote)}
	if err := d.store.Note(t.Context(), []store.Note{want}); err != nil {
		t.Fatal(err)
	}
	if ns, err := c.Notes(t.Context()); err != nil || !slices.Equal(ns, []store.Note{want}) {
		t.Errorf("%+v, %v", ns, err)
	}
}

// An answer has as many counters as may be, and not one more; the longest of them fits in an answer.
func TestCountersOfAnAnswerAreBounded(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	d := &counting{store: memory.NewWithClock(func() time.Time { return now })}
	_, c := serveDaemon(t, d)
	hour := store.HourOf(now)
	count := func(from, to int) {
		cs := make([]store.Counter, 0, to-from)
		for i := from; i < to; i++ {
			cs = append(cs, store.Counter{Hour: hour, Node: "mx1.mail.example.com", Topic: "reporter", Name: fmt.Sprintf("mail.example.com|would-refuse|a-rather-long-name-of-a-host-%d.example", i), Count: 1})
		}
		if err := d.store.Count(t.Context(), cs); err != nil {
			t.Fatal(err)
		}
	}
	count(0, maxCounters)
	if cs, err := c.Counters(t.Context(), store.ByDay, hour.Day().FirstHour(), hour); err != nil || len(cs) != maxCounters {
		t.Errorf("%d counters, %v", len(cs), err)
	}
	count(maxCounters, maxCounters+1)
	if _, err := c.Counters(t.Context(), store.ByDay, hour.Day().FirstHour(), hour); err == nil || !strings.Contains(err.Error(), "400001 counters of one day") || strings.Contains(err.Error(), "does not answer") {
		t.Errorf("one more: %v", err)
	}
	// Hours are asked for one by one: those of a day have more together.
	hour--
	count(0, 1)
	if cs, err := c.Counters(t.Context(), store.ByHour, hour, hour); err != nil || len(cs) != 1 {
		t.Errorf("%d counters of an hour, %v", len(cs), err)
	}
	d.asked = 0
	if _, err := c.Counters(t.Context(), store.ByHour, hour-46, hour); err != nil || d.asked != 47 {
		t.Errorf("47 hours in %d requests, %v", d.asked, err)
	}
}

func TestBadRequestsForCounters(t *testing.T) {
	_, c := serveDaemon(t, &counting{store: memory.New()})
	for query, want := range map[string]int{
		"by=day&from=0&to=23": 200, "by=hour&from=1&to=1": 200, "by=day&from=0&to=24": 400, "by=day&from=2&to=1": 400,
		"by=week&from=0&to=1": 400, "by=day&from=x&to=1": 400, "by=day&from=0&to=99999999999": 400, "": 400,
	} {
		resp, err := c.http.Get("http://daemon/counters?" + query)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%q: %d, want %d", query, resp.StatusCode, want)
		}
	}
}
