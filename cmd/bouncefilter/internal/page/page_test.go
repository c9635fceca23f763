package page

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/report"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/status"
	"github.com/bouncefilter/bouncefilter/filter/figures"
	"github.com/bouncefilter/bouncefilter/prvs"
	"github.com/bouncefilter/bouncefilter/store"
)

func get(t *testing.T, p *Page) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	p.ServeHTTP(w, httptest.NewRequest("GET", "http://localhost/", nil))
	if w.Code != http.StatusOK {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	return w
}

func post(p *Page, address string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	r := httptest.NewRequest("POST", "http://localhost/", strings.NewReader(url.Values{"address": {address}}.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	p.ServeHTTP(w, r)
	return w
}

func contains(t *testing.T, what, s string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(s, part) {
			t.Errorf("%s lacks %q", what, part)
		}
	}
}

// The first line says in words how it is, whatever else the page has.
func TestHeadlines(t *testing.T) {
	for name, want := range map[string][]string{
		"empty": {`class="headline amber"`, "Attention.</span> Nothing was signed yet.", "Nothing was counted in this time."},
		"busy":  {`class="headline green"`, "Good.</span> Bounces of mail that was not sent from here are refused", "Since 2026-11-16."},
		"red": {`class="headline red"`, "Act now.</span> Mail does not pass: an event", "systemctl restart bouncefilter", "1 key in use cannot be read",
			"41 refused bounces of example.com name a host of ours.", "mode = &#34;monitor&#34;", "17 records", "could not be loaded"},
		"down":  {`class="headline amber"`, "Attention.</span> The store does not answer.", "Since 2026-11-30 11:53 at least.", "311 messages, 85 KiB", "example.com"},
		"never": {`class="headline amber"`, "Attention.</span> The store does not answer.", "no figures yet", "redis://127.0.0.1:6379/0"},
		"many":  {"And 19,953 other domains with less traffic, of which 19 need attention", "customer00046.example", "of 9 days were read"},
	} {
		l, s := states[name]()
		body := get(t, show(t, l, s)).Body.String()
		contains(t, name, body, want...)
		if n := len(body); n > 200_000 {
			t.Errorf("%s: the page has %d octets", name, n)
		}
		if strings.Contains(body, "customer00047.example") {
			t.Error("a domain too many is shown")
		}
	}
}

// Commands name the configuration if it is not the usual one.
func TestCommandsNameTheConfiguration(t *testing.T) {
	for _, config := range []string{"", "/srv/bf.toml"} {
		l, s := states["red"]()
		l.Config = config
		flag := ""
		if config != "" {
			flag = " -c " + config
		}
		contains(t, "the page", get(t, show(t, l, s)).Body.String(), "<code>bouncefilter check"+flag+"</code>", "report --failures"+flag+"</code>")
	}
}

// A step is shown once, beside what it is about; the verdict has the one that it is about.
func TestStepsAreShownOnce(t *testing.T) {
	check, retry := []string{"bouncefilter check"}, []string{"bouncefilter report"}
	r := &report.Report{Verdict: report.Verdict{Sentence: "a is enforced, b is not ready: It fails.", Level: report.Amber, Concerns: []report.Concern{
		{What: "It fails.", Remedy: "Check:", Commands: check}, {What: "It fails there, too.", Remedy: "Check:", Commands: check},
		{What: "It is slow.", Remedy: "Ask again:", Commands: retry}}},
		Next: []report.Step{{What: "Check:", Commands: check}, {What: "Ask again:", Commands: retry}, {What: "Look:", Commands: retry}}}
	as, rest := reportAlerts(r)
	if len(as) != 3 || as[0].Remedy != "Check:" || as[1].What != "It fails there, too." || as[1].Remedy != "" || as[2].Remedy != "Ask again:" {
		t.Errorf("alerts %+v", as)
	}
	if len(rest) != 1 || rest[0].What != "Look:" {
		t.Errorf("steps %+v", rest)
	}
	r.Verdict.Sentence = "Bounces are refused of which some may be genuine."
	if as, _ := reportAlerts(r); len(as) != 3 || as[0].What != r.Verdict.Sentence+" It fails." || as[0].Remedy != "Check:" {
		t.Errorf("the sentence names no concern: %+v", as)
	}
	r.Verdict.Concerns, r.Next = nil, r.Next[2:]
	if as, rest := reportAlerts(r); len(as) != 1 || as[0].Remedy != "Look:" || len(rest) != 0 {
		t.Errorf("without concerns: %+v, %+v", as, rest)
	}
}

// A browser runs nothing of the page, asks for nothing else, and lets no other page frame it or send its form elsewhere.
func TestPolicyOfThePage(t *testing.T) {
	l, s := busy()
	w := get(t, show(t, l, s))
	got := w.Header().Get("Content-Security-Policy")
	contains(t, "the policy", got, "default-src 'none'", "style-src 'sha256-", "form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'")
	if strings.Contains(got, "unsafe") || strings.Contains(got, "script-src") {
		t.Errorf("policy %q", got)
	}
	body := strings.ToLower(w.Body.String())
	for _, word := range []string{"<script", "javascript:", " onclick", " style=", "https://"} {
		if strings.Contains(body, word) {
			t.Errorf("the page has %q", word)
		}
	}
}

// What outsiders can choose is text on the page, nothing else.
func TestWhatOutsidersChooseIsText(t *testing.T) {
	const evil = `"><script>alert(1)</script>`
	l, s := busy()
	s.report.Sources[0].Name, s.report.Reporters[0].Name = evil, evil
	s.report.Samples[0].QueueID, s.report.Samples[0].Recipient, s.report.Samples[0].Inspect = evil, evil, evil
	s.status.Nodes[0].Name = evil
	p := show(t, l, s)
	for _, body := range []string{get(t, p).Body.String(), post(p, evil).Body.String(), post(p, `"`+evil+`"@example.com`).Body.String()} {
		if strings.Contains(body, "<script") {
			t.Error("a script is in the page")
		}
	}
}

func TestFormJudges(t *testing.T) {
	l, s := busy()
	p := show(t, l, s)
	today := prvs.DayOf(noon)
	for address, want := range map[string][]string{
		tagged(t, "user@example.com", today):                {"valid user@example.com, key 1, expires 2026-12-07", "is accepted if the tag is on record", "judgement green"},
		" <" + tagged(t, "user@example.com", today) + ">\n": {"valid user@example.com"},
		tagged(t, "user@example.com", today-20):             {"expired user@example.com, key 1", "needs another proof"},
		tagged(t, "user@example.org", today):                {"none of ours", "judgement amber"},
		"user@example.com":                                  {"untagged user@example.com", "needs another proof"},
		"prvs=2336abcdef=user@example.com":                  {"unknown-key", "No key in effect"},
		"prvs=x=user@example.com":                           {"malformed", "is none"},
		"prvs=1336abcdef=user@example.com":                  {"bad-signature user@example.com", "was not made here"},
		"user":                                              {"This is not an address"},
		"":                                                  {"This is not an address"},
	} {
		w := post(p, address)
		contains(t, fmt.Sprintf("the answer to %q", address), w.Body.String(), want...)
	}
	if w := post(p, strings.Repeat("x", maxForm)); w.Code != http.StatusBadRequest {
		t.Errorf("a form that is too long: status %d", w.Code)
	}
}

// So many wrong tags are judged at once, and no tag beyond that, right or wrong: the answers would help to guess one. After a while there is
// one more.
func TestLimitOfWrongTags(t *testing.T) {
	l, s := busy()
	now, limited := noon, 0
	p := show(t, l, s)
	p.o.Now = func() time.Time { return now }
	p.o.Limited = func(_ *http.Request, limit int) {
		if limited++; limit != maxWrongTags {
			t.Errorf("limit %d", limit)
		}
	}
	judged := func(address string) bool { return !strings.Contains(post(p, address).Body.String(), "not judged") }
	const wrong, plain = "prvs=1336abcdef=user@example.com", "user@example.com"
	for i := range maxWrongTags {
		if !judged(plain) || !judged(wrong) {
			t.Fatalf("the wrong tag %d is not judged", i+1)
		}
	}
	if judged(wrong) || judged(plain) || limited != 2 {
		t.Errorf("beyond the limit: told %d times", limited)
	}
	now = now.Add(wrongTagEvery - time.Second)
	if judged(wrong) {
		t.Error("a wrong tag is judged too early")
	}
	now = now.Add(time.Second)
	if !judged(wrong) || judged(wrong) {
		t.Error("after the time, not just one is judged")
	}
	now = now.Add(1000 * wrongTagEvery)
	for i := range maxWrongTags {
		if !judged(wrong) {
			t.Fatalf("long after, the wrong tag %d is not judged", i+1)
		}
	}
	if judged(wrong) {
		t.Error("long after, more are judged at once than the limit")
	}
}

// counting is a source that counts what it is asked.
type counting struct {
	mu     sync.Mutex
	status int
	active int
	most   int
	err    error
	each   int // figures of each day
	asked  []time.Time
	block  chan struct{}
}

func (c *counting) Status(ctx context.Context) (*status.Status, error) {
	c.mu.Lock()
	c.status++
	c.active++
	c.most = max(c.most, c.active)
	err := c.err
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.active--
	}()
	if c.block != nil {
		select {
		case <-c.block:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	if err != nil {
		return nil, err
	}
	return &status.Status{Domains: []status.Domain{{Name: "example.com", Mode: "auto"}}}, nil
}

func (c *counting) Figures(_ context.Context, by store.Resolution, from, _ time.Time) ([]figures.Figure, error) {
	if by == store.ByHour {
		return nil, nil
	}
	c.asked = append(c.asked, from)
	return make([]figures.Figure, c.each), nil
}

func (c *counting) Notes(context.Context) ([]figures.Note, error) { return nil, nil }

// However often the page is asked for, the store is read once in an interval.
func TestPageReadsTheStoreOnceInAWhile(t *testing.T) {
	src := &counting{}
	now := noon
	r := &reader{source: src, now: func() time.Time { return now }}
	for range 1000 {
		if s := r.get(t.Context(), Local{Lifetime: 7}); s.report == nil || s.failed != nil {
			t.Fatalf("got %+v", s)
		}
	}
	if src.status != 1 {
		t.Errorf("the store was read %d times", src.status)
	}
	now = now.Add(readInterval - time.Second)
	r.get(t.Context(), Local{Lifetime: 7})
	if src.status != 1 {
		t.Error("the store was read again too early")
	}
	now = now.Add(time.Hour) // whatever the machine has taken for the first
	r.get(t.Context(), Local{Lifetime: 7})
	if src.status != 2 {
		t.Errorf("the store was read %d times", src.status)
	}
}

// A store that fails is not asked more often, and what was read before is shown.
func TestPageOfAStoreThatFails(t *testing.T) {
	src := &counting{}
	now := noon
	r := &reader{source: src, now: func() time.Time { return now }}
	first := r.get(t.Context(), Local{Lifetime: 7})
	now, src.err = now.Add(time.Hour), errors.New("refused")
	for range 10 {
		s := r.get(t.Context(), Local{Lifetime: 7})
		if s.failed == nil || !s.since.Equal(now) || s.report != first.report || !s.at.Equal(noon) {
			t.Fatalf("got %+v", s)
		}
	}
	if src.status != 2 {
		t.Errorf("the store was asked %d times", src.status)
	}
	began := now
	now = now.Add(time.Hour)
	if s := r.get(t.Context(), Local{Lifetime: 7}); !s.since.Equal(began) {
		t.Errorf("it fails since %v", s.since)
	}
	now, src.err = now.Add(time.Hour), nil
	if s := r.get(t.Context(), Local{Lifetime: 7}); s.failed != nil || !s.at.Equal(now) {
		t.Errorf("once it answers: %+v", s)
	}
}

// No two views read at the same time; those that come meanwhile get what there was.
func TestOneViewReadsAtATime(t *testing.T) {
	src := &counting{block: make(chan struct{})}
	var mu sync.Mutex
	now := noon
	r := &reader{source: src, now: func() time.Time { mu.Lock(); defer mu.Unlock(); return now }}
	first := make(chan snapshot)
	for range 8 {
		go func() { first <- r.get(t.Context(), Local{Lifetime: 7}) }()
	}
	src.block <- struct{}{} // one reads, the others wait for it
	for range 8 {
		if s := <-first; s.report == nil {
			t.Error("a first view has no figures")
		}
	}
	mu.Lock()
	now = now.Add(time.Hour)
	mu.Unlock()
	second := make(chan snapshot)
	go func() { second <- r.get(t.Context(), Local{Lifetime: 7}) }()
	for {
		src.mu.Lock()
		reading := src.active == 1
		src.mu.Unlock()
		if reading {
			break
		}
		time.Sleep(time.Millisecond)
	}
	if s := r.get(t.Context(), Local{Lifetime: 7}); !s.at.Equal(noon) {
		t.Errorf("while another one reads: figures of %v", s.at)
	}
	close(src.block)
	if s := <-second; s.at.Equal(noon) {
		t.Error("the one who reads has old figures")
	}
	if src.most != 1 || src.status != 2 {
		t.Errorf("%d reads at once, %d in all", src.most, src.status)
	}
}

// A client that goes away says nothing about the store.
func TestViewerThatGoesAway(t *testing.T) {
	src := &counting{block: make(chan struct{})}
	now := noon
	r := &reader{source: src, now: func() time.Time { return now }}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 10 {
		if s := r.get(ctx, Local{Lifetime: 7}); s.failed != nil {
			t.Errorf("got %+v", s)
		}
	}
	if src.status != 1 {
		t.Errorf("the store was asked %d times at once", src.status)
	}
	close(src.block)
	now = now.Add(time.Hour)
	if s := r.get(t.Context(), Local{Lifetime: 7}); s.failed != nil || s.report == nil {
		t.Errorf("the next: %+v", s)
	}
}

// Of very many figures, those of the last days are read: up to the limit, and not one day beyond it.
func TestLimitOfFigures(t *testing.T) {
	for _, tt := range []struct{ each, days int }{{maxFigures / 10, 10}, {maxFigures/10 + 1, 9}, {maxFigures + 1, 1}, {1, 2 * shownDays}} {
		src := &counting{each: tt.each}
		r := &reader{source: src, now: func() time.Time { return noon }}
		s := r.get(t.Context(), Local{Lifetime: 7})
		if s.failed != nil || s.days != tt.days {
			t.Errorf("%d figures a day: %d days, %v", tt.each, s.days, s.failed)
		}
		if !src.asked[0].Equal(noon.Truncate(24 * time.Hour)) {
			t.Errorf("the first day asked for is %v", src.asked[0])
		}
	}
}

func TestFiguresOfAnHourAreAddedUp(t *testing.T) {
	f := func(node, domain, reason string, n int64) figures.Figure {
		return figures.Figure{Begin: noon, Node: node, Key: figures.Key{Topic: figures.Verdicts, Domain: domain, Reason: reason}, Count: n}
	}
	got := fold([]figures.Figure{f("a", "x", "valid", 1), f("b", "x", "valid", 2), f("a", "y", "valid", 4), f("a", "y", "untagged", 8),
		{Begin: noon, Key: figures.Key{Topic: figures.Sources, Name: "192.0.2.0/24"}, Count: 16}})
	if len(got) != 2 || got[0].Count != 7 || got[1].Count != 8 || got[1].Reason != "untagged" {
		t.Errorf("got %+v", got)
	}
}

func TestCharts(t *testing.T) {
	ps := []report.Period{{Begin: noon}, {Begin: noon, Counts: report.Counts{Accepted: 50, WouldBe: 30, Refused: 15, Deferred: 5}, Outlier: true},
		{Begin: noon, Counts: report.Counts{Accepted: 1}}}
	c := newChart("x", "X", "hour", "15:04", "15:04", ps, 2)
	if c.Top != 100 || !c.Any || len(c.Ticks) != 2 || len(c.Bars[0].Parts) != 0 {
		t.Errorf("got %+v", c)
	}
	want := []part{{"accepted", 54, 50}, {"would", 24, 30}, {"refused", 4, 20}}
	if got := c.Bars[1]; fmt.Sprint(got.Parts) != fmt.Sprint(want) || got.Mark <= 0 || got.Title != "12:00: 50 accepted, 30 would be refused, 20 refused; far above the others" {
		t.Errorf("got %+v", got)
	}
	if got := c.Bars[2].Parts[0]; got.Height != 1 || got.Y != 103 {
		t.Errorf("one message is %+v", got)
	}
	contains(t, "the description", c.Desc, "3 hours", "51 accepted", "30 would be refused", "20 refused", "1 far above")
	if newChart("x", "X", "hour", "15:04", "15:04", ps[:1], 2).Any {
		t.Error("an empty chart has a bar")
	}
	for n, want := range map[int64]int64{1: 1, 2: 2, 7: 8, 9: 10, 11: 15, 16: 20, 101: 150, 999: 1000, 1001: 1500} {
		if got := round(n); got != want {
			t.Errorf("round(%d) = %d", n, got)
		}
	}
}

func TestNodes(t *testing.T) {
	_, s := busy()
	got, more := nodes(s.status.Nodes, "mx2", noon)
	if more != 0 || got[0].Name != "mx2" || !got[0].This || !got[0].ClockOff || got[0].Clock != "1m31s ahead" || got[1].Name != "mx1" || !got[2].Silent {
		t.Errorf("got %+v", got)
	}
	if k := got[0].Keys; k[1].Does != "signs" || !k[2].Fault || k[2].Does != "missing" {
		t.Errorf("keys of this node: %+v", k)
	}
	if k := got[1].Keys; k[1].Does != "has another secret" || !k[1].Fault || k[2].Does != "signs next" {
		t.Errorf("keys of another node: %+v", k)
	}
	var nodesOf []store.Node
	for i := range maxNodes + 2 {
		nodesOf = append(nodesOf, store.Node{Name: fmt.Sprintf("mx%03d", i), Seen: noon, At: noon})
	}
	if got, more := nodes(nodesOf, "mx051", noon); len(got) != maxNodes || more != 2 || got[0].Name != "mx051" {
		t.Errorf("%d nodes, %d more, the first %s", len(got), more, got[0].Name)
	}
}

func TestWords(t *testing.T) {
	for d, want := range map[time.Duration]string{0: "just now", 5 * time.Second: "5 seconds ago", 5 * time.Minute: "5 minutes ago", 5 * time.Hour: "5 hours ago", 99 * time.Hour: "4 days ago"} {
		if got := since(noon.Add(-d), noon); got != want {
			t.Errorf("since(%v) = %q", d, got)
		}
	}
}

// A tag that is being judged has its token, so that requests at the same time do not get more answers than the limit.
func TestWrongTagsAtTheSameTime(t *testing.T) {
	w := wrongTags{left: 1, last: noon}
	if !w.take(noon) || w.take(noon) {
		t.Error("a second tag is judged while the first is")
	}
	w.giveBack()
	if !w.take(noon) {
		t.Error("a tag that was not wrong has used up the token")
	}
}
