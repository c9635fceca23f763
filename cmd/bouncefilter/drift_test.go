package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/config"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/probe"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/site"
	"github.com/bouncefilter/bouncefilter/prvs"
	"github.com/bouncefilter/bouncefilter/store"
	"github.com/bouncefilter/bouncefilter/store/memory"
)

// inspect --recipient says what the daemon does, for random sites and random messages: each message goes through a milter session, and
// through the command while the daemon runs.
func TestInspectAgreesWithTheDaemon(t *testing.T) {
	sites, messages := 40, 40
	if testing.Short() {
		sites = 6
	}
	seen := map[string]int{}
	for seed := range uint64(sites) {
		t.Run(fmt.Sprintf("site %d", seed), func(t *testing.T) {
			d := newDriftSite(t, rand.New(rand.NewPCG(seed, 2026)))
			for range messages {
				m := d.message()
				predicted := d.inspect(m)
				happened := d.deliver(m)
				if predicted != happened {
					t.Errorf("%s\n%s\ninspect says %+v\nthe daemon  %+v\n\n%s", d.config, m.args, predicted, happened, m.text)
				}
				seen[happened.Reason+" "+happened.Cause]++
			}
		})
	}
	for _, want := range []string{
		"valid ", "valid-message ", "valid-correspondent ", "untagged ", "bad-signature ", "unknown-key ", "malformed ", "expired ", "not-issued ", "revoked ",
		"grace missing-key", "grace incomplete-record", "grace new-domain", "untagged silent-node", "exempt own-mail", "exempt listed",
		"exempt left-unsigned", "exempt never-signed", "untagged monitor-mode", "untagged mailer-daemon", "untag ", "none ",
		"no-bounce ", "grace allowance", "invalid-tag ", "invalid-tag monitor-mode",
	} {
		if seen[want] == 0 && !testing.Short() {
			t.Errorf("no message had the verdict %q; there were %v", want, slices.Sorted(maps.Keys(seen)))
		}
	}
}

// driftVerdict is the outcome for a message.
type driftVerdict struct {
	Reason string `json:"reason"`
	Would  string `json:"would_be"`
	Cause  string `json:"cause"`
	Action string `json:"action"`
	Reply  string `json:"reply"`
}

// driftMessage is a message with its envelope.
type driftMessage struct {
	sender, recipient, helo, text string
	client                        netip.Addr
	args                          []string
}

// driftSite is a running daemon with a random configuration and record.
type driftSite struct {
	t      *testing.T
	r      *rand.Rand
	w      *world
	config string
	daemon *running
	keys   *prvs.Ring
}

// driftStore is a store in memory that returns another completeness of its record and other nodes.
type driftStore struct {
	store.Store
	complete time.Time
	first    map[string]store.Day
	nodes    []store.Node
}

func (s *driftStore) Lookup(ctx context.Context, today store.Day, qs []store.Query) (store.Answer, error) {
	a, err := s.Store.Lookup(ctx, today, qs)
	a.Complete = store.Completeness{Since: s.complete}
	return a, err
}

func (s *driftStore) MarkIncomplete(context.Context, store.Gap) error { return nil }

func (s *driftStore) FirstSigned(context.Context) (map[string]store.Day, error) {
	return maps.Clone(s.first), nil
}

func (s *driftStore) Nodes(ctx context.Context) ([]store.Node, error) {
	ns, err := s.Store.Nodes(ctx)
	return append(ns, s.nodes...), err
}

func pick[T any](r *rand.Rand, list ...T) T { return list[r.IntN(len(list))] }

func newDriftSite(t *testing.T, r *rand.Rand) *driftSite {
	w := newWorld(t)
	w.now = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	var b strings.Builder
	line := func(text string) { b.WriteString(text + "\n") }
	line(fmt.Sprintf("mode = %q", pick(r, "auto", "enforce", "enforce", "enforce", "monitor")))
	line(fmt.Sprintf("bad_tag = %q", pick(r, "rcpt", "end-of-message")))
	line(fmt.Sprintf("untagged = %q", pick(r, "end-of-message", "end-of-message", "reject")))
	line(`node = "here"`)
	line("[log]\nreports = " + pick(r, "true", "false"))
	line("[outbound]\nnetworks = " + pick(r, `["127.0.0.0/8", "198.51.100.0/24"]`, `["127.0.0.0/8"]`))
	line("[exempt]\nrecipients = " + pick(r, `["postmaster"]`, `["postmaster", "role@example.com"]`) + "\nnetworks = " + pick(r, `[]`, `["203.0.113.0/28"]`) +
		"\nhelo = " + pick(r, `[]`, `[".trusted.example"]`))
	if r.IntN(2) == 0 {
		line("[do_not_tag]\nrecipients = [\"@lists.example.org\"]\nsenders = [\"news@example.com\"]\nknown = " + pick(r, "true", "false"))
	}
	if r.IntN(2) == 0 {
		line("[mailer_daemons]\nrefuse = " + pick(r, "true", "false"))
	}
	line(fmt.Sprintf("[proof]\nunproven_per_day = %d\nunproven_bounces_per_day = %d\nunclear_per_day = %d", r.IntN(3), r.IntN(2), r.IntN(3)))
	if r.IntN(3) == 0 {
		line(fmt.Sprintf("[actions]\nno-bounce = %q\nuntagged = %q\nexpired = %q", pick(r, "accept", "reject", "tag"),
			pick(r, "tag", "discard", "quarantine", "defer"), pick(r, "accept", "defer")))
	}
	path := w.config(b.String())
	if added := w.run("key", "add", "-c", path); added.status != 0 {
		t.Fatal(added)
	}
	d := &driftSite{t: t, r: r, w: w, config: b.String()}
	st := &driftStore{Store: memory.NewWithClock(w.clock)}
	w.store = st
	w.start("-c", path).stop() // makes the hash secret
	d.record(path, st)
	d.daemon = w.start("-c", path)
	if r.IntN(3) == 0 {
		if revoked := w.run("revoke", "sender", "gone@example.com", "-c", path); revoked.status != 0 {
			t.Fatal(revoked)
		}
	}
	d.daemon.rounds(1) // it has learnt of the keys of other nodes
	return d
}

// record fills the store with records of sent mail, and chooses the completeness and the nodes that it returns.
func (d *driftSite) record(path string, st *driftStore) {
	d.t.Helper()
	c, problems := config.Load(path, config.Flags{}, d.w.app(nil, nil).host())
	s, problems := site.Load(c, problems)
	if len(problems) > 0 {
		d.t.Fatal(problems)
	}
	secret, problems := site.HashSecret(c)
	if len(problems) > 0 {
		d.t.Fatal(problems)
	}
	h, today := store.NewHasher(secret), store.DayOf(d.w.now)
	d.keys = s.Policy.Settings().Keys
	rs := []store.Record{
		{Key: h.Message("user@example.com", "sent@example.com"), Expires: today + 30, Count: 2},
		{Key: h.Correspondent("user@example.com", "remote.example"), Expires: today + 30},
	}
	for _, sender := range []string{"user@example.com", "gone@example.com"} {
		rs = append(rs, store.Record{Key: h.Tag(sender, today+7, 0), Expires: today + 7, Count: 3}, store.Record{Key: h.Tag(sender, today+7, 1), Expires: today + 7, Count: 3})
	}
	if d.r.IntN(2) == 0 {
		rs = append(rs, store.Record{Key: h.Unsigned("quiet@example.com"), Expires: today + 30})
	}
	if err := st.Record(d.t.Context(), today, "example.com", rs...); err != nil {
		d.t.Fatal(err)
	}
	st.first = pick(d.r, map[string]store.Day{"example.com": today - 90}, map[string]store.Day{"example.com": today - 90}, map[string]store.Day{"example.com": today - 3}, nil)
	st.complete = pick(d.r, d.w.now.AddDate(0, 0, -90), d.w.now.AddDate(0, 0, -90), d.w.now.AddDate(0, 0, -5), time.Time{})
	if d.r.IntN(3) == 0 {
		silent := store.Node{Name: "there", Seen: d.w.now.Add(-time.Hour), At: d.w.now.Add(-time.Hour)}
		if d.r.IntN(2) == 0 {
			silent.Keys = []store.NodeKey{{Number: 5, Signs: true, KeyID: "another"}}
		}
		st.nodes = []store.Node{silent}
	}
}

// message makes a message.
func (d *driftSite) message() driftMessage {
	tag := func(address string, days int) string {
		a, err := prvs.ParseAddress(address)
		if err != nil {
			d.t.Fatal(err)
		}
		signed, err := d.keys.Sign(a, prvs.Standard, prvs.DayOf(d.w.now)+prvs.Day(days))
		if err != nil {
			d.t.Fatal(err)
		}
		return strings.Trim(signed.Address, "<>")
	}
	id := pick(d.r, "sent@example.com", "unknown@example.com")
	m := driftMessage{
		sender: pick(d.r, "", "", "", "", "mailer-daemon@remote.example", "friend@remote.example"),
		recipient: pick(d.r, "user@example.com", "user@example.com", "user@example.com", "quiet@example.com", "role@example.com", "news@example.com", "postmaster@example.com",
			"SRS0=vGc4=TT=example.net=alice@example.com", "friend@example.org", tag("user@example.com", 0), tag("user@example.com", 0), tag("gone@example.com", 0), tag("gone@example.com", 0), tag("gone@example.com", 0),
			tag("never@example.com", 0), tag("user@example.com", -20), tag("user@example.com", -3), "prvs=0123abcdef=user@example.com",
			"prvs=5123abcdef=user@example.com", "prvs=5123abcdef=role@example.com", "prvs=5123abcdef=gone@example.com", "prvs=0123abcde=user@example.com"),
		helo:   pick(d.r, "client.example.net", "mx.trusted.example"),
		client: netip.MustParseAddr(pick(d.r, "192.0.2.1", "192.0.2.1", "192.0.2.1", "198.51.100.9", "203.0.113.5")),
		text: pick(d.r, strings.ReplaceAll(dsn("Not delivered."), "sent@example.com", id),
			strings.ReplaceAll(dsn("Not delivered."), "sent@example.com", "unknown@example.com"), namelessBounce,
			"From: a@remote.example\nSubject: Automatic reply: letter\nAuto-Submitted: auto-replied\nIn-Reply-To: <"+id+">\n\nI am away.\n",
			"From: a@elsewhere.example\nSubject: [Automatic reply] letter\n\nI am away.\n", "From: a@elsewhere.example\nSubject: Your letter\nIn-Reply-To: <"+id+">\n\nThanks.\n",
			"From: a@elsewhere.example\nSubject: Out of office\nAuto-Submitted: auto-replied\n\nI am away.\n",
			"From: a@mail.remote.example\nSubject: Out of office\nAuto-Submitted: auto-replied\n\nI am away.\n",
			"From: a@remote.example\nSubject: letter\n\nHello\n"),
	}
	m.text = strings.TrimPrefix(m.text, "Return-Path: <>\n")
	m.args = []string{"--recipient", m.recipient, "--sender", "<" + m.sender + ">", "--client", m.client.String(), "--helo", m.helo}
	return m
}

// inspect asks the command.
func (d *driftSite) inspect(m driftMessage) driftVerdict {
	d.t.Helper()
	file := d.w.file("message.eml", m.text, 0o600)
	r := d.w.run(append([]string{"inspect", "--json", "-c", d.w.path("bouncefilter.toml"), file}, m.args...)...)
	var printed struct{ Verdict driftVerdict }
	if err := json.Unmarshal([]byte(r.stdout), &printed); r.status != 0 || r.stderr != "" || err != nil {
		d.t.Fatalf("inspect: %v, %+v", err, r)
	}
	return printed.Verdict
}

var driftLine = regexp.MustCompile(`msg=(?:bounce|inbound|outbound) .* reason=(\S+) action=(\S+)(?: would_be=(\S+))?(?: cause=(\S+))?`)

// deliver hands the message to the daemon, and reads its log.
func (d *driftSite) deliver(m driftMessage) driftVerdict {
	d.t.Helper()
	from := len(d.daemon.stderr.String())
	outcome, err := probe.Deliver("tcp", d.daemon.address(), probe.Client{Name: m.helo, Address: m.client}, probe.Message{From: m.sender, To: m.recipient, Text: m.text})
	if err != nil {
		d.t.Fatal(err)
	}
	var v driftVerdict
	if outcome.Refused && !strings.HasPrefix(outcome.Reply, "2") { // a discarded message is accepted
		v.Reply = outcome.Reply
	}
	v.Reason, v.Action = "none", "none"
	for _, line := range strings.Split(d.daemon.stderr.String()[from:], "\n") {
		found := driftLine.FindStringSubmatch(line)
		if found == nil || strings.Contains(line, "reason=foreign-domain") {
			continue
		}
		v.Reason, v.Action, v.Would, v.Cause = found[1], found[2], found[3], found[4]
	}
	return v
}
