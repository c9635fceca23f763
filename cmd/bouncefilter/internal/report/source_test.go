package report

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/config"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/logfile"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/logline"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/status"
	"github.com/bouncefilter/bouncefilter/filter/figures"
	"github.com/bouncefilter/bouncefilter/store"
	"github.com/bouncefilter/bouncefilter/store/memory"
)

func pick[T any](r *rand.Rand, list ...T) T { return list[r.IntN(len(list))] }

// randomObservation is an observation as the milter may have it.
func randomObservation(r *rand.Rand, at time.Time) *figures.Observation {
	e := &figures.Observation{At: at, Domain: pick(r, "example.com", "*.example.edu"), Sender: "user@example.com", Recipient: fmt.Sprintf("x%d@d%d.example", r.IntN(9), r.IntN(60))}
	switch r.IntN(4) {
	case 0:
		e.Message, e.Reason, e.Action, e.Local = "outbound", "signed", "sign", true
		e.Destinations = []string{fmt.Sprintf("d%d.example", r.IntN(60))}
		if e.Recipient = "x@" + e.Destinations[0]; r.IntN(3) == 0 {
			e.Destinations = append(e.Destinations, "b.example")
		}
		return e
	case 1:
		e.Message, e.Reason, e.Action = "inbound", pick(r, "untag", "invalid-tag"), pick(r, "accept", "reject")
		return e
	}
	e.Message, e.Sender, e.Recipient = "bounce", "", "user@example.com"
	e.Client = netip.AddrFrom4([4]byte{203, 0, byte(r.IntN(99)), byte(r.IntN(9))})
	e.Kind, e.Family, e.ReportingMTA = pick(r, "dsn", "bounce", ""), pick(r, "postfix", "exim", ""), pick(r, "mx.example.net", "a b\"\x00", "")
	e.QueueID = fmt.Sprintf("4Z%X", r.IntN(1<<30))
	switch r.IntN(3) {
	case 0:
		e.Reason, e.Action = "valid", "accept"
		for i := range r.IntN(3) {
			e.Failures = append(e.Failures, figures.Failure{Destination: fmt.Sprintf("d%d.example", r.IntN(60)), Status: pick(r, "", "5", "5.1.1", "4.2.2"), BecauseOfTag: r.IntN(9) == 0, Count: i + 1})
		}
	case 1:
		e.Reason, e.Action, e.Sign = "untagged", "reject", pick(r, figures.NoSign, figures.OwnHost, figures.Repeats, figures.NeverSends)
		if e.Sign == figures.OwnHost {
			e.OwnHost = "web.example.com"
		}
	default:
		e.Reason, e.Action, e.Would, e.Cause = "grace", "monitor", "untagged", "new-domain"
		e.Sign = pick(r, figures.NoSign, figures.NoBounce)
		if r.IntN(2) == 0 {
			e.LeftThrough, e.LeftOn = fmt.Sprintf("192.0.%d.0/24", r.IntN(9)), fmt.Sprintf("2026-11-2%d", r.IntN(3))
			e.Route = pick(r, "", e.LeftThrough)
		}
	}
	return e
}

// logLine is how the daemon logs an observation.
func logLine(e *figures.Observation, form logline.Form) string {
	var attrs []slog.Attr
	add := func(name, value string) {
		if value != "" {
			attrs = append(attrs, slog.String(name, value))
		}
	}
	add("queue_id", e.QueueID)
	client := "unknown"
	if e.Local {
		client = "local"
	} else if e.Client.IsValid() {
		client = e.Client.String()
	}
	add("client", client)
	add("sender", "<"+e.Sender+">")
	add("recipient", "<"+e.Recipient+">")
	add("domain", e.Domain)
	add("reason", e.Reason)
	add("action", e.Action)
	add("would_be", e.Would)
	add("cause", e.Cause)
	add("report", e.Kind)
	add("family", e.Family)
	add("sign", string(e.Sign))
	add("reporting_mta", e.ReportingMTA)
	add("own_host", e.OwnHost)
	add("left_through", e.LeftThrough)
	add("left_on", e.LeftOn)
	add("other_route", e.Route)
	if len(e.Destinations) > 1 {
		add("destinations", strings.Join(e.Destinations, ","))
	}
	add("failures", figures.FormatFailures(e.Failures))
	var line bytes.Buffer
	record := slog.NewRecord(e.At, slog.LevelInfo, e.Message, 0)
	record.AddAttrs(attrs...)
	_ = logline.New(&line, form, slog.HandlerOptions{}).Handler().Handle(context.Background(), record)
	return line.String()
}

// exported is a line as journalctl -o export has it.
func exported(e *figures.Observation, line string) string {
	return fmt.Sprintf("__CURSOR=x\n__REALTIME_TIMESTAMP=%d\nMESSAGE=%s\n", e.At.UnixMicro(), line[len("<6>"):])
}

func sorted(fs []figures.Figure) []figures.Figure {
	fs = slices.Clone(fs)
	for i := range fs {
		fs[i].Node = ""
	}
	slices.SortFunc(fs, func(a, b figures.Figure) int { return cmp.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	return fs
}

// The same time, read from the log in any of its forms and from the store, has the same figures and notes.
func TestLogAndStoreHaveTheSameFigures(t *testing.T) {
	for seed := range uint64(2) {
		r := rand.New(rand.NewPCG(seed, 1))
		st, hasher := memory.NewWithClock(func() time.Time { return now }), store.NewHasher([]byte("secret"))
		recorder := figures.New("mx1", store.MaxNotes, hasher)
		logs := map[string]*strings.Builder{"logfmt": {}, "json": {}, "journal": {}}
		at := now.Add(-9 * 24 * time.Hour)
		for range 3000 {
			at = at.Add(time.Duration(r.IntN(500)) * time.Second).Truncate(time.Millisecond)
			if at.After(now) {
				break
			}
			e := randomObservation(r, at)
			recorder.Observe(e)
			logs["logfmt"].WriteString(logLine(e, logline.Form{Format: config.FormatLogfmt}))
			logs["json"].WriteString(logLine(e, logline.Form{Format: config.FormatJSON}))
			logs["journal"].WriteString(exported(e, logLine(e, logline.Form{Format: config.FormatLogfmt, Journal: true})))
			if r.IntN(500) == 0 {
				if err := recorder.Flush(t.Context(), st, at); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := recorder.Flush(t.Context(), st, now); err != nil {
			t.Fatal(err)
		}
		ofStore := Input{From: day(8), Until: day(-1), Now: now, Lifetime: 7, Samples: 50}
		if err := ofStore.ReadStore(t.Context(), &memorySource{st, hasher}); err != nil {
			t.Fatal(err)
		}
		if len(ofStore.Days) < 500 || len(ofStore.Hours) < 200 || len(ofStore.Notes) < 200 {
			t.Fatalf("%d, %d, %d", len(ofStore.Days), len(ofStore.Hours), len(ofStore.Notes))
		}
		for form, log := range logs {
			ofLog := Input{Now: now, Lifetime: 7, Samples: 50}
			if err := ofLog.ReadLog(t.Context(), strings.NewReader(log.String()), logfile.Clock{Now: now, Zone: time.UTC}); err != nil {
				t.Fatal(err)
			}
			if ofLog.Log.Verdicts != ofLog.Log.Lines || ofLog.Log.Lines < 2500 {
				t.Fatalf("%s: %+v", form, ofLog.Log)
			}
			if got, want := sorted(between(ofLog.Days, day(7), day(-1))), sorted(between(ofStore.Days, day(7), day(-1))); !reflect.DeepEqual(got, want) {
				t.Errorf("%s: days differ: %d and %d figures", form, len(got), len(want))
			}
			if got, want := sorted(between(ofLog.Hours, now.Add(-40*time.Hour), now)), sorted(between(ofStore.Hours, now.Add(-40*time.Hour), now)); !reflect.DeepEqual(got, want) {
				t.Errorf("%s: hours differ: %d and %d figures", form, len(got), len(want))
			}
			if len(ofLog.Notes) != len(ofStore.Notes) {
				t.Fatalf("%s: %d notes, want %d", form, len(ofLog.Notes), len(ofStore.Notes))
			}
			for i := range ofLog.Notes {
				if ofLog.Notes[i].Node = "mx1"; form != "json" && ofLog.Notes[i] != ofStore.Notes[i] {
					t.Errorf("%s: note %+v, want %+v", form, ofLog.Notes[i], ofStore.Notes[i])
					break
				}
			}
		}
	}
}

// memorySource is a store without a status.
type memorySource struct {
	*memory.Store
	hasher *store.Hasher
}

func (m *memorySource) Figures(ctx context.Context, by store.Resolution, from, until time.Time) ([]figures.Figure, error) {
	return figures.Read(ctx, m.Store, by, from, until)
}
func (m *memorySource) Notes(ctx context.Context) ([]figures.Note, error) {
	return figures.Notes(ctx, m.Store, m.hasher)
}
func (m *memorySource) Status(context.Context) (*status.Status, error) {
	return &status.Status{}, nil
}

// Rotated logs are read in any order.
func TestOrderOfLogsDoesNotMatter(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var parts [3]strings.Builder
	at := day(20)
	for i := range parts {
		for range 300 {
			at = at.Add(10 * time.Minute)
			parts[i].WriteString(logLine(randomObservation(r, at), logline.Form{Format: config.FormatLogfmt}))
		}
	}
	var reports []*Report
	for _, log := range []string{parts[0].String() + parts[1].String() + parts[2].String(), parts[2].String() + parts[1].String() + parts[0].String()} {
		in := Input{Now: now, Lifetime: 7}
		if err := in.ReadLog(t.Context(), strings.NewReader(log), logfile.Clock{Now: now, Zone: time.UTC}); err != nil {
			t.Fatal(err)
		}
		reports = append(reports, Build(in))
	}
	a, _ := json.Marshal(reports[0])
	b, _ := json.Marshal(reports[1])
	if reports[0].Totals.Signed == 0 || !bytes.Equal(a, b) {
		t.Errorf("%s\n%s", a, b)
	}
}

// A clock that was wrong for a while, as at the start of a host without one of its own, hides nothing that was written by a right one.
func TestLogOfAWrongClock(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var log strings.Builder
	for _, at := range []time.Time{time.Unix(5, 0), day(1), day(0), day(0).AddDate(73, 0, 0)} {
		log.WriteString(logLine(randomObservation(r, at), logline.Form{Format: config.FormatLogfmt}))
	}
	in := Input{Now: now, Lifetime: 7}
	if err := in.ReadLog(t.Context(), strings.NewReader(log.String()), logfile.Clock{Now: now, Zone: time.UTC}); err != nil {
		t.Fatal(err)
	}
	report := Build(in)
	last := report.Days[len(report.Days)-1]
	if in.Log.Verdicts != 3 || in.Log.Unreadable != 1 || !in.Until.Equal(day(-1)) || !last.Begin.Equal(day(0)) || last.Counts == (Counts{}) {
		t.Errorf("%+v, %d days from %s until %s, the last %+v", *in.Log, len(report.Days), in.From, in.Until, last)
	}
}

// A log has the samples of the days that the report is about, and as many as are asked for.
func TestSamplesOfALog(t *testing.T) {
	var log strings.Builder
	for i := range 20 {
		e := &figures.Observation{At: day(i % 2), Message: "bounce", Domain: "example.com", Reason: "untagged", Action: "reject", Client: netip.MustParseAddr("203.0.113.7")}
		log.WriteString(logLine(e, logline.Form{Format: config.FormatLogfmt}))
	}
	in := Input{Now: now, Lifetime: 7, Samples: 4, From: day(1), Until: day(0)}
	if err := in.ReadLog(t.Context(), strings.NewReader(log.String()), logfile.Clock{Now: now, Zone: time.UTC}); err != nil {
		t.Fatal(err)
	}
	if got := Build(in).Samples; len(got) != 4 || !got[0].Time.Equal(day(1)) {
		t.Errorf("got %+v", got)
	}
}
