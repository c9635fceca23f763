package figures

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bouncefilter/bouncefilter/filter/policy"
	"github.com/bouncefilter/bouncefilter/store"
	"github.com/bouncefilter/bouncefilter/store/memory"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func testHasher() *store.Hasher { return store.NewHasher([]byte("hash secret")) }

// refusal is an observation about a bounce that was refused.
func refusal(at time.Time) *Observation {
	return &Observation{
		At: at, Message: "bounce", Domain: "example.com", Reason: "untagged", Action: "reject", Kind: "dsn", Family: "postfix",
		Client: netip.MustParseAddr("203.0.113.7"), ReportingMTA: "mx3.victim.example", QueueID: "4ZQ", Recipient: "user@example.com",
	}
}

// failing is a store that fails so many calls before it answers.
type failing struct {
	*memory.Store
	fails int
	calls int
}

func (f *failing) fail() error {
	if f.calls++; f.fails > 0 {
		f.fails--
		return store.ErrUnavailable
	}
	return nil
}

func (f *failing) Count(ctx context.Context, cs []store.Counter) error {
	if err := f.fail(); err != nil {
		return err
	}
	return f.Store.Count(ctx, cs)
}

func (f *failing) Note(ctx context.Context, ns []store.Note) error {
	if err := f.fail(); err != nil {
		return err
	}
	return f.Store.Note(ctx, ns)
}

func memoryAt(at time.Time) *memory.Store { return memory.NewWithClock(func() time.Time { return at }) }

// read returns the figures of days from the day before noon to the day after, by key.
func read(t *testing.T, st Reader, by store.Resolution) map[Key]int64 {
	t.Helper()
	fs, err := Read(t.Context(), st, by, noon.Truncate(24*time.Hour).AddDate(0, 0, -1), noon.Truncate(24*time.Hour).AddDate(0, 0, 2))
	if err != nil {
		t.Fatal(err)
	}
	sums := map[Key]int64{}
	for _, f := range fs {
		sums[f.Key] += f.Count
	}
	return sums
}

func flush(t *testing.T, r *Recorder, st Store, at time.Time) {
	t.Helper()
	if err := r.Flush(t.Context(), st, at); err != nil {
		t.Fatal(err)
	}
}

func TestWhatAnEventCounts(t *testing.T) {
	refused := refusal(noon)
	refused.Sign = Repeats
	would := refusal(noon)
	would.Action, would.Cause, would.Route = "monitor", "monitor-mode", "198.51.100.0/24"
	would.LeftThrough, would.LeftOn = "198.51.100.0/24", "2026-11-22"
	for _, tt := range []struct {
		name string
		e    *Observation
		want []Key
	}{
		{"a refusal", refused, []Key{
			{Topic: Verdicts, Domain: "example.com", Reason: "untagged", Action: "reject", Kind: "dsn"},
			{Topic: Families, Family: "postfix", Outcome: Refused},
			{Topic: Signs, Domain: "example.com", Outcome: Refused, Sign: Repeats},
			{Topic: Sources, Domain: "example.com", Outcome: Refused, Name: "203.0.113.0/24"},
			{Topic: Reporters, Domain: "example.com", Outcome: Refused, Name: "victim.example"},
		}},
		{"a would-be refusal", would, []Key{
			{Topic: Verdicts, Domain: "example.com", Reason: "untagged", Action: "monitor", Cause: "monitor-mode", Kind: "dsn"},
			{Topic: Families, Family: "postfix", Outcome: WouldBe},
			{Topic: Sightings, Domain: "example.com", Name: "198.51.100.0/24", Day: "2026-11-22"},
			{Topic: Routes, Domain: "example.com", Name: "198.51.100.0/24"},
			{Topic: Signs, Domain: "example.com", Outcome: WouldBe},
			{Topic: Sources, Domain: "example.com", Outcome: WouldBe, Name: "203.0.113.0/24"},
			{Topic: Reporters, Domain: "example.com", Outcome: WouldBe, Name: "victim.example"},
		}},
		{"a genuine bounce", &Observation{At: noon, Message: "bounce", Domain: "example.com", Reason: "valid", Action: "accept", Kind: "dsn", Family: "exim", Failures: []Failure{
			{"a.example", "5.1.1", false, 1}, {"b.example", "", true, 1},
		}}, []Key{
			{Topic: Verdicts, Domain: "example.com", Reason: "valid", Action: "accept", Kind: "dsn"},
			{Topic: Families, Family: "exim", Outcome: Accepted},
			{Topic: Failures, Domain: "example.com", Name: "a.example", Status: "5.1.1"},
			{Topic: Failures, Domain: "example.com", Name: "b.example", Sign: BecauseOfTag},
		}},
		{"signed mail", &Observation{At: noon, Message: "outbound", Domain: "example.com", Reason: "signed", Action: "sign", Destinations: []string{"a.example", "b.example"}}, []Key{
			{Topic: Verdicts, Domain: "example.com", Reason: "signed", Action: "sign"},
			{Topic: Sent, Domain: "example.com", Name: "a.example"},
			{Topic: Sent, Domain: "example.com", Name: "b.example"},
		}},
		{"ordinary mail that is refused", &Observation{At: noon, Message: "inbound", Domain: "example.com", Reason: "invalid-tag", Action: "reject"}, []Key{
			{Topic: Verdicts, Domain: "example.com", Reason: "invalid-tag", Action: "reject"},
		}},
		{"a bounce without a name of its reporter and its client", &Observation{At: noon, Message: "bounce", Domain: "example.com", Reason: "untagged", Action: "defer", ReportingMTA: "\x1b[2J"}, []Key{
			{Topic: Verdicts, Domain: "example.com", Reason: "untagged", Action: "defer"},
			{Topic: Signs, Domain: "example.com", Outcome: Deferred},
			{Topic: Sources, Domain: "example.com", Outcome: Deferred, Name: "local"},
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, st := New("mx1", 10, testHasher()), memoryAt(noon)
			r.Observe(tt.e)
			flush(t, r, st, noon)
			want := map[Key]int64{}
			for _, k := range tt.want {
				want[k] = 1
			}
			for _, by := range []store.Resolution{store.ByHour, store.ByDay} {
				if got := read(t, st, by); !maps.Equal(got, want) {
					t.Errorf("got %+v\nwant %+v", got, want)
				}
			}
		})
	}
}

func TestOutcomesOfAllVerdicts(t *testing.T) {
	for _, tt := range []struct {
		v    policy.Verdict
		want Outcome
	}{
		{policy.Verdict{Reason: policy.Signed, Action: policy.ActionSign}, Signed},
		{policy.Verdict{Reason: policy.Valid, Action: policy.ActionAccept}, Accepted},
		{policy.Verdict{Reason: policy.NoBounce, Action: policy.ActionAccept}, Accepted},
		{policy.Verdict{Reason: policy.Untagged, Action: policy.ActionReject}, Refused},
		{policy.Verdict{Reason: policy.NotIssued, Action: policy.ActionDefer, Cause: policy.SilentNode}, Deferred},
		{policy.Verdict{Reason: policy.SeveralRecipients, Action: policy.ActionDiscard}, Discarded},
		{policy.Verdict{Reason: policy.Untagged, Action: policy.ActionMonitor, Cause: policy.MonitorMode}, WouldBe},
		{policy.Verdict{Reason: policy.Grace, Would: policy.Untagged, Action: policy.ActionMonitor, Cause: policy.NewDomain}, WouldBe},
		{policy.Verdict{Reason: policy.Grace, Would: policy.Untagged, Action: policy.ActionTag, Cause: policy.Allowance}, WouldBe},
		{policy.Verdict{Reason: policy.Untagged, Action: policy.ActionTag, Cause: policy.MailerDaemon}, WouldBe},
		{policy.Verdict{Reason: policy.Exempt, Action: policy.ActionAccept, Cause: policy.NeverSigned}, Accepted},
		{policy.Verdict{Reason: policy.Exempt, Would: policy.Untagged, Action: policy.ActionAccept, Cause: policy.OwnMail}, Accepted},
		{policy.Verdict{Reason: policy.DoNotTag, Action: policy.ActionNone}, Ordinary},
		{policy.Verdict{Reason: policy.Untag, Action: policy.ActionAccept}, Accepted},
	} {
		k := Key{Topic: Verdicts, Reason: tt.v.Reason.String(), Action: tt.v.Action.String(), Cause: tt.v.Cause.String()}
		if tt.v.Would != policy.NoReason {
			k.Would = tt.v.Would.String()
		}
		if got := k.VerdictOutcome(); got != tt.want {
			t.Errorf("%+v: %s, want %s", k, got, tt.want)
		}
	}
}

func TestHoursAndDaysAreThoseOfUTC(t *testing.T) {
	r, st := New("mx1", 0, testHasher()), memoryAt(noon)
	east := time.FixedZone("east", 5*3600+1800)
	r.Observe(refusal(time.Date(2026, 11, 24, 5, 29, 59, 0, east))) // 23:59:59 UTC
	r.Observe(refusal(time.Date(2026, 11, 24, 5, 30, 0, 0, east)))  // midnight
	flush(t, r, st, noon)
	fs, err := Read(t.Context(), st, store.ByDay, noon.AddDate(0, 0, -2), noon.AddDate(0, 0, 2))
	if err != nil {
		t.Fatal(err)
	}
	days := map[string]int64{}
	for _, f := range fs {
		if f.Node != "mx1" {
			t.Errorf("a count of the node %q", f.Node)
		}
		if f.Topic == Verdicts {
			days[f.Begin.Format(time.RFC3339)] += f.Count
		}
	}
	if want := map[string]int64{"2026-11-23T00:00:00Z": 1, "2026-11-24T00:00:00Z": 1}; !maps.Equal(days, want) {
		t.Errorf("%v, want %v", days, want)
	}
}

// A store that fails at any call loses no count and counts nothing twice.
func TestAStoreThatFails(t *testing.T) {
	for fails := range 4 {
		r, st := New("mx1", 20, testHasher()), &failing{Store: memoryAt(noon), fails: fails}
		for range 3 {
			r.Observe(refusal(noon))
		}
		for range fails {
			if err := r.Flush(t.Context(), st, noon); !errors.Is(err, store.ErrUnavailable) {
				t.Fatalf("%d failures: %v", fails, err)
			}
			r.Observe(refusal(noon))
		}
		flush(t, r, st, noon)
		flush(t, r, st, noon)
		for k, n := range read(t, st, store.ByDay) {
			if want := int64(3 + fails); n != want {
				t.Errorf("%d failures: %+v is %d, want %d", fails, k, n, want)
			}
		}
		if ns, err := Notes(t.Context(), st, testHasher()); err != nil || len(ns) != 3+fails {
			t.Errorf("%d failures: %d notes, %v", fails, len(ns), err)
		}
	}
}

func TestNothingIsWrittenOfNothing(t *testing.T) {
	r, st := New("mx1", 10, testHasher()), &failing{Store: memoryAt(noon)}
	r.Observe(refusal(noon))
	flush(t, r, st, noon)
	before := st.calls
	flush(t, r, st, noon)
	if st.calls != before {
		t.Errorf("%d calls of a store for which nothing waits", st.calls-before)
	}
}

// However long the store is down, so much waits; what is more is counted as lost.
func TestWhatWaitsIsBounded(t *testing.T) {
	r, st := New("mx1", 10, testHasher()), &failing{Store: memoryAt(noon), fails: 1}
	e := Observation{At: noon, Message: "outbound", Reason: "signed", Action: "sign"}
	for i := range MaxPending {
		e.Domain = fmt.Sprintf("%d.example", i)
		r.Observe(&e)
	}
	if len(r.counts) != MaxPending || r.Lost() != 0 {
		t.Fatalf("%d counts wait, %d are lost", len(r.counts), r.Lost())
	}
	e.Domain = "one.more.example"
	r.Observe(&e)
	r.Observe(&e)
	e.Domain = "0.example"
	r.Observe(&e)
	if len(r.counts) != MaxPending || r.Lost() != 2 {
		t.Errorf("%d counts wait, %d are lost", len(r.counts), r.Lost())
	}
	if err := r.Flush(t.Context(), st, noon); err == nil {
		t.Fatal("the store did not fail")
	}
	flush(t, r, st, noon)
	if got := read(t, st, store.ByDay); len(got) != MaxPending || got[Key{Topic: Verdicts, Domain: "0.example", Reason: "signed", Action: "sign"}] != 2 {
		t.Errorf("%d counts are written", len(got))
	}
}

// However many names an attacker makes up, so many keys are stored, and what comes again is counted on its own name.
func TestMadeUpNamesAreBounded(t *testing.T) {
	r, st := New("mx1", 0, testHasher()), memoryAt(noon)
	const made = 100_000
	day := noon.Truncate(24 * time.Hour)
	for i := range made {
		at := day.Add(time.Duration(i) * 24 * time.Hour / made)
		e := refusal(at)
		e.Client = netip.AddrFrom4([4]byte{100 + byte(i>>16), byte(i >> 8), byte(i), 7})
		e.ReportingMTA = fmt.Sprintf("mx.x%d.example", i)
		e.Route = fmt.Sprintf("x%d.example", i)
		e.LeftThrough, e.LeftOn = e.Route, "2026-11-22"
		r.Observe(e)
		r.Observe(&Observation{At: at, Message: "outbound", Domain: "example.com", Reason: "signed", Action: "sign", Destinations: []string{fmt.Sprintf("x%d.example", i)}})
		r.Observe(&Observation{At: at, Message: "bounce", Domain: "example.com", Reason: "valid", Action: "accept", Failures: []Failure{{fmt.Sprintf("x%d.example", i), "5.1.1", false, 1}}})
		if i%100 == 50 {
			again := refusal(at)
			again.ReportingMTA = "mx.victim.example"
			r.Observe(again)
		}
	}
	flush(t, r, st, noon)
	got := read(t, st, store.ByDay)
	names, others := map[Topic]int{}, map[Topic]int64{}
	for k, n := range got {
		if k.Topic.named() {
			names[k.Topic]++
			if k.Name == Other {
				others[k.Topic] += n
			}
		}
	}
	for _, topic := range []Topic{Sources, Reporters, Routes, Sightings, Sent, Failures} {
		if names[topic] > maxNames+1 || others[topic] < made-maxNames*repeats {
			t.Errorf("%s: %d keys are stored, %d were counted as others", topic, names[topic], others[topic])
		}
	}
	again := Key{Topic: Reporters, Domain: "example.com", Outcome: Refused, Name: "victim.example"}
	if n := got[again]; n < made/100-repeats {
		t.Errorf("what comes again was counted %d times, of %d", n, made/100)
	}
	if len(r.names[Sent.index()].today) > maxNames || r.names[Sent.index()].watched.Len() > maxWatched {
		t.Errorf("%d and %d names are held", len(r.names[Sent.index()].today), r.names[Sent.index()].watched.Len())
	}
}

func TestWhichNamesAreCounted(t *testing.T) {
	c := newNames(atOnce)
	name := func(i int) []byte { return fmt.Append(nil, i) }
	for i := range atOnce {
		if !c.choose(name(i), noon) {
			t.Errorf("the name %d of an hour is not counted at once", i)
		}
	}
	for i := atOnce; i < maxNew; i++ {
		for seen := range repeats {
			if got := c.choose(name(i), noon); got != (seen == repeats-1) {
				t.Errorf("the name %d, seen %d times: %v", i, seen+1, got)
			}
		}
	}
	for range repeats + 1 {
		if c.choose(name(maxNew), noon) {
			t.Error("one name more than an hour may begin")
		}
	}
	if !c.choose(name(0), noon) {
		t.Error("a name is not counted any more")
	}
	if !c.choose(name(maxNew), noon.Add(time.Hour)) {
		t.Error("it is not counted in the next hour")
	}
	// On the next day names of the day before go first, and do not count as new ones.
	midnight := noon.Truncate(24*time.Hour).AddDate(0, 0, 1)
	for i := range maxNew + 1 {
		if !c.choose(name(i), midnight) {
			t.Errorf("the name %d of the day before is not counted", i)
		}
	}
	if !c.choose(name(99), midnight) {
		t.Error("a new name is not counted beside them")
	}
	// An observation that is late does not begin its day anew.
	if !c.choose(name(0), midnight.Add(-time.Second)) || len(c.today) != maxNew+2 {
		t.Errorf("%d names after an observation that was late", len(c.today))
	}
	// The clock was wrong by a year.
	if !c.choose(name(5), midnight.AddDate(1, 0, 0)) || !c.choose(name(6), midnight) || c.day != store.DayOf(midnight) {
		t.Error("a clock that was ahead is not followed back")
	}
}

// A day has so many names at most, also if they are those of the day before.
func TestNamesOfADay(t *testing.T) {
	c := newNames(atOnce)
	chosen := 0
	for i := range 2 * maxNames {
		if c.choose(fmt.Append(nil, i), noon.Truncate(24*time.Hour).Add(time.Duration(i/maxNew)*time.Hour/repeats)) {
			chosen++
		}
	}
	tomorrow := noon.AddDate(0, 0, 1)
	for k := range maps.Clone(c.today) {
		c.choose([]byte(k), tomorrow)
	}
	for i := range 10 * maxNames {
		c.choose(fmt.Append(nil, "new", i/repeats), tomorrow.Add(time.Duration(i)*time.Second))
	}
	if len(c.today) > maxNames {
		t.Errorf("%d names on a day", len(c.today))
	}
}

// After a restart the names of the day and of the day before are counted on, and no more of them.
func TestNamesAfterARestart(t *testing.T) {
	st := memoryAt(noon)
	sent := func(r *Recorder, name string, at time.Time) {
		r.Observe(&Observation{At: at, Message: "outbound", Domain: "example.com", Reason: "signed", Action: "sign", Destinations: []string{name}})
	}
	before := New("mx1", 0, testHasher())
	sent(before, "yesterday.example", noon.AddDate(0, 0, -1))
	sent(before, "today.example", noon)
	flush(t, before, st, noon)
	other := New("mx2", 0, testHasher())
	sent(other, "elsewhere.example", noon)
	flush(t, other, st, noon)

	r := New("mx1", 0, testHasher())
	sent(r, "today.example", noon)
	flush(t, r, st, noon)
	c := r.names[Sent.index()]
	key := func(name string) string {
		var p packed
		p.set(0, &Key{Topic: Sent, Domain: "example.com", Name: name})
		return string(p.key())
	}
	_, today := c.today[key("today.example")]
	_, yesterday := c.before[key("yesterday.example")]
	if !today || !yesterday || len(c.today) != 1 || len(c.before) != 1 {
		t.Errorf("today %v, the day before %v", c.today, c.before)
	}
}

func TestFailuresInTheLog(t *testing.T) {
	all := []Failure{{"a.example", "5.1.1", false, 2}, {"b.example", "", true, 1}, {"c.example", "4", false, 1}}
	text := "a.example 5.1.1 2,b.example - 1 tag,c.example 4 1"
	if got := FormatFailures(all); got != text {
		t.Errorf("%q", got)
	}
	if got, err := ParseFailures(text); err != nil || !slices.Equal(got, all) {
		t.Errorf("%+v, %v", got, err)
	}
	for _, bad := range []string{"a.example", "a.example 5.1.1", "a.example 5.1.1 0", "a.example 5.1.1 x", "a.example 5.1.1 1 x", "a.example 6.1.1 1", " 5.1.1 1", ",", strings.Repeat("a.example - 1,", MaxFailures) + "a.example - 1"} {
		if fs, err := ParseFailures(bad); err == nil {
			t.Errorf("%q: %+v", bad, fs)
		}
	}
}

// The mail path pays for each observation. What was counted in this hour before costs no memory.
func TestObserveAllocatesLittle(t *testing.T) {
	r := New("mx1", 200, testHasher())
	signed := &Observation{At: noon, Message: "outbound", Domain: "example.com", Reason: "signed", Action: "sign", Destinations: []string{"a.example", "b.example"}}
	refused := refusal(noon)
	for _, tt := range []struct {
		name string
		e    *Observation
		most float64
	}{{"signed", signed, 0}, {"refused", refused, 9}} {
		if got := testing.AllocsPerRun(100, func() { r.Observe(tt.e) }); got > tt.most {
			t.Errorf("%s: %.0f allocations, want at most %.0f", tt.name, got, tt.most)
		}
	}
}

// A route that is used once a day is counted on each day, while other mail has a few sources of its own in each hour.
func TestSightingsAreCountedAtOnce(t *testing.T) {
	r, st := New("mx1", 0, testHasher()), memoryAt(noon)
	for i := range mostAtOnce + 1 {
		e := refusal(noon)
		e.LeftThrough, e.LeftOn = fmt.Sprintf("x%d.example", i), "2026-11-22"
		r.Observe(e)
	}
	flush(t, r, st, noon)
	got := read(t, st, store.ByDay)
	for i := range mostAtOnce + 1 {
		if n := got[Key{Topic: Sightings, Domain: "example.com", Name: fmt.Sprintf("x%d.example", i), Day: "2026-11-22"}]; n == 1 != (i < mostAtOnce) {
			t.Errorf("source %d is counted %d times", i, n)
		}
	}
	if n := got[Key{Topic: Sightings, Domain: "example.com", Name: Other, Day: "2026-11-22"}]; n != 1 {
		t.Errorf("%d are others", n)
	}
}

func TestPackedKeys(t *testing.T) {
	for _, k := range []Key{
		{Topic: Verdicts, Domain: "a.example", Reason: "untagged", Action: "reject", Cause: "c", Would: "w", Kind: "dsn"},
		{Topic: Families, Family: "postfix", Outcome: Refused}, {Topic: Signs, Domain: "a.example", Outcome: WouldBe, Sign: Repeats},
		{Topic: Sources, Domain: "a.example", Outcome: Refused, Name: "203.0.113.0/24"}, {Topic: Reporters, Outcome: Refused, Name: strings.Repeat("x", 300)},
		{Topic: Routes, Name: "\x00|%"}, {Topic: Sightings, Domain: "a.example", Name: "192.0.2.0/24", Day: "2026-11-22"}, {Topic: Sent, Domain: "a|b"}, {Topic: Failures, Domain: "a.example", Name: "b.example", Status: "5.1.1", Sign: BecauseOfTag},
	} {
		var p packed
		p.set(store.HourOf(noon), &k)
		if hour, got := p.unpack(); got != k || hour != store.HourOf(noon) {
			t.Errorf("%+v is read as %+v", k, got)
		}
		if got, err := parseKey(string(k.Topic), k.format()); err != nil || got != k {
			t.Errorf("%+v is stored and read as %+v, %v", k, got, err)
		}
	}
}

func BenchmarkObserve(b *testing.B) {
	r := New("mx1", 200, testHasher())
	signed := &Observation{At: noon, Message: "outbound", Domain: "example.com", Reason: "signed", Action: "sign", Destinations: []string{"example.org"}, QueueID: "4ZQ", Sender: "user@example.com", Recipient: "friend@example.org"}
	made := make([]*Observation, 4096)
	for i := range made {
		made[i] = refusal(noon.Add(time.Duration(i) * time.Second))
		made[i].Client = netip.AddrFrom4([4]byte{100, byte(i >> 8), byte(i), 7})
		made[i].ReportingMTA = fmt.Sprintf("mx.x%d.example", i)
	}
	for name, observation := range map[string]func(i int) *Observation{
		"signed":  func(int) *Observation { return signed },
		"refused": func(int) *Observation { return made[0] },
		"made-up": func(i int) *Observation { return made[i%len(made)] },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				r.Observe(observation(i))
			}
		})
	}
}

// Who can write to the server of a store may write counts that no daemon writes: they are left out, or cut, so that sums of them are numbers
// of messages.
func TestReadBelievesNoCountThatCannotBe(t *testing.T) {
	const top = 1<<63 - 1
	for count, want := range map[int64]int64{-5: 0, 0: 0, 7: 7, maxCount: maxCount, maxCount + 1: maxCount, top: maxCount} {
		st := memoryAt(noon)
		k := Key{Topic: Routes, Domain: "example.com", Name: "192.0.2.0/24"}
		if err := st.Count(t.Context(), []store.Counter{{Hour: store.HourOf(noon), Node: "mx1", Topic: string(k.Topic), Name: k.format(), Count: count}}); err != nil {
			t.Fatal(err)
		}
		fs, err := Read(t.Context(), st, store.ByDay, noon.AddDate(0, 0, -1), noon.AddDate(0, 0, 1))
		if err != nil {
			t.Fatal(err)
		}
		var got int64
		for i := range fs {
			got += fs[i].Count
		}
		if got != want || len(fs) > 1 {
			t.Errorf("%d is read as %d", count, got)
		}
	}
}
