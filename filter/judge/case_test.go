package judge_test

import (
	"context"
	"testing"
	"time"

	"github.com/bouncefilter/bouncefilter/filter/bounce"
	"github.com/bouncefilter/bouncefilter/filter/internal/filtertest"
	"github.com/bouncefilter/bouncefilter/filter/judge"
	"github.com/bouncefilter/bouncefilter/filter/policy"
	"github.com/bouncefilter/bouncefilter/prvs"
	"github.com/bouncefilter/bouncefilter/store"
)

const (
	plain  = "user@example.com"
	valid  = "prvs=178773a1ad=user@example.com"
	forged = "prvs=1787000000=user@example.com"
)

// record is complete since long ago, and holds the tags of the test and nothing else.
type record struct {
	passed, waited    bool // at the barrier
	lookups, barriers int
	tags              []store.Key
}

func (r *record) Lookup(_ context.Context, _ store.Day, qs []store.Query) (store.Answer, error) {
	r.lookups++
	a := store.Answer{Found: make([]bool, len(qs)), Counts: make([]uint32, len(qs)), Complete: store.Completeness{Since: filtertest.Day().AddDate(0, 0, -90)}}
	for i, q := range qs {
		for _, tag := range r.tags {
			a.Found[i] = a.Found[i] || q.Key == tag
		}
	}
	return a, nil
}

func (r *record) Facts(string) policy.RecordFacts { return policy.RecordFacts{} }

func (r *record) Barrier() (passed, waited bool) {
	r.barriers++
	return r.passed, r.waited
}

func newCase(t *testing.T, r *record, change func(*policy.Settings)) *judge.Case {
	t.Helper()
	h := store.NewHasher([]byte("hash secret"))
	r.tags = []store.Key{h.Tag(plain, store.DayOf(filtertest.Day())+7, 1)}
	return &judge.Case{Message: judge.Message{Policy: filtertest.Policy(t, change), Hasher: h, Record: r, Now: filtertest.Day(), Sender: "<>"}}
}

func rcpt(t *testing.T, c *judge.Case, address string) (refused bool) {
	t.Helper()
	a, err := prvs.ParseAddress(address)
	if err != nil {
		t.Fatal(err)
	}
	return c.Rcpt(&judge.Recipient{Raw: "<" + address + ">", Address: a}, true)
}

// read is what the content of a bounce about a message that was never sent says.
func read() *bounce.Report {
	return bounce.Parse([]byte(filtertest.ReturnedMail{Arrival: filtertest.Day().Add(-time.Hour)}.String()), bounce.DefaultLimits())
}

// A bounce is refused for want of a record only once the other nodes have passed the barrier, and after another look at the record.
func TestBarrier(t *testing.T) {
	for _, tt := range []struct {
		name           string
		to             string
		passed, waited bool
		action         policy.Action
		cause          policy.Cause
		lookups        int
		barriers       int
	}{
		{"a node alone", plain, true, false, policy.ActionReject, policy.NoCause, 1, 1},
		{"all nodes pass", plain, true, true, policy.ActionReject, policy.NoCause, 2, 1},
		{"a node does not pass", plain, false, true, policy.ActionDefer, policy.SilentNode, 2, 1},
		{"it is not known whether one passes", plain, false, false, policy.ActionDefer, policy.SilentNode, 2, 1},
		{"nothing is refused", valid, false, true, policy.ActionAccept, policy.NoCause, 1, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := &record{passed: tt.passed, waited: tt.waited}
			c := newCase(t, r, nil)
			if rcpt(t, c, tt.to) || c.Data() != judge.Continue {
				t.Fatal("refused before the content is read")
			}
			c.Report = read()
			c.End()
			v := c.Recipients[0].Verdict
			if v.Action != tt.action || v.Cause != tt.cause || r.lookups != tt.lookups || r.barriers != tt.barriers {
				t.Errorf("%v (cause %q) after %d lookups and %d barriers, want %v (%q) after %d and %d",
					v.Action, v.Cause, r.lookups, r.barriers, tt.action, tt.cause, tt.lookups, tt.barriers)
			}
		})
	}
}

func TestStages(t *testing.T) {
	atData := func(s *policy.Settings) { s.Domains[0].RefuseUntaggedAtData = true }
	atRcpt := func(s *policy.Settings) { s.RefuseBadTagAtRcpt = true }
	tagAlone := func(s *policy.Settings) { s.ReadAll = false }
	for _, tt := range []struct {
		name   string
		change func(*policy.Settings)
		to     []string
		rcpt   int // recipients that are refused at RCPT
		data   judge.Result
		body   bool // the content is wanted
		end    judge.Result
	}{
		{"a forged tag: the content may prove the bounce", nil, []string{forged}, 0, judge.Continue, true, judge.Refused},
		{"or is not waited for", atRcpt, []string{forged}, 1, judge.Pass, false, 0},
		{"no tag: the content may prove the bounce", nil, []string{plain}, 0, judge.Continue, true, judge.Refused},
		{"or is not waited for", atData, []string{plain}, 0, judge.Refused, false, 0},
		{"a tag on record", nil, []string{valid}, 0, judge.Continue, true, judge.Delivered},
		{"a tag on record, and reports are not logged", tagAlone, []string{valid}, 0, judge.Continue, false, judge.Delivered},
		{"another site's recipient", nil, []string{"user@example.org"}, 0, judge.Pass, false, 0},
		{"several recipients, one of them proven", nil, []string{valid, plain}, 0, judge.Continue, true, judge.Delivered},
		{"several recipients, all refused", nil, []string{plain, "other@example.com"}, 0, judge.Continue, true, judge.Refused},
		{"discarded", func(s *policy.Settings) {
			s.Actions = map[policy.Reason]policy.Action{policy.Untagged: policy.ActionDiscard}
		}, []string{plain}, 0, judge.Continue, true, judge.Discarded},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := newCase(t, &record{passed: true}, tt.change)
			refused := 0
			for _, to := range tt.to {
				if rcpt(t, c, to) {
					refused++
				}
			}
			data := c.Data()
			if refused != tt.rcpt || data != tt.data {
				t.Fatalf("%d refused at RCPT, %d at DATA; want %d and %d", refused, data, tt.rcpt, tt.data)
			}
			if data != judge.Continue {
				return
			}
			if body := c.WantsBody() > 0; body != tt.body {
				t.Errorf("content wanted: %v", body)
			} else if body {
				c.Report = read()
			}
			end := c.End()
			if end != tt.end {
				t.Errorf("%d at the end of the message, want %d", end, tt.end)
			}
			if v := c.Refusal(); (end == judge.Refused) != (v != nil) {
				t.Errorf("the refusal is %v", v)
			}
		})
	}
}
