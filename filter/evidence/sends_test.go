package evidence

import (
	"context"
	"testing"
	"time"

	"github.com/bouncefilter/bouncefilter/filter/internal/filtertest"
	"github.com/bouncefilter/bouncefilter/filter/policy"
	"github.com/bouncefilter/bouncefilter/prvs"
	"github.com/bouncefilter/bouncefilter/store"
	"github.com/bouncefilter/bouncefilter/store/memory"
)

// asked counts the round trips to a record, and answers with its own completeness.
type asked struct {
	store.Store
	complete store.Completeness
	err      error
	trips    int
}

func (a *asked) Lookup(ctx context.Context, today store.Day, qs []store.Query) (store.Answer, error) {
	a.trips++
	answer, err := a.Store.Lookup(ctx, today, qs)
	answer.Complete = a.complete
	if a.err != nil {
		err = a.err
	}
	return answer, err
}

func TestNeverSends(t *testing.T) {
	now := filtertest.Day()
	today := prvs.DayOf(now)
	h := store.NewHasher([]byte("hash secret"))
	tag := func(sender string, signed prvs.Day, number uint8) store.Record {
		expires := store.Day(signed + 7)
		return store.Record{Key: h.Tag(sender, expires, number), Expires: expires, Count: 1}
	}
	signing := policy.RecordFacts{Signing: true, SigningSince: today - 7}
	complete := store.Completeness{Since: now.AddDate(0, 0, -7)}
	for _, tt := range []struct {
		name     string
		to       string
		records  []store.Record
		facts    policy.RecordFacts
		complete store.Completeness
		err      error
		want     bool
		trips    int
	}{
		{"nothing is on record", "user@example.com", nil, signing, complete, nil, true, 1},
		{"it sent today", "user@example.com", []store.Record{tag("user@example.com", today, 1)}, signing, complete, nil, false, 1},
		{"it sent a lifetime ago", "user@example.com", []store.Record{tag("user@example.com", today-7, 1)}, signing, complete, nil, false, 1},
		{"it sent under the key before", "user@example.com", []store.Record{tag("user@example.com", today-3, 2)}, signing, complete, nil, false, 1},
		{"another one sent", "user@example.com", []store.Record{tag("other@example.com", today, 1)}, signing, complete, nil, true, 1},
		{"its mailbox sent", "User+shop@alias.example", []store.Record{tag("user@example.com", today, 1)}, signing, complete, nil, false, 1},
		{"its mail is left unsigned", "user@example.com", []store.Record{{Key: h.Unsigned("user@example.com"), Expires: store.Day(today + 3)}}, signing, complete, nil, false, 1},
		{"the domain has not signed for long", "user@example.com", nil, policy.RecordFacts{Signing: true, SigningSince: today - 6}, complete, nil, false, 0},
		{"the domain has never signed", "user@example.com", nil, policy.RecordFacts{}, complete, nil, false, 0},
		{"the record was lost", "user@example.com", nil, signing, store.Completeness{Since: now.AddDate(0, 0, -3)}, nil, false, 1},
		{"the record is empty", "user@example.com", nil, signing, store.Completeness{}, nil, false, 1},
		{"a gap of yesterday", "user@example.com", nil, signing, store.Completeness{Since: complete.Since, Gaps: []store.Gap{{From: now.AddDate(0, 0, -1), Until: now.AddDate(0, 0, -1)}}}, nil, false, 1},
		{"a gap of long ago", "user@example.com", nil, policy.RecordFacts{Signing: true, SigningSince: today - 99}, store.Completeness{Since: now.AddDate(0, 0, -99), Gaps: []store.Gap{{From: now.AddDate(0, 0, -20), Until: now.AddDate(0, 0, -19)}}}, nil, true, 1},
		{"the store does not answer", "user@example.com", nil, signing, complete, store.ErrUnavailable, false, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := filtertest.Policy(t, func(s *policy.Settings) { s.Domains[0].Aliases = []string{"alias.example"} })
			a, err := prvs.ParseAddress(tt.to)
			if err != nil {
				t.Fatal(err)
			}
			st := &asked{Store: memory.NewWithClock(func() time.Time { return now }), complete: tt.complete, err: tt.err}
			if err := st.Record(t.Context(), store.Day(today), "example.com", tt.records...); err != nil {
				t.Fatal(err)
			}
			if got := NeverSends(t.Context(), p, h, a, tt.facts, today, st); got != tt.want || st.trips != tt.trips {
				t.Errorf("%v in %d round trips", got, st.trips)
			}
		})
	}
}
