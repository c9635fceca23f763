package page

import (
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"testing"
	"time"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/report"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/status"
	"github.com/bouncefilter/bouncefilter/filter/figures"
	"github.com/bouncefilter/bouncefilter/prvs"
	"github.com/bouncefilter/bouncefilter/store"
)

// noon is the time of the tests.
var noon = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

// states are what a page can have to show.
var states = map[string]func() (Local, snapshot){
	"empty": empty, "busy": busy, "red": red, "many": many, "down": down, "never": neverRead,
}

func healthy() Local {
	return Local{Node: "mx1", Version: "1.0.0", Store: "redis://127.0.0.1:6379/0", Lifetime: 7, Circuit: true, Connections: 18231}
}

func empty() (Local, snapshot) {
	r := &report.Report{Made: noon, Verdict: report.Verdict{State: report.Nothing, Level: report.Amber, Sentence: "Nothing was signed yet.",
		Concerns: []report.Concern{{Name: "nothing-signed", What: "No message was signed yet.", Remedy: "Let the mail server use bouncefilter, and send a message.",
			Commands: []string{"bouncefilter check", "bouncefilter setup postfix"}}}}}
	r.Days, r.Hours = periods(shownDays, 24*time.Hour, 0), periods(48, time.Hour, 0)
	r.Domains = []report.Domain{{Name: "example.com", Mode: "auto", Verdict: report.Verdict{State: report.Nothing, Level: report.Amber}}}
	st := &status.Status{Nodes: []store.Node{{Name: "mx1", At: noon, Seen: noon, Keys: []store.NodeKey{{Number: 0, Signs: true, KeyID: "a"}}}}}
	return healthy(), snapshot{at: noon, status: st, report: r, days: 2 * shownDays}
}

// periods are hours or days until noon, with traffic of about a size and one outlier.
func periods(n int, each time.Duration, size float64) []report.Period {
	ps := make([]report.Period, n)
	for i := range ps {
		p := &ps[i]
		p.Begin = noon.Truncate(each).Add(time.Duration(i+1-n) * each)
		wave := 1 + .6*math.Sin(float64(i)/4)
		p.Accepted, p.WouldBe, p.Refused = int64(size*wave), int64(size*wave*.3), int64(size*.8*(1+.5*math.Cos(float64(i)/3)))
		if i == n*2/3 && size > 0 {
			p.Refused, p.Outlier = int64(size*6), true
		}
	}
	return ps
}

func busy() (Local, snapshot) {
	c := func(k int64) report.Counts {
		return report.Counts{Signed: 184_211 * k, Accepted: 1_204 * k, WouldBe: 388 * k, Refused: 9_120 * k, Deferred: 12 * k}
	}
	counts := func(names ...string) (cs []report.Count) {
		for i, name := range names {
			cs = append(cs, report.Count{Name: name, Count: int64(8000 / (i*i*7 + 1))})
		}
		return cs
	}
	named := func(names ...string) (ns []report.Named) {
		for i, name := range names {
			ns = append(ns, report.Named{Name: name, Counts: report.Counts{WouldBe: int64(40 - 3*i), Refused: int64(1200 / (i + 1))}})
		}
		return ns
	}
	r := &report.Report{Made: noon,
		Verdict: report.Verdict{State: report.Enforcing, Level: report.Green, Since: "2026-11-16",
			Sentence: "Bounces of mail that was not sent from here are refused, and nothing says that genuine mail is among them."},
		Domains: []report.Domain{
			{Name: "example.com", Mode: "auto", SigningSince: "2026-11-09", EnforcedFrom: "2026-11-16", Counts: c(3), Verdict: report.Verdict{State: report.Enforcing, Level: report.Green}},
			{Name: "example.org", Mode: "auto", SigningSince: "2026-11-27", EnforcedFrom: "2026-12-04", Counts: c(1), Verdict: report.Verdict{State: report.NotReady, Level: report.Amber}},
			{Name: "a-rather-long-name-of-a-department.faculty.university.example", Mode: "monitor", SigningSince: "2026-10-01", Counts: c(2), Verdict: report.Verdict{State: report.Ready, Level: report.Green}},
		},
		Totals: report.Totals{Counts: c(6), AcceptedBy: counts("valid", "valid-message", "valid-correspondent", "no-bounce"),
			WouldBeBy: counts("untagged", "bad-signature"), RefusedBy: counts("untagged", "expired", "bad-signature", "unknown-key", "not-issued"),
			Would:  report.Groups{MayBeGenuine: 14, OwnHost: 2, Repeats: 9, NeverSends: 3, NoBounce: 120, NoSign: 2194},
			Turned: report.Groups{MayBeGenuine: 1, Repeats: 1, NoBounce: 1044, NoSign: 53675}},
		Days: periods(shownDays, 24*time.Hour, 340), Hours: periods(48, time.Hour, 14),
		Sources:   named("192.0.2.0/24", "198.51.100.0/24", "2001:db8:4:17::/64", "203.0.113.0/24", "other"),
		Reporters: named("mail.example.net", "outlook.example", "a-very-long-host-name-without-any-end.mail.provider.example", "other"),
		Routes:    []report.Route{{Domain: "example.org", Name: "192.0.2.0/24", Count: 9}},
		Samples: []report.Sample{
			{Note: figures.Note{Time: noon.Add(-95 * time.Second), Node: "mx1", QueueID: "4bZk2P3vXyzW", Client: "192.0.2.17", Recipient: "j...@example.com", Outcome: figures.Refused, Reason: "untagged", Action: "reject", ReportingMTA: "mail.example.net"}, Inspect: "bouncefilter inspect --recipient RECIPIENT --client 192.0.2.17 FILE"},
			{Note: figures.Note{Time: noon.Add(-2 * time.Hour), Node: "mx2", QueueID: "4bZk2P3vXyzX", Client: "2001:db8:4:17::25", Recipient: "prvs=0336abcdef=m...@a-rather-long-name-of-a-department.faculty.university.example", Outcome: figures.WouldBe, Reason: "grace", Would: "untagged", Cause: "new-domain", Action: "accept", Sign: figures.Repeats}, Inspect: "bouncefilter inspect --recipient RECIPIENT --client 2001:db8:4:17::25 FILE"},
		},
	}
	key := func(n uint8, id string, signs, next bool) store.NodeKey {
		return store.NodeKey{Number: n, KeyID: id, Signs: signs, Next: next}
	}
	st := &status.Status{Since: noon.AddDate(0, 0, -21), Revocations: 2, Nodes: []store.Node{
		{Name: "mx1", At: noon, Seen: noon, Keys: []store.NodeKey{key(1, "a", false, false), key(2, "b", true, false), key(3, "c", false, true)}},
		{Name: "mx2", At: noon.Add(90 * time.Second), Seen: noon.Add(-time.Second), Keys: []store.NodeKey{key(1, "a", false, false), key(2, "x", true, false)}},
		{Name: "mx3", At: noon.Add(-time.Hour), Seen: noon.Add(-time.Hour), Keys: []store.NodeKey{key(1, "a", false, false), key(2, "b", true, false)}},
	}, Gaps: []store.Gap{{From: noon.AddDate(0, 0, -3), Until: noon.AddDate(0, 0, -3).Add(time.Hour)}}}
	return healthy(), snapshot{at: noon, status: st, report: r, days: 2 * shownDays}
}

func red() (Local, snapshot) {
	l, s := busy()
	l.Unhealthy, l.Waiting, l.Octets, l.Lost = "an event of the MTA has been worked on for 52s, which is more than 32s", 1204, 3<<20, 17
	l.Unreadable, l.ReloadFailed = 1, true
	s.report.Verdict = report.Verdict{State: report.Enforcing, Level: report.Red, Since: "2026-11-29", Sentence: "Genuine mail may be refused for example.com.",
		Concerns: []report.Concern{
			{Name: "own-host", What: "41 refused bounces of example.com name a host of ours.", Domains: []string{"example.com"}, Count: 41,
				Remedy: "Let that host send through bouncefilter, or stop refusing.", Commands: []string{"bouncefilter report --by source --domain example.com"},
				Config: []string{"[[domain]]", `name = "example.com"`, `mode = "monitor"`}},
			{Name: "silent", What: "The node mx3 is silent.", Count: 1, Remedy: "Start it, or remove it.", Commands: []string{"bouncefilter node remove mx3"}},
		}}
	return l, s
}

func many() (Local, snapshot) {
	l, s := busy()
	s.days = 9
	for i := range 20_000 {
		level, state := report.Green, report.Enforcing
		if i%1000 == 0 {
			level, state = report.Amber, report.NotReady
		}
		s.report.Domains = append(s.report.Domains, report.Domain{Name: fmt.Sprintf("customer%05d.example", i), Mode: "auto", SigningSince: "2026-11-01", EnforcedFrom: "2026-11-08",
			Counts: report.Counts{Signed: int64(100_000 / (i + 1))}, Verdict: report.Verdict{Level: level, State: state}})
		s.status.Nodes[0].Keys = append(s.status.Nodes[0].Keys, store.NodeKey{Number: 1, Domain: fmt.Sprintf("customer%05d.example", i), KeyID: "k", Signs: true})
	}
	return l, s
}

func down() (Local, snapshot) {
	l, s := busy()
	l.Circuit, l.Waiting, l.Octets = false, 311, 88_000
	s.failed, s.since = io.ErrUnexpectedEOF, noon.Add(-7*time.Minute)
	return l, s
}

func neverRead() (Local, snapshot) {
	l := healthy()
	l.Circuit = false
	return l, snapshot{failed: io.ErrUnexpectedEOF, since: noon.Add(-time.Second)}
}

// show returns a page that shows a state.
func show(t testing.TB, l Local, s snapshot) *Page {
	t.Helper()
	ring := testRing(t)
	p := New(Options{
		Local: func() Local { return l },
		Verify: func(a prvs.Address) (prvs.Result, bool) {
			return ring.Verify(a, prvs.DayOf(noon)), a.Domain == "example.com"
		},
		Limited: func(*http.Request, int) {},
		Now:     func() time.Time { return noon },
		Log:     slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
	p.reader.last, p.reader.next = s, noon.Add(time.Hour)
	return p
}

// testRing is the key of pages of [show].
func testRing(t testing.TB) *prvs.Ring {
	t.Helper()
	ring, err := prvs.NewRing([]prvs.Key{{Number: 1, Secret: []byte("secret"), State: prvs.StateSign}}, prvs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

// tagged signs an address on a day with the key of pages of [show].
func tagged(t testing.TB, address string, day prvs.Day) string {
	t.Helper()
	a, err := prvs.ParseAddress(address)
	if err != nil {
		t.Fatal(err)
	}
	s, err := testRing(t).Sign(a, prvs.Standard, day)
	if err != nil {
		t.Fatal(err)
	}
	return s.Address
}
