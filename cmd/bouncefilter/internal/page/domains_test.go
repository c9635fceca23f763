package page

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/screen"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/status"
	"github.com/bouncefilter/bouncefilter/filter/figures"
	"github.com/bouncefilter/bouncefilter/store"
)

// hosting is a source of a site with very many domains, of which each signs and has a bounce refused each day.
type hosting struct{ domains int }

func (h hosting) Status(context.Context) (*status.Status, error) {
	s := &status.Status{}
	for i := range h.domains {
		s.Domains = append(s.Domains, status.Domain{Name: hosted(i), Mode: "auto", SigningSince: "2026-10-01", EnforcedFrom: "2026-10-08", Enforced: true})
	}
	return s, nil
}

func (h hosting) Figures(_ context.Context, by store.Resolution, from, _ time.Time) (fs []figures.Figure, err error) {
	for i := range h.domains {
		for _, k := range []figures.Key{{Topic: figures.Verdicts, Reason: "signed", Action: "sign"}, {Topic: figures.Verdicts, Reason: "untagged", Action: "reject"},
			{Topic: figures.Suspects, Outcome: figures.Refused}} {
			k.Domain = hosted(i)
			fs = append(fs, figures.Figure{Begin: from, Node: "mx1", Key: k, Count: int64(1 + i%7)})
		}
	}
	return fs, nil
}

func (hosting) Notes(context.Context) ([]figures.Note, error) { return nil, nil }

func hosted(i int) string { return fmt.Sprintf("customer%05d.example", i) }

// The page of 20,000 domains is no longer than that of a hundred, but for the digits of its numbers.
func TestPageOfVeryManyDomains(t *testing.T) {
	size := func(domains int) int {
		r := &reader{source: hosting{domains}, now: func() time.Time { return noon }}
		s := r.get(t.Context(), Local{Lifetime: 7})
		if s.failed != nil {
			t.Fatal(s.failed)
		}
		body := get(t, show(t, healthy(), s)).Body.String()
		contains(t, fmt.Sprintf("the page of %d domains", domains), body, screen.Count(domains-maxDomains, "other domain"))
		return len(body)
	}
	if few, many := size(100), size(20_000); many > few+2000 {
		t.Errorf("the page of a hundred domains has %d octets, that of 20,000 has %d", few, many)
	}
}
