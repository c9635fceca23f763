package filter

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bouncefilter/bouncefilter/filter/policy"
	"github.com/bouncefilter/bouncefilter/store"
	"github.com/bouncefilter/bouncefilter/store/memory"
	"github.com/bouncefilter/bouncefilter/store/storetest"
)

// told collects genuine bounces.
type told struct {
	mu  sync.Mutex
	all []Genuine
}

func (c *told) take(g Genuine) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all = append(c.all, g)
}

// startTold runs a server that tells of genuine bounces. The record is complete, so that what is not on record is refused.
func startTold(t *testing.T, st store.Store, change func(*policy.Settings)) (*fixture, *told) {
	t.Helper()
	c := &told{}
	return withRecordIn(t, st, change, func(o *Options) { o.Genuine = c.take }), c
}

// An outsider must not be able to make an application believe that an address is dead: only what a tag or a Message-ID proves is told, and
// only if it is delivered.
func TestOnlyProvenBouncesAreTold(t *testing.T) {
	const user = "user@example.com"
	receipt := strings.NewReplacer("delivery-status", "disposition-notification", "Action: failed\n", "Disposition: automatic-action/MDN-sent-automatically; displayed\n").Replace(dsnText(sentID))
	for _, tt := range []struct {
		name    string
		to      string
		text    string
		change  func(*policy.Settings)
		down    bool // the store
		refused bool
		want    string
	}{
		{name: "a tag", to: signedUser, text: dsnText(sentID), want: "tag"},
		{name: "a tag, and no message is named", to: signedUser, text: bounceAbout("friend@example.org"), want: "tag"},
		{name: "a tag, and the store is down", to: signedUser, text: dsnText(sentID), down: true, want: "signature"},
		{name: "a Message-ID", to: "<" + user + ">", text: dsnText(sentID), want: "message-id"},
		{name: "a Message-ID, and a mangled tag", to: "<prvs=367a5aa7f=user@example.com>", text: dsnText(sentID), want: "message-id"},
		{name: "nothing", to: "<" + user + ">", text: dsnText("made-up@example.org"), refused: true},
		{name: "nothing, and it is delivered all the same", to: "<" + user + ">", text: dsnText("made-up@example.org"),
			change: func(s *policy.Settings) { s.Domains[0].Mode = policy.ModeMonitor }},
		{name: "nothing, and the action is to accept", to: "<" + user + ">", text: dsnText("made-up@example.org"),
			change: func(s *policy.Settings) {
				s.Actions = map[policy.Reason]policy.Action{policy.Untagged: policy.ActionAccept}
			}},
		{name: "nothing, and the recipient is exempt", to: "<postmaster@example.com>", text: dsnText("made-up@example.org")},
		{name: "a wrong tag", to: "<prvs=178773a1ae=user@example.com>", text: dsnText("made-up@example.org"), refused: true},
		{name: "a correspondent", to: "<" + user + ">", text: awayTextWithoutReference},
		{name: "a tag, and it is an automatic reply", to: signedUser, text: fmt.Sprintf(awayText, sentID)},
		{name: "a tag, and it is a receipt", to: signedUser, text: receipt},
		{name: "a tag, and it is ordinary text", to: signedUser, text: "Subject: hello\n\nHello\n"},
		{name: "a tag, and it is not read", to: signedUser, text: dsnText(sentID), change: func(s *policy.Settings) { s.ReadAll = false }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var st store.Store = memory.NewWithClock(func() time.Time { return testDay })
			if tt.down {
				st = &storetest.Fake{Err: fmt.Errorf("down: %w", store.ErrUnavailable)}
			}
			f, c := startTold(t, st, tt.change)
			if !tt.down {
				f.sendMail("<user@example.com>", "<friend@example.org>", sentText)
			}
			f.answer(tt.to, tt.text)
			var got []string
			for _, g := range c.all {
				got = append(got, string(g.Method))
				if g.Sender != user || g.Domain != "example.com" || g.QueueID != "4ZQUEUEID" || !g.Time.Equal(testDay) {
					t.Errorf("got %+v", g)
				}
				if len(g.Report.Recipients) != 1 || g.Report.Recipients[0].Address != "friend@example.org" {
					t.Errorf("recipients: %+v", g.Report.Recipients)
				}
			}
			if tt.refused != strings.Contains(f.log.String(), "action=reject") {
				t.Errorf("refused: %t\n%s", tt.refused, f.log)
			}
			if strings.Join(got, " ") != tt.want {
				t.Errorf("told %q, want %q\n%s", got, tt.want, f.log)
			}
		})
	}
}

// A bounce to several recipients is told for each mailbox that it is proven for, and once for each.
func TestEachMailboxIsToldOnce(t *testing.T) {
	f, c := startTold(t, memory.NewWithClock(func() time.Time { return testDay }), nil)
	f.sendMail("<user@example.com>", "<friend@example.org>", sentText)
	m := f.outsideMTA()
	m.mail("<>")
	for _, to := range []string{signedUser, "<PRVS=178773A1AD=User@Example.com>", "<other@example.com>"} {
		m.rcpt(to)
	}
	m.data()
	if r := m.content(dsnText(sentID)); r.code != 'a' {
		t.Fatalf("%c %s", r.code, r.text)
	}
	if len(c.all) != 1 || c.all[0].Sender != "user@example.com" {
		t.Errorf("told %+v", c.all)
	}
}

// What the MTA is asked to refuse is not told, whatever another recipient proves.
func TestARefusedBounceIsNotTold(t *testing.T) {
	f, c := startTold(t, memory.NewWithClock(func() time.Time { return testDay }), func(s *policy.Settings) {
		s.Actions = map[policy.Reason]policy.Action{policy.SeveralRecipients: policy.ActionReject}
	})
	f.sendMail("<user@example.com>", "<friend@example.org>", sentText)
	m := f.outsideMTA()
	m.mail("<>")
	m.rcpt(signedUser)
	m.rcpt("<other@example.com>")
	m.data()
	if r := m.content(dsnText(sentID)); r.code != 'y' {
		t.Fatalf("%c %s", r.code, r.text)
	}
	if len(c.all) != 0 {
		t.Errorf("told %+v", c.all)
	}
}

// A bounce that this site writes itself needs no proof to be delivered, and is told only if there is one.
func TestOwnBouncesAreToldIfProven(t *testing.T) {
	for text, want := range map[string]string{dsnText(sentID): "message-id", dsnText("made-up@example.org"): ""} {
		f, c := startTold(t, memory.NewWithClock(func() time.Time { return testDay }), func(s *policy.Settings) { s.ReadAll = true })
		f.sendMail("<user@example.com>", "<friend@example.org>", sentText)
		m := f.outsideMTA()
		m.auth = "user"
		if _, r := m.deliver("<>", "<user@example.com>", text); r.code != 'a' {
			t.Errorf("%c %s", r.code, r.text)
		}
		got := ""
		for _, g := range c.all {
			got += string(g.Method)
		}
		if got != want {
			t.Errorf("told %q, want %q\n%s", got, want, f.log)
		}
		if log := f.log.String(); strings.Contains(log, " failures=") != (want != "") {
			t.Errorf("failures of the report:\n%s", log)
		}
	}
}

// The bounce of a test is no reason to stop sending to its recipient.
func TestABounceOfATestIsNotTold(t *testing.T) {
	f, c := startTold(t, memory.NewWithClock(func() time.Time { return testDay }), nil)
	f.sendMail("<user@example.com>", "<friend@example.org>", sentText)
	mark, err := f.server.BeginTest()
	if err != nil {
		t.Fatal(err)
	}
	for params, want := range map[string]int{"ENVID=" + mark: 0, "ENVID=x": 1} {
		m := f.outsideMTA()
		m.mail("<>", params)
		m.rcpt(signedUser)
		m.data()
		if r := m.content(dsnText(sentID)); r.code != 'a' {
			t.Errorf("%c %s", r.code, r.text)
		}
		if len(c.all) != want {
			t.Errorf("%s: told %+v", params, c.all)
		}
		c.all = nil
	}
}
