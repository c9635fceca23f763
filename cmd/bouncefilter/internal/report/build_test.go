package report

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/status"
	"github.com/bouncefilter/bouncefilter/filter/figures"
	"github.com/bouncefilter/bouncefilter/filter/routes"
	"github.com/bouncefilter/bouncefilter/store"
)

// now is when the reports of the tests are made.
var now = time.Date(2026, 11, 30, 8, 0, 0, 0, time.UTC)

// day returns the first instant of so many days ago.
func day(ago int) time.Time { return store.DayOf(now).Time().AddDate(0, 0, -ago) }

// fig is a figure of so many days ago, of the node mx1.
func fig(ago int, count int64, k figures.Key) figures.Figure {
	return figures.Figure{Begin: day(ago), Node: "mx1", Key: k, Count: count}
}

func verdict(reason, action, cause string) figures.Key {
	return figures.Key{Topic: figures.Verdicts, Domain: "example.com", Reason: reason, Action: action, Cause: cause}
}

var (
	signed  = verdict("signed", "sign", "")
	valid   = verdict("valid", "accept", "")
	would   = verdict("untagged", "monitor", "monitor-mode")
	refused = verdict("untagged", "reject", "")
)

func signOf(o figures.Outcome, s figures.Sign) figures.Key {
	return figures.Key{Topic: figures.Signs, Domain: "example.com", Outcome: o, Sign: s}
}

// site is an input of a domain in a mode that has been signing for so many days.
func site(mode string, signingDays int, fs ...figures.Figure) Input {
	d := status.Domain{Name: "example.com", Mode: mode, SigningSince: day(signingDays).Format(time.DateOnly)}
	if mode == "auto" {
		d.EnforcedFrom = day(signingDays - 8).Format(time.DateOnly)
	}
	d.Enforced = mode == "enforce" || mode == "auto" && signingDays >= 8
	return Input{
		Days: append(fs, fig(14, 1, valid), fig(0, 10, signed), fig(1, 5, valid)), Lifetime: 7, From: day(6), Until: day(-1), Now: now,
		Status: &status.Status{Domains: []status.Domain{d}, Since: day(signingDays), Nodes: []store.Node{{Name: "mx1", At: now, Seen: now}}},
	}
}

// keys gives one node a key, and another one another.
func keys(a, b store.NodeKey) func(*Input) {
	return func(in *Input) {
		in.Status.Nodes = []store.Node{{Name: "mx1", Seen: now, At: now, Keys: []store.NodeKey{a}}, {Name: "mx2", Seen: now, At: now, Keys: []store.NodeKey{b}}}
	}
}

func (in Input) with(change func(*Input)) Input { change(&in); return in }

func TestReadiness(t *testing.T) {
	for _, tt := range []struct {
		name     string
		in       Input
		state    State
		level    Level
		concerns []string
		until    string
	}{
		{"enforced", site("enforce", 30, fig(0, 9, refused), fig(0, 9, signOf(figures.Refused, ""))), Enforcing, Green, nil, ""},
		{"auto, enforced", site("auto", 8), Enforcing, Green, nil, ""},
		{"auto, in its first week", site("auto", 7), NotReady, Amber, []string{"new"}, "2026-12-01"},
		{"monitored, in its first week", site("monitor", 7), NotReady, Amber, []string{"new"}, "2026-12-01"},
		{"monitored, and nothing speaks against it", site("monitor", 8, fig(0, 9, would), fig(0, 9, signOf(figures.WouldBe, figures.NoBounce))), Ready, Green, nil, ""},
		{"a host of ours, on the last day that counts", site("monitor", 30, fig(7, 1, signOf(figures.WouldBe, figures.OwnHost))), NotReady, Amber, []string{"own-host"}, "2026-12-01"},
		{"a host of ours, long ago", site("monitor", 30, fig(8, 1, signOf(figures.WouldBe, figures.OwnHost))), Ready, Green, nil, ""},
		{"a host of ours is refused", site("enforce", 30, fig(1, 1, signOf(figures.Refused, figures.OwnHost))), Enforcing, Red, []string{"own-host"}, ""},
		{"repeats and never sends", site("monitor", 30, fig(1, 2, signOf(figures.WouldBe, figures.NeverSends)), fig(2, 2, signOf(figures.WouldBe, figures.Repeats))), NotReady, Amber, []string{"repeats", "never-sends"}, "2026-12-07"},
		{"repeats are refused", site("enforce", 30, fig(1, 2, signOf(figures.Refused, figures.Repeats))), Enforcing, Amber, []string{"repeats"}, ""},
		{"another route", site("monitor", 30, fig(1, 2, figures.Key{Topic: figures.Routes, Domain: "example.com", Name: "192.0.2.0/24"})), NotReady, Amber, []string{"other-route"}, "2026-12-07"},
		{"another route of a sender", site("enforce", 30, fig(1, 2, figures.Key{Topic: figures.Routes, Domain: "example.com", Name: "192.0.2.0/24"})).with(func(in *Input) {
			in.Status.OtherRoutes = []routes.Route{{Sender: "shop@example.com", Source: "192.0.2.0/24", Bounces: 7}}
		}), Enforcing, Red, []string{"other-route"}, ""},
		{"sightings of a route", site("monitor", 30, sighting("example.com", 2, 2, 2), ofNode("mx2", sighting("example.com", 1, 1, 1))), NotReady, Amber, []string{"other-route"}, "2026-12-07"},
		{"sightings of a route that are refused", site("enforce", 30, sighting("example.com", 2, 2, 2), sighting("example.com", 1, 1, 1)), Enforcing, Amber, []string{"other-route"}, ""},
		{"sightings of mail of one day", site("monitor", 30, sighting("example.com", 2, 2, 50), sighting("example.com", 1, 2, 50)), Ready, Green, nil, ""},
		{"sightings of long ago", site("monitor", 30, sighting("example.com", 9, 9, 50), sighting("example.com", 1, 1, 50)), Ready, Green, nil, ""},
		{"mail that left unsigned", site("monitor", 30, fig(1, 2, verdict("verify-only", "none", ""))), NotReady, Amber, []string{"unsigned-mail"}, "2026-12-07"},
		{"tags that are not on record", site("monitor", 30, fig(1, 2, verdict("not-issued", "monitor", "monitor-mode"))), NotReady, Amber, []string{"not-issued"}, "2026-12-07"},
		{"a key is missing", site("monitor", 30, fig(1, 2, figures.Key{Topic: figures.Verdicts, Domain: "example.com", Reason: "grace", Action: "accept", Cause: "missing-key", Would: "unknown-key"})), NotReady, Amber, []string{"missing-key"}, ""},
		{"no tag has come back", site("monitor", 30).with(func(in *Input) { in.Days = []figures.Figure{fig(7, 10, signed)} }), NotReady, Amber, []string{"no-tag-came-back"}, ""},
		{"a silent node", site("monitor", 30).with(func(in *Input) {
			in.Status.Nodes[0].At, in.Status.Nodes[0].Seen = now.Add(-time.Hour), now.Add(-time.Hour)
		}), NotReady, Amber, []string{"silent-node"}, ""},
		{"a gap in the record", site("monitor", 30).with(func(in *Input) {
			in.Status.Domains[0].Incomplete, in.Status.Domains[0].IncompleteUntil = true, "2026-12-09"
		}), NotReady, Amber, []string{"record-incomplete"}, "2026-12-09"},
		{"a store that cannot vouch for its record", site("enforce", 30).with(func(in *Input) { in.Status.SinceReason, in.Status.SinceRemedy = "it evicts", "do not" }), Enforcing, Amber, []string{"record-unreliable"}, ""},
		{"nothing was signed", site("monitor", 30).with(func(in *Input) { in.Status.Domains[0].SigningSince, in.Days = "", nil }), Nothing, Amber, []string{"unsigned-domain"}, ""},
		{"enforced, and nothing was ever signed", site("enforce", 30, fig(1, 1, refused)).with(func(in *Input) {
			in.Status.Domains[0].SigningSince, in.Days = "", []figures.Figure{fig(20, 1, refused), fig(1, 1, refused)}
		}), Enforcing, Red, []string{"nothing-signed"}, ""},
		{"enforced, and nothing is signed any more", site("enforce", 30).with(func(in *Input) { in.Days = []figures.Figure{fig(9, 9, signed), fig(1, 1, refused)} }), Enforcing, Red, []string{"nothing-signed"}, ""},
		{"enforced, and nothing is sent", site("enforce", 30).with(func(in *Input) { in.Days = []figures.Figure{fig(9, 9, signed)} }), Enforcing, Green, nil, ""},
		{"monitored, and nothing is signed any more", site("monitor", 30).with(func(in *Input) { in.Days = []figures.Figure{fig(8, 9, signed), fig(1, 1, valid)} }), NotReady, Amber, []string{"nothing-signed"}, ""},
		{"enforced by hand in its first week", site("enforce", 7), Enforcing, Red, []string{"new"}, ""},
		{"figures of one day", site("monitor", 30).with(func(in *Input) { in.Days = []figures.Figure{fig(0, 9, signed), fig(0, 1, valid)} }), NotReady, Amber, []string{"few-figures"}, "2026-12-07"},
		{"figures of all days but one", site("monitor", 30).with(func(in *Input) { in.Days = []figures.Figure{fig(6, 9, signed), fig(0, 1, valid)} }), NotReady, Amber, []string{"few-figures"}, "2026-12-01"},
		{"another node has another secret", site("monitor", 30).with(keys(store.NodeKey{Number: 1, KeyID: "a", Signs: true}, store.NodeKey{Number: 1, KeyID: "b", Signs: true})), NotReady, Amber, []string{"key-differs"}, ""},
		{"another node has another secret, enforced", site("enforce", 30).with(keys(store.NodeKey{Number: 1, KeyID: "a", Signs: true}, store.NodeKey{Number: 1, KeyID: "b"})), Enforcing, Red, []string{"key-differs"}, ""},
		{"another node lacks the key", site("monitor", 30).with(keys(store.NodeKey{Number: 1, KeyID: "a", Signs: true}, store.NodeKey{Number: 2, KeyID: "b"})), NotReady, Amber, []string{"key-missing"}, ""},
		{"another node lacks a key of another domain", site("monitor", 30).with(keys(store.NodeKey{Domain: "example.org", Number: 1, KeyID: "a", Signs: true}, store.NodeKey{Number: 2, KeyID: "b"})), Ready, Green, nil, ""},
		{"a clock is off", site("monitor", 30).with(func(in *Input) { in.Status.Nodes[0].At = now.Add(-25 * time.Hour) }), NotReady, Amber, []string{"clock-off"}, ""},
		{"the store has what is not believed", site("monitor", 30).with(func(in *Input) { in.Status.Doubts.Counters = 3 }), NotReady, Amber, []string{"store-unbelieved"}, ""},
		{"most could not be judged", site("monitor", 30, fig(1, 3, would), fig(2, 4, figures.Key{Topic: figures.Verdicts, Domain: "example.com", Reason: "grace", Action: "accept", Cause: "incomplete-record", Would: "untagged"})), NotReady, Amber, []string{"unjudged"}, "2026-12-06"},
		{"some could not be judged", site("monitor", 30, fig(1, 4, would), fig(2, 4, figures.Key{Topic: figures.Verdicts, Domain: "example.com", Reason: "grace", Action: "accept", Cause: "store-unavailable", Would: "untagged"})), Ready, Green, nil, ""},
		{"another node has the evidence", site("monitor", 30, figures.Figure{Begin: day(1), Node: "mx2", Key: signOf(figures.WouldBe, figures.OwnHost), Count: 1}).with(func(in *Input) { in.Node = "mx1" }), NotReady, Amber, []string{"own-host"}, "2026-12-07"},
		{"a log", site("monitor", 30, fig(1, 1, would)).with(func(in *Input) { in.Status = nil }), NotReady, Amber, []string{"log-only"}, ""},
		{"a log of a domain that is enforced", site("enforce", 30, fig(1, 1, refused)).with(func(in *Input) { in.Status = nil }), Enforcing, Green, nil, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := Build(tt.in)
			if len(r.Domains) != 1 || r.Domains[0].Verdict.State != r.Verdict.State {
				t.Fatalf("domains %+v", r.Domains)
			}
			var concerns []string
			for _, c := range r.Verdict.Concerns {
				concerns = append(concerns, c.Name)
				if c.What == "" || c.Remedy == "" {
					t.Errorf("%+v", c)
				}
			}
			v := r.Verdict
			worst := Green
			for _, c := range v.Concerns {
				worst = worse(worst, c.Level)
			}
			if worst != v.Level && v.State != Nothing {
				t.Errorf("the worst concern is %s, the verdict %s", worst, v.Level)
			}
			if v.State != tt.state || v.Level != tt.level || v.Until != tt.until || !slices.Equal(concerns, tt.concerns) || v.Sentence == "" {
				t.Errorf("got %s %s until %q, %q, %q", v.State, v.Level, v.Until, concerns, v.Sentence)
			}
			if len(concerns) > 0 && len(r.Next) == 0 {
				t.Error("nothing is to be done")
			}
		})
	}
}

// Mail that is no bounce is refused only where the operator wants that, and the record says nothing about it.
func TestReadyButForWhatIsNoBounce(t *testing.T) {
	r := Build(site("monitor", 30, fig(0, 9, would), fig(0, 5, signOf(figures.WouldBe, figures.NoSign)), fig(0, 4, signOf(figures.WouldBe, figures.NoBounce))))
	const want = "Nothing says that any of the 9 messages that would be refused is genuine, but for 4 that are no bounce: programs send orders and codes like that."
	if r.Verdict.Sentence != want {
		t.Errorf("got %q", r.Verdict.Sentence)
	}
}

// What was refused is counted, and not what was spared.
func TestNothingSignedCountsRefusals(t *testing.T) {
	in := site("enforce", 30)
	in.Days = []figures.Figure{fig(9, 9, signed), fig(1, 2, refused), fig(1, 5, would)}
	if c := Build(in).Verdict.Concerns[0]; c.Name != "nothing-signed" || c.Count != 2 {
		t.Errorf("got %+v", c)
	}
}

func TestConcernsOfSeveralDomainsAreOne(t *testing.T) {
	in := site("monitor", 30, fig(1, 1, signOf(figures.WouldBe, figures.OwnHost)))
	second := in.Status.Domains[0]
	second.Name = "example.org"
	in.Status.Domains = append(in.Status.Domains, second)
	for _, f := range slices.Clone(in.Days) {
		f.Domain = "example.org"
		in.Days = append(in.Days, f)
	}
	v := Build(in).Verdict
	if len(v.Concerns) != 1 || v.Concerns[0].Count != 2 || len(v.Concerns[0].Domains) != 2 || v.Concerns[0].Commands[0] != "bouncefilter report --samples 20" {
		t.Errorf("got %+v", v.Concerns)
	}
	in.Domain = "example.org"
	if r := Build(in); len(r.Domains) != 1 || r.Verdict.Concerns[0].Count != 1 || r.Verdict.Concerns[0].Commands[0] != "bouncefilter report --samples 20 --domain example.org" || r.Totals.Signed != 10 {
		t.Errorf("got %+v of %+v", r.Verdict, r.Domains)
	}
}

// A concern of very many domains is one, which also bounds what it costs to find it.
func TestConcernsOfVeryManyDomains(t *testing.T) {
	for name, change := range map[string]func(*status.Domain){
		"unsigned-domain":   func(d *status.Domain) { d.SigningSince = "" },
		"new":               func(d *status.Domain) { d.SigningSince = day(1).Format(time.DateOnly) },
		"record-incomplete": func(d *status.Domain) { d.Incomplete, d.IncompleteUntil = true, "2026-12-09" },
		"no-tag-came-back":  func(*status.Domain) {},
	} {
		in := site("monitor", 30)
		one := in.Status.Domains[0]
		change(&one)
		in.Status.Domains, in.Days = nil, nil
		for i := range 20_000 {
			one.Name = fmt.Sprintf("customer%05d.example", i)
			in.Status.Domains = append(in.Status.Domains, one)
			k := signed
			k.Domain = one.Name
			in.Days = append(in.Days, fig(7, 1, k))
		}
		r := Build(in)
		at := slices.IndexFunc(r.Verdict.Concerns, func(c Concern) bool { return c.Name == name })
		if at < 0 || len(r.Verdict.Concerns) > 2 || len(r.Verdict.Concerns[at].Domains) != 20_000 || len(r.Verdict.Concerns[at].What) > 400 || len(r.Next) > 3 {
			t.Errorf("%s: %d concerns, %d steps, %.300q", name, len(r.Verdict.Concerns), len(r.Next), fmt.Sprint(r.Verdict.Concerns[0].What))
		}
	}
}

func TestTotals(t *testing.T) {
	in := site("monitor", 30, fig(0, 3, would), fig(2, 4, refused), fig(3, 2, verdict("not-issued", "defer", "")), fig(6, 1, verdict("no-bounce", "accept", "")),
		fig(7, 1000, signed), fig(0, 7, verdict("untag", "accept", "")), fig(0, 6, verdict("invalid-tag", "reject", "")), fig(0, 2, verdict("do-not-tag", "none", "")),
		fig(0, 3, signOf(figures.WouldBe, figures.Repeats)), fig(2, 4, signOf(figures.Refused, "")))
	r := Build(in)
	x := &r.Totals
	if x.Counts != (Counts{Signed: 10, Accepted: 6, WouldBe: 3, Refused: 4, Deferred: 2, Ordinary: 2}) || x.InboundUntagged != 7 || x.InboundRefused != 6 ||
		x.Would != (Groups{MayBeGenuine: 3, Repeats: 3}) || x.Turned != (Groups{NoSign: 4}) || !slices.Equal(x.AcceptedBy, []Count{{"valid", 5}, {"no-bounce", 1}}) ||
		!slices.Equal(x.RefusedBy, []Count{{"untagged", 4}, {"not-issued", 2}}) || !slices.Equal(x.SparedBy, []Count{{"monitor-mode", 3}}) ||
		!slices.Equal(x.WouldBeBy, []Count{{"untagged", 3}}) || !slices.Equal(x.NotSignedBy, []Count{{"do-not-tag", 2}}) {
		t.Errorf("got %+v", x)
	}
	if len(r.Days) != 7 || r.Days[6].WouldBe != 3 || r.Days[4].Refused != 4 || r.Days[6].MayBeGenuine != 3 || r.Days[0].Accepted != 1 {
		t.Errorf("got %+v", r.Days)
	}
}

func TestHours(t *testing.T) {
	in := site("monitor", 30)
	for ago := range 48 {
		f := fig(0, 1, would)
		f.Begin = now.Add(-time.Duration(ago) * time.Hour)
		in.Hours = append(in.Hours, f)
	}
	r := Build(in)
	if len(r.Hours) != 48 || r.Hours[47].WouldBe != 1 || r.Hours[0].WouldBe != 1 || r.Totals.WouldBe != 0 {
		t.Errorf("%d hours, %+v", len(r.Hours), r.Totals)
	}
	in.ByHour, in.From, in.Until = true, now.Add(-11*time.Hour), now.Add(time.Hour)
	if r := Build(in); len(r.Hours) != 12 || len(r.Days) != 0 || r.Totals.WouldBe != 12 || r.Totals.Signed != 0 || r.Verdict.State != Ready {
		t.Errorf("%d hours, %d days, %+v, %+v", len(r.Hours), len(r.Days), r.Totals, r.Verdict)
	}
}

func TestOutliers(t *testing.T) {
	for _, tt := range []struct {
		counts []int64
		want   []int // indexes
	}{
		{[]int64{80, 85, 78, 90, 400, 81, 79}, []int{4}},
		{[]int64{80, 85, 78, 90, 120, 81, 79}, nil},
		{[]int64{0, 0, 0, 0, 9, 0, 0}, nil}, // too few to matter
		{[]int64{0, 0, 0, 0, 10, 0, 0}, []int{4}},
		{[]int64{0, 0, 0, 1000}, nil}, // too few days
		{[]int64{100, 100, 100, 100, 149, 151}, []int{5}},
		{[]int64{500, 80, 900, 78, 82, 81, 79, 80}, []int{0, 2}}, // one does not hide the other
		{[]int64{0, 100, 100, 100, 100}, nil},                    // less is none
		{[]int64{-1, -1, -1, -1, -1, 100, 90}, nil},              // nothing was installed before
	} {
		ps := make([]Period, len(tt.counts))
		for i, n := range tt.counts {
			if n >= 0 {
				ps[i].Refused, ps[i].Signed = n, 1
			}
		}
		markOutliers(ps)
		var got []int
		for i := range ps {
			if ps[i].Outlier {
				got = append(got, i)
			}
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("of %v: %v", tt.counts, got)
		}
	}
}

// The days before there was anything to count are no measure for those since.
func TestNoOutliersBecauseOfTheTimeBefore(t *testing.T) {
	ps := make([]Period, 28)
	for i, n := range []int64{44, 46, 47, 44, 224, 45, 31} {
		ps[21+i].Refused = n
	}
	ps[7].Signed = 6 // and nothing for two weeks
	markOutliers(ps)
	for i := range ps {
		if want := i == 25; ps[i].Outlier != want {
			t.Errorf("day %d: %v", i, ps[i].Outlier)
		}
	}
}

func failure(name, status string, s figures.Sign) figures.Key {
	return figures.Key{Topic: figures.Failures, Domain: "example.com", Name: name, Status: status, Sign: s}
}

func sent(name string) figures.Key {
	return figures.Key{Topic: figures.Sent, Domain: "example.com", Name: name}
}

func TestMovers(t *testing.T) {
	for _, tt := range []struct {
		name                                   string
		sentBefore, failedBefore, sent, failed int64
		want                                   bool
	}{
		{"from none to five of a hundred", 100, 0, 100, 5, true},
		{"from none to four", 100, 0, 10, 4, false},
		{"from one to two", 100, 1, 100, 2, false},
		{"doubled", 100, 10, 100, 20, true},
		{"nearly doubled", 100, 10, 100, 19, false},
		{"as much of more mail", 100, 10, 1000, 100, false},
		{"more of less mail, and not more failures", 100, 10, 10, 10, false},
		{"doubled, and still little", 10000, 10, 10000, 500, false},
		{"a new destination", 0, 0, 50, 10, true},
	} {
		in := site("enforce", 30, fig(7, 100, sent("b.example")), fig(1, 100, sent("b.example")), fig(7, tt.sentBefore, sent("a.example")), fig(8, tt.failedBefore, failure("a.example", "5.1.1", "")), fig(1, tt.sent, sent("a.example")), fig(1, tt.failed, failure("a.example", "5.1.1", "")))
		if got := len(Build(in).Failures.Movers) == 1; got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
	in := site("enforce", 30, fig(1, 10, sent("a.example")), fig(1, 10, failure("a.example", "5.1.1", "")))
	if len(Build(in).Failures.Movers) > 0 {
		t.Error("a mover although nothing is known of the time before")
	}
	in = site("enforce", 30, fig(7, 9, sent("a.example")), fig(1, 100, sent("a.example")), fig(1, 10, failure("a.example", "5.1.1", "")))
	if len(Build(in).Failures.Movers) > 0 {
		t.Error("a mover although little is known of the time before")
	}
}

func TestFailures(t *testing.T) {
	f := Build(site("enforce", 30, fig(1, 20, sent("a.example")), fig(1, 3, failure("a.example", "5.1.1", "")), fig(1, 1, failure("a.example", "4.2.2", "")), fig(2, 5, failure("b.example", "", "")),
		fig(9, 7, failure("a.example", "5.1.1", "")))).Failures
	if f.Count != 9 || len(f.Destinations) != 2 || f.Destinations[0].Name != "b.example" || f.Destinations[0].Share != 1 || f.Destinations[1].Share != 0.2 || f.Destinations[1].FailedBefore != 7 {
		t.Errorf("got %+v", f)
	}
	want := []Status{{"", "the report says no status", 5, 0}, {"5.1.1", "no such mailbox", 3, 7}, {"4.2.2", "for a while: mailbox is full", 1, 0}}
	if !slices.Equal(f.Statuses, want) {
		t.Errorf("got %+v", f.Statuses)
	}
}

func TestFailuresBecauseOfTheTag(t *testing.T) {
	older := func(name string) []figures.Figure { // of the days before the domain signed
		return []figures.Figure{fig(6, 9, valid), fig(7, 9, valid), fig(8, 9, failure(name, "5.7.1", ""))}
	}
	for _, tt := range []struct {
		name    string
		signing int // for so many days
		fs      []figures.Figure
		want    string // evidence
	}{
		{"it says so", 30, []figures.Figure{fig(1, 1, failure("alias.example", "5.7.1", figures.BecauseOfTag))}, "text"},
		{"began with signing", 5, append(older("b.example"), fig(3, 10, sent("alias.example")), fig(2, 5, failure("alias.example", "5.7.1", ""))), "began"},
		{"without a status", 5, append(older("b.example"), fig(3, 10, sent("alias.example")), fig(2, 5, failure("alias.example", "5", ""))), "began"},
		{"too few", 5, append(older("b.example"), fig(3, 8, sent("alias.example")), fig(2, 4, failure("alias.example", "5.7.1", ""))), ""},
		{"most of it arrives", 5, append(older("b.example"), fig(3, 11, sent("alias.example")), fig(2, 5, failure("alias.example", "5.7.1", ""))), ""},
		{"no such mailbox", 5, append(older("b.example"), fig(3, 10, sent("alias.example")), fig(2, 9, failure("alias.example", "5.1.1", ""))), ""},
		{"it failed before", 5, append(older("alias.example"), fig(3, 10, sent("alias.example")), fig(2, 5, failure("alias.example", "5.7.1", ""))), ""},
		{"nothing is known of the time before", 5, []figures.Figure{fig(3, 10, sent("alias.example")), fig(2, 5, failure("alias.example", "5.7.1", ""))}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := Build(site("monitor", tt.signing, tt.fs...)).Failures.BecauseOfTag
			if tt.want == "" {
				if len(got) > 0 {
					t.Errorf("got %+v", got)
				}
				return
			}
			if len(got) != 1 || got[0].Evidence != tt.want || !slices.Equal(got[0].Config, []string{"[[skip]]", `senders = ["@example.com"]`, `recipients = ["@alias.example"]`}) {
				t.Errorf("got %+v", got)
			}
		})
	}
}

func TestKnownDestinations(t *testing.T) {
	for name, want := range map[string]bool{"simplelogin.co": true, "x.simplelogin.co": false, "apache.org": true, "httpd.apache.org": true, "notapache.org": false} {
		got := Build(site("monitor", 30, fig(1, 1, failure(name, "5.7.1", figures.BecauseOfTag)))).Failures.BecauseOfTag
		if len(got) != 1 || got[0].Known != want || (got[0].Config[1] == "known = true") != want {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestSamples(t *testing.T) {
	in := site("monitor", 30)
	for i := range 5 {
		in.Notes = append(in.Notes, figures.Note{Time: now.Add(-time.Duration(i) * time.Hour), Node: "mx1", Domain: "example.com", Client: "203.0.113.7"})
	}
	in.Notes = append(in.Notes, figures.Note{Time: day(7), Node: "mx1", Domain: "example.com"}, figures.Note{Time: now, Node: "mx2", Domain: "example.org"})
	in.Samples, in.Domain, in.Config = 3, "example.com", "/etc/bounce filter.toml"
	got := Build(in).Samples
	if len(got) != 3 || got[0].Time != now || got[0].Inspect != "bouncefilter inspect -c '/etc/bounce filter.toml' --recipient ADDRESS --client 203.0.113.7 --at 2026-11-30T08:00:00Z FILE" {
		t.Errorf("got %+v", got)
	}
}
