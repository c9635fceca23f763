package main

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/config"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/live"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/site"
)

// fakeMTA answers RCPT as rcpt says, and everything else with 250. It returns its address.
func fakeMTA(t *testing.T, rcpt func(address string) string) string {
	t.Helper()
	return fakeServer(t, func(command string) string {
		if address, ok := strings.CutPrefix(command, "RCPT TO:"); ok {
			return rcpt(strings.Trim(address, "<>"))
		}
		if strings.HasPrefix(command, "DATA") {
			return "354 no message must come here"
		}
		return "250 2.0.0 Ok"
	})
}

// fakeServer answers SMTP commands. It returns its address.
func fakeServer(t *testing.T, answer func(command string) string) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			fmt.Fprint(c, "220 mx.example.com\r\n")
			for lines := bufio.NewScanner(c); lines.Scan(); {
				fmt.Fprint(c, answer(lines.Text())+"\r\n")
			}
			_ = c.Close()
		}
	}()
	return ln.Addr().String()
}

// askLive runs the live check of a daemon's configuration.
func (w *world) askLive(ctx context.Context, path, smtp string) []live.Step {
	w.t.Helper()
	a := w.app(nil, nil)
	c, problems := config.Load(path, config.Flags{}, a.host())
	s, problems := site.Load(c, problems)
	if len(problems) > 0 {
		w.t.Fatal(problems)
	}
	cmd := checkCmd{User: "user@example.com", SMTP: smtp}
	steps, err := cmd.ask(ctx, a, s)
	if err != nil {
		w.t.Fatal(err)
	}
	return steps
}

var tagInAddress = regexp.MustCompile(`^prvs=\d{4}[0-9a-f]{6}=`)

// What a site's MTA says about recipients.
func goodMTA(forged string) func(string) string {
	seen := ""
	return func(address string) string {
		plain := tagInAddress.ReplaceAllString(address, "")
		switch {
		case strings.HasPrefix(plain, "nobody."):
			return "550 5.1.1 User unknown"
		case plain != address && seen != "" && seen != address:
			return forged
		case plain != address:
			seen = address
		}
		return "250 2.1.5 Ok"
	}
}

func TestLive(t *testing.T) {
	const invalid = "550 5.7.1 Invalid tag: this bounce to an invalid tag answers no message sent from here"
	for _, tt := range []struct {
		name   string
		config string
		rcpt   func(string) string
		want   []string // for each step: ok or not, and a part of reply and remark
	}{
		{"all is well", "mode = \"enforce\"\nbad_tag = \"rcpt\"\n[outbound]\nnetworks = []\n", goodMTA(invalid), []string{
			"true 250 2.1.5", "true 250 2.1.5", "true " + invalid, "true 550 5.7.1 No tag: this bounce to an address without a tag", "true the sender becomes <prvs=",
			"true 250", "true 250", "true 250", "true 550", "true 550", "true " + invalid, "false 5 connections to the milter before, 5 after"}},
		{"not enforced yet", "", goodMTA("250 2.1.5 Ok"), []string{
			"true 250 2.1.5", "true 250 2.1.5", "true 250 2.0.0 Ok: queued grace (new-domain): it would be refused as bad-signature",
			"true 250 2.0.0 Ok: queued grace (new-domain): it would be refused as untagged", "skip  not tried, since nothing was signed yet",
			"true 250", "true 250", "true 250", "true 550", "true 550", "true 250 2.1.5 Ok grace (new-domain): it would be refused as bad-signature", "false"}},
		{"mode monitor", "mode = \"monitor\"\n", goodMTA("250 2.1.5 Ok"), []string{
			"true 250 2.1.5", "true 250 2.1.5", "true 250 2.0.0 Ok: queued it would be refused as bad-signature, but the mode is monitor", "true", "true the sender",
			"true 250", "true 250", "true 250", "true 550", "true 550", "true 250 2.1.5 Ok it would be refused as bad-signature, but the mode is monitor", "false"}},
		{"tagged recipients are refused", "mode = \"enforce\"\n", func(address string) string {
			if tagInAddress.MatchString(address) || strings.HasPrefix(address, "nobody") {
				return "550 5.1.1 User unknown"
			}
			return "250 2.1.5 Ok"
		}, []string{"true", "true", "true", "true", "true the sender", "true", "true", "false 550 5.1.1 User unknown bounces of signed mail are refused",
			"true", "true", "false 550 5.1.1 User unknown refused, but not by bouncefilter", "false"}},
		{"the unknown-user check is lost", "mode = \"enforce\"\n", func(address string) string {
			if strings.HasPrefix(address, "nobody") {
				return "550 5.1.1 User unknown"
			}
			return "250 2.1.5 Ok"
		}, []string{"true", "true", "true", "true", "true the sender", "true", "true", "true", "true", "false 250 2.1.5 Ok mail to users that do not exist",
			"true 250 2.1.5 Ok accepted, since 127.0.0.1 is in outbound.networks", "false"}},
		{"wrong tags wait for the content", "mode = \"enforce\"\n[outbound]\nnetworks = []\n", goodMTA("250 2.1.5 Ok"), []string{
			"true 250 2.1.5", "true 250 2.1.5", "true " + invalid, "true", "true the sender", "true", "true", "true", "true", "true", "true 250 2.1.5 Ok accepted for now", "false"}},
		{"the milter is not asked", "mode = \"enforce\"\nbad_tag = \"rcpt\"\n[outbound]\nnetworks = []\n", goodMTA("250 2.1.5 Ok"), []string{
			"true", "true", "true", "true", "true the sender", "true", "true", "true", "true", "true", "false 250 2.1.5 Ok this should be refused", "false"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			d := w.start("-c", w.config(tt.config))
			fixed := strings.Replace(mustRead(t, w.path("bouncefilter.toml")), "tcp:127.0.0.1:0", "tcp:"+d.address(), 1)
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second) // the mail server may be on its way up
			defer cancel()
			steps := w.askLive(ctx, w.file("live.toml", fixed, 0o600), fakeMTA(t, tt.rcpt))
			if len(steps) != len(tt.want) {
				t.Fatalf("got %d steps, want %d: %+v", len(steps), len(tt.want), steps)
			}
			for i, s := range steps {
				mark := fmt.Sprint(s.OK)
				if s.Skipped {
					mark = "skip"
				}
				if got := fmt.Sprintf("%s %s %s", mark, s.Reply, s.Remark); !strings.HasPrefix(got, tt.want[i]) || s.What == "" || s.Where == "" {
					t.Errorf("step %d (%s): got %q, want %q", i, s.What, got, tt.want[i])
				}
			}
		})
	}
}

func TestLiveWithoutServers(t *testing.T) {
	w := newWorld(t)
	d := w.start("-c", w.config(""))
	address := d.address()
	d.stop()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second) // the mail server may be on its way up
	defer cancel()
	steps := w.askLive(ctx, w.file("live.toml", strings.Replace(mustRead(t, w.path("bouncefilter.toml")), "tcp:127.0.0.1:0", "tcp:"+address, 1), 0o600), "127.0.0.1:1")
	if len(steps) != 2 || steps[0].OK || steps[1].OK || !strings.Contains(steps[0].Remark, "the daemon does not answer") || !strings.Contains(steps[1].Remark, "connection refused") {
		t.Errorf("got %+v", steps)
	}
}

// An MTA that takes no bounces, such as one that does not reach the milter, is asked nothing else.
func TestLiveStopsWhereTheMTARefusesBounces(t *testing.T) {
	w := newWorld(t)
	c := w.config("")
	w.start("-c", c)
	steps := w.askLive(t.Context(), c, fakeServer(t, func(command string) string {
		switch {
		case strings.HasPrefix(command, "MAIL"):
			return "451 4.7.1 Service unavailable - try again later"
		case strings.HasPrefix(command, "RCPT"):
			t.Error("asked about a recipient")
			return "503 5.5.1 Error: need MAIL command"
		}
		return "250 2.0.0 Ok"
	}))
	steps = slices.DeleteFunc(steps, func(s live.Step) bool { return !strings.HasPrefix(s.Where, "MTA") })
	if len(steps) != 1 || steps[0].OK || steps[0].Command != "MAIL FROM:<>" || !strings.Contains(steps[0].Remark, "milter that it cannot reach") {
		t.Errorf("got %+v", steps)
	}
}

// A question that was not asked is neither right nor wrong.
func TestLiveSkips(t *testing.T) {
	steps := []live.Step{{Where: "MTA", What: "it asks", Skipped: true, Remark: "not seen"}}
	var out strings.Builder
	live.Print(&out, steps)
	if live.Failed(steps) || !strings.Contains(out.String(), "  skip   it asks\n         not seen\n") {
		t.Errorf("got %v, %s", live.Failed(steps), out.String())
	}
}

// The command itself, as an operator uses it before anything runs, and with a daemon.
func TestCheckLive(t *testing.T) {
	w := newWorld(t)
	mta := fakeMTA(t, goodMTA("250 2.1.5 Ok"))
	args := func(c string, more ...string) []string {
		return append([]string{"check", "-c", c, "--mta", "none", "--live", "--smtp", mta}, more...)
	}
	before := w.run(args(w.config(""))...)
	if before.status != 1 || before.stderr != "" {
		t.Errorf("got %+v", before)
	}
	contains(t, "nothing runs", before.stdout, "  WRONG  another site asks whether the user exists\n", "the daemon does not answer: ")

	d := w.start("-c", w.path("bouncefilter.toml"))
	c := w.file("live.toml", strings.Replace(mustRead(t, w.path("bouncefilter.toml")), "tcp:127.0.0.1:0", "tcp:"+d.address(), 1), 0o600)
	running := w.run(args(c, "--user", "user@example.com")...)
	contains(t, "running", running.stdout, "\nmilter tcp:"+d.address()+"\n  ok     another site asks", "\nMTA "+mta+"\n", "the MTA asks the milter\n")
	if running.status != 1 || strings.Count(running.stdout, "WRONG") != 1 {
		t.Errorf("all but the last is fine: %+v", running)
	}
	if log := d.stderr.String(); strings.Count(log, " test=true ") != 2 || strings.Count(log, " reason=") != 2 {
		t.Errorf("not all questions are marked as tests:\n%s", log)
	}
	if _, metrics := d.get("/metrics"); !strings.Contains(metrics, "bouncefilter_connections_total 4") || regexp.MustCompile(`(?m)^bouncefilter_(messages|would_refuse)_total\{.*\} [1-9]`).MatchString(metrics) || !strings.Contains(metrics, "bouncefilter_messages_total{") {
		t.Errorf("the questions are counted:\n%s", metrics)
	}
	asJSON := w.run(args(c, "--json")...)
	contains(t, "JSON", asJSON.stdout, `"live":[{"where":"milter tcp:`, `"ok":true`, `; name a user with --user who is not listed"`)

	for _, tt := range []struct{ args, stderr string }{
		{"--user user@elsewhere.example", "is not an address in one of the domains"},
		{"--user nobody", "is not an address in one of the domains"},
	} {
		if r := w.run(args(c, strings.Fields(tt.args)...)...); r.status != 2 || !strings.Contains(r.stderr, tt.stderr) {
			t.Errorf("%s: got %+v", tt.args, r)
		}
	}
	if r := w.run("check", "-c", c, "--mta", "none", "--user", "user@example.com"); r.status != 2 || !strings.Contains(r.stderr, "--user and --smtp belong to --live") {
		t.Errorf("got %+v", r)
	}
}
