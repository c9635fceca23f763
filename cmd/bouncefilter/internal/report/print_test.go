package report

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/logread"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/screen"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/status"
	"github.com/bouncefilter/bouncefilter/filter/figures"
	"github.com/bouncefilter/bouncefilter/filter/routes"
	"github.com/bouncefilter/bouncefilter/store"
)

// randomInput is an input with anything that may be in one, such as names that attackers choose.
func randomInput(r *rand.Rand) Input {
	long := strings.Repeat("very-long-label.", 15) + "example"
	name := func() string {
		return pick(r, "a.example", "other", long, "\x1b[2J\nb.example", "ex\u00e4mple.com", fmt.Sprintf("d%d.example", r.IntN(40)))
	}
	domain := func() string { return pick(r, "example.com", "*.example.edu", long, "\u4f8b\u5b50.example") }
	count := func() int64 { return pick(r, int64(1), 7, 80, 1234, 1234567, 98765432109) }
	in := Input{Lifetime: pick(r, 7, 30), From: day(r.IntN(60)), Until: day(-1), Now: now, Samples: r.IntN(30), Config: pick(r, "", "/etc/bouncefilter/bouncefilter.toml"), LogFiles: pick(r, nil, []string{"x y"})}
	reasons := []string{"signed", "valid", "valid-message", "untagged", "expired", "grace", "exempt", "not-issued", "do-not-tag", "verify-only", "untag", "invalid-tag", "later"}
	for range r.IntN(300) {
		k := figures.Key{Topic: pick(r, figures.Topics[:]...), Domain: domain(), Reason: pick(r, reasons...), Action: pick(r, "sign", "accept", "reject", "defer", "monitor", "none", "discard", "tag"),
			Cause: pick(r, "", "new-domain", "missing-key"), Would: pick(r, "", "untagged"), Family: "postfix", Outcome: pick(r, figures.WouldBe, figures.Refused), Name: name(),
			Sign: pick(r, figures.NoSign, figures.OwnHost, figures.Repeats, figures.NeverSends, figures.NoBounce), Status: pick(r, "", "5", "5.1.1", "5.7.509", "4.4.1"), Day: pick(r, "2026-11-28", "2026-11-29")}
		if k.Topic == figures.Failures {
			k.Sign = pick(r, "", figures.BecauseOfTag)
		}
		in.Days = append(in.Days, fig(r.IntN(80), count(), k))
		h := fig(0, count(), k)
		h.Begin = now.Add(-time.Hour)
		in.Hours = append(in.Hours, h)
		in.Notes = append(in.Notes, figures.Note{Time: now, Client: "203.0.113.7", Sender: name(), Recipient: "u...@" + name(), Domain: domain(), Reason: k.Reason, ReportingMTA: name()})
	}
	if r.IntN(3) == 0 {
		in.Log = &logread.Stats{Lines: count(), Verdicts: 1, Others: count(), Unreadable: count(), First: day(9), Last: now}
		return in
	}
	in.Status = &status.Status{OtherRoutes: []routes.Route{{Sender: "u@" + domain(), Source: name(), Bounces: 7}}, Nodes: []store.Node{{Name: name(), Seen: day(r.IntN(2))}}}
	for _, d := range []string{"example.com", "*.example.edu", long}[:r.IntN(4)] {
		in.Status.Domains = append(in.Status.Domains, status.Domain{Name: d, Mode: pick(r, "auto", "monitor", "enforce"), SigningSince: pick(r, "", "2026-11-25", "2026-10-01"), Enforced: r.IntN(2) == 0, Incomplete: r.IntN(3) == 0, IncompleteUntil: "2026-12-20"})
	}
	return in
}

// toPaste says whether a line is one to paste, which is not broken.
func toPaste(line string) bool {
	return strings.HasPrefix(line, "  ") && strings.ContainsAny(line, "[=-/")
}

// The first screen fits one, and no view has a line that is too long or has what a terminal may take for a command.
func TestScreensFit(t *testing.T) {
	for seed := range uint64(150) {
		r := Build(randomInput(rand.New(rand.NewPCG(seed, 3))))
		views := []View{{}, {Failures: true}, {Samples: true}, {Next: true}}
		for _, by := range Tables() {
			views = append(views, View{By: by})
		}
		for _, v := range views {
			var out bytes.Buffer
			if err := Print(&out, r, v); err != nil {
				t.Fatal(err)
			}
			lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
			if v == (View{}) && len(lines) > maxLines {
				t.Errorf("seed %d: %d lines:\n%s", seed, len(lines), &out)
			}
			for _, line := range lines {
				if utf8.RuneCountInString(line) > screen.Width && !toPaste(line) || line != screen.Printable(line) || strings.TrimRight(line, " ") != line {
					t.Fatalf("seed %d, %+v: %q", seed, v, line)
				}
			}
		}
		text, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(text, []byte(":null")) {
			t.Fatalf("seed %d: null in %s", seed, text)
		}
	}
}

func TestCSV(t *testing.T) {
	r := Build(site("monitor", 30, fig(6, 1, signed), fig(5, 1, signed), fig(4, 1, signed), fig(3, 1, signed), fig(1, 1234, would), fig(6, 1, would), fig(2, 3, failure("a.example", "5.1.1", "")), fig(2, 12, sent("a.example"))))
	for _, tt := range []struct {
		by   string
		want []string // some of its lines
	}{
		{"day", []string{"day,signed,accepted,refused,would,genuine?,outlier", "2026-11-29T00:00:00Z,0,5,0,1234,0,true", "2026-11-30T00:00:00Z,10,0,0,0,0,false"}},
		{"reason", []string{"outcome,reason,count", "would-refuse,untagged,1235"}},
		{"destination", []string{"destination,sent,failed,share,before,most frequent", "a.example,12,3,0.2500,0.0000,5.1.1 no such mailbox"}},
		{"status", []string{"status,count,before,meaning", "5.1.1,3,0,no such mailbox"}},
	} {
		var out bytes.Buffer
		if err := WriteCSV(&out, r, tt.by); err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(out.String(), "\n")
		for _, want := range tt.want {
			if !slices.Contains(lines, want) {
				t.Errorf("%s has no line %q:\n%s", tt.by, want, &out)
			}
		}
		if _, err := csv.NewReader(&out).ReadAll(); err != nil {
			t.Error(err)
		}
	}
	for _, by := range Tables() {
		if r.table(by) == nil {
			t.Errorf("no table by %s", by)
		}
	}
}

func TestMeanings(t *testing.T) {
	for status, want := range map[string]string{
		"5.1.1": "no such mailbox", "4.2.2": "for a while: mailbox is full", "5.7.509": "refused by security or policy", "5": "failed, no detail",
		"4": "failed for a while, or delayed, no detail", "": "the report says no status", "5.9.9": "failed, no detail",
	} {
		if got := meaning(status); got != want {
			t.Errorf("%q: got %q", status, got)
		}
	}
}

// example is what the manual shows: a domain that is monitored, of whose mail some leaves another way.
func example() Input {
	in := site("monitor", 20)
	in.Status.Nodes = append(in.Status.Nodes, store.Node{Name: "mx2", At: now, Seen: now})
	counts := []int64{61, 214, 58, 66, 71, 1730, 64}
	for ago := range 7 {
		n, own := counts[6-ago], int64(0)
		if ago == 1 {
			own = 4
		}
		in.Days = append(in.Days,
			fig(ago, 4200-int64(ago*ago*90), signed), fig(ago, 81+int64(ago), valid), fig(ago, 7, verdict("valid-message", "accept", "")),
			fig(ago, 19, verdict("no-bounce", "accept", "")), fig(ago, 3, verdict("do-not-tag", "none", "")), fig(ago, n, would), fig(ago, n-6-own, signOf(figures.WouldBe, "")),
			fig(ago, 6, signOf(figures.WouldBe, figures.NeverSends)), fig(ago, own, signOf(figures.WouldBe, figures.OwnHost)))
	}
	return in
}

func TestManualHasTheExample(t *testing.T) {
	text, err := os.ReadFile("../../../../deploy/manual.md")
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := Print(&out, Build(example()), View{}); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), "<!-- report: held by a test -->\n```text\n"+out.String()+"```\n") {
		t.Errorf("the manual lacks\n%s", &out)
	}
}

func TestManualHasTheConcerns(t *testing.T) {
	text, err := os.ReadFile("../../../../deploy/manual.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "<!-- concerns: held by a test -->\n")
	table, _, _ = strings.Cut(table, "\n\n")
	var documented []string
	for line := range strings.Lines(table) {
		first, _, _ := strings.Cut(strings.TrimPrefix(line, "|"), "|")
		for i, word := range strings.Split(first, "`") {
			if i%2 == 1 {
				documented = append(documented, word)
			}
		}
	}
	var source []byte
	for _, name := range []string{"readiness.go", "nodes.go"} {
		more, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		source = append(source, more...)
	}
	existing := []string{string(figures.OwnHost), string(figures.Repeats), string(figures.NeverSends)}
	for _, m := range regexp.MustCompile(`(?:concern|counted|shared)\("([a-z-]+)"`).FindAllStringSubmatch(string(source), -1) {
		existing = append(existing, m[1])
	}
	slices.Sort(existing)
	slices.Sort(documented)
	if existing = slices.Compact(existing); len(existing) < 10 || !slices.Equal(existing, documented) {
		t.Errorf("documented\n%q\nexisting\n%q", documented, existing)
	}
}

// No name in CSV is a formula of a spreadsheet, or a command of a terminal.
func TestCSVIsInert(t *testing.T) {
	var fs []figures.Figure
	names := map[string]string{"-1.example": "'-1.example", "=1+1": "'=1+1", "+1": "'+1", "@SUM(1)": "'@SUM(1)", "a=b": "a=b", "-": "-", "\x1b[31m\r=1": "?[31m?=1"}
	for name := range names {
		fs = append(fs, fig(2, 1, failure(name, "5.1.1", "")))
	}
	var out bytes.Buffer
	if err := WriteCSV(&out, Build(site("monitor", 30, fs...)), "destination"); err != nil {
		t.Fatal(err)
	}
	for name, want := range names {
		if !strings.Contains(out.String(), "\n"+want+",0,1,") {
			t.Errorf("%q is not %q in\n%s", name, want, &out)
		}
	}
}
