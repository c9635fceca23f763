package policy

import (
	"testing"
	"time"

	"github.com/bouncefilter/bouncefilter/prvs"
)

// A bounce that names a message is accepted for want of a record only if the message may have been sent in a gap.
func TestAbsenceIsJudgedByWhenTheMessageWasSent(t *testing.T) {
	p := testPolicy(t, nil) // retention 30 days
	at := func(hours int) time.Time { return testDay.Add(time.Duration(hours) * time.Hour) }
	span := func(from, until int) Span { return Span{at(from), at(until)} }
	const days = 24
	old := RecordFacts{CompleteSince: at(-90 * days), Signing: true, SigningSince: prvs.DayOf(testDay) - 90}
	gap := old
	gap.Gaps = []Span{span(-5*days, -5*days+1)}
	anew := old
	anew.CompleteSince = at(-2)
	both := anew
	both.Gaps = []Span{{Until: at(-2)}, span(-1, 0)}
	longAgo := old
	longAgo.Gaps = []Span{span(-40*days, -31*days)}
	none := RecordFacts{}
	for _, tt := range []struct {
		name   string
		record RecordFacts
		sent   Span
		want   Cause
	}{
		{"complete", old, Span{}, NoCause},
		{"in the gap", gap, span(-5*days, -5*days), IncompleteRecord},
		{"before it", gap, span(-6*days, -6*days), NoCause},
		{"after it", gap, span(-3, -2), NoCause},
		{"around it", gap, span(-6*days, -1), IncompleteRecord},
		{"just before it, by a clock that may be wrong", gap, Span{at(-5 * days).Add(-9 * time.Minute), at(-5 * days).Add(-9 * time.Minute)}, IncompleteRecord},
		{"a while before it", gap, Span{at(-5 * days).Add(-11 * time.Minute), at(-5 * days).Add(-11 * time.Minute)}, NoCause},
		{"just after it, by a clock that may be wrong", gap, Span{at(-5*days + 1).Add(9 * time.Minute), at(-5*days + 1).Add(9 * time.Minute)}, IncompleteRecord},
		{"at a time that is not known", gap, Span{}, IncompleteRecord},
		{"a gap from which nothing is kept", longAgo, Span{}, NoCause},
		{"before the record began anew", anew, span(-3, -3), IncompleteRecord},
		{"after it began anew", anew, span(-1, -1), NoCause},
		{"at a time that is not known, and it began anew", anew, Span{}, IncompleteRecord},
		{"before two gaps", both, span(-3, -3), IncompleteRecord},
		{"in the second gap", both, span(-1, 0), IncompleteRecord},
		{"nothing vouches for the record", none, span(-1, -1), IncompleteRecord},
	} {
		f := RecipientFacts{Address: address(t, "user@example.com"), Content: ContentBounce, Issued: IssuedNo, Proof: ProofAbsent, Sent: tt.sent, Record: tt.record}
		if v := p.Recipient(f, testDay); v.Cause != tt.want || v.Refuses() != (tt.want == NoCause) {
			t.Errorf("%s: %v %v %v, want cause %v", tt.name, v.Reason, v.Cause, v.Action, tt.want)
		}
	}
}

// The day of an expired tag, whose signature is right, tells better when the message was sent than what the bounce says.
func TestAnExpiredTagTellsWhenItsMessageWasSent(t *testing.T) {
	p := testPolicy(t, nil)
	today := prvs.DayOf(testDay)
	tag := prvs.Result{Status: prvs.Expired, Expiry: today - 3}
	window := p.window(Expired)
	for _, tt := range []struct {
		name string
		gap  Span
		want bool
	}{
		{"on a day of the tag", days(today-5, today-5), true},
		{"on one long before, as of a key whose tags lived longer", days(today-20, today-20), true},
		{"before any that it may be of", days(today-5-window, today-5-window), false},
		{"later", days(today-1, today-1), false},
	} {
		f := RecipientFacts{Sent: Span{testDay, testDay}, Record: RecordFacts{CompleteSince: testDay.AddDate(0, 0, -90), Gaps: []Span{tt.gap}}}
		if got := p.MayBeMissing(f.Record, p.sent(f, tag), today); got != tt.want {
			t.Errorf("%s: may be missing %t", tt.name, got)
		}
	}
}

// A tag that is not on record is suspicious only if no day on which it may have been issued is in a gap: of a day's mail only the first is sure
// to record it.
func TestATagIsMissedOnlyOutsideTheGaps(t *testing.T) {
	p := testPolicy(t, nil)
	today := prvs.DayOf(testDay)
	expiry := today + 5
	window := p.window(NotIssued)
	minute := func(d prvs.Day) Span {
		return Span{d.Time().Add(12 * time.Hour), d.Time().Add(12*time.Hour + time.Minute)}
	}
	for _, tt := range []struct {
		name string
		gaps []Span
		want bool
	}{
		{"none", nil, true},
		{"on the last day", []Span{minute(expiry)}, false},
		{"on a day within", []Span{minute(expiry - window + 1)}, false},
		{"on the first day", []Span{minute(expiry - window)}, false},
		{"before", []Span{minute(expiry - window - 1)}, true},
		{"before, and within", []Span{minute(expiry - window - 1), minute(today)}, false},
	} {
		r := RecordFacts{CompleteSince: testDay.AddDate(0, 0, -90), Gaps: tt.gaps}
		if got := p.reachesBack(NotIssued, r, expiry); got != tt.want {
			t.Errorf("%s: %t", tt.name, got)
		}
	}
}

// Of a day's mail that was left unsigned only the first is sure to be on record: a gap puts all mail of its day in doubt.
func TestUnsignedMailIsMissedByWholeDays(t *testing.T) {
	p := testPolicy(t, func(s *Settings) { s.DoNotTag = DoNotTagLists{Recipients: []string{"@example.org"}} })
	day := prvs.DayOf(testDay) - 3
	gap := Span{day.Time().Add(2 * time.Hour), day.Time().Add(3 * time.Hour)}
	for _, tt := range []struct {
		name string
		sent time.Time
		want Cause
	}{
		{"on that day", day.Time().Add(20 * time.Hour), IncompleteRecord},
		{"on the next", day.Time().Add(30 * time.Hour), NoCause},
		{"on the day before", day.Time().Add(-time.Hour), NoCause},
	} {
		f := RecipientFacts{Address: address(t, "user@example.com"), Content: ContentBounce, Issued: IssuedNo, Proof: ProofAbsent, Sent: Span{tt.sent, tt.sent},
			Record: RecordFacts{CompleteSince: testDay.AddDate(0, 0, -90), Signing: true, SigningSince: prvs.DayOf(testDay) - 90, Gaps: []Span{gap}}}
		if v := p.Recipient(f, testDay); v.Cause != tt.want {
			t.Errorf("%s: %v %v", tt.name, v.Reason, v.Cause)
		}
	}
}

func TestIncompleteUntilTheLastGap(t *testing.T) {
	p := testPolicy(t, nil)
	today := prvs.DayOf(testDay)
	r := RecordFacts{CompleteSince: testDay.AddDate(0, 0, -90), Signing: true, SigningSince: today - 90, Gaps: []Span{days(today-50, today-50), days(today-7, today-6)}}
	if until, incomplete := p.IncompleteUntil(r, today); !incomplete || until != today-6+30 {
		t.Errorf("until %v, %t", until, incomplete)
	}
}
