package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const (
	twoHostsManual = "deploy/two-hosts.md"
	roleListeners  = "Roles: one listener for each direction"
)

var listenLine = regexp.MustCompile(`(?m)^listen = .*\n`)

// TestListenersWithRoles runs a site as the manual has it for one listener for each direction of mail: submission asks the
// one that signs, port 25 the one that verifies.
func TestListenersWithRoles(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{sections: []string{taggedRecipients, theMilter, acceptOnFailure}})
	verify := strings.TrimPrefix(s.daemon.milter, "inet:")
	sign := "127.0.0.1:" + itoa(freePort(t))
	s.restart(t, func() {
		tables := strings.NewReplacer("127.0.0.1:8766", verify, "127.0.0.1:8769", sign).Replace(codeBlocks(t, postfixManual, roleListeners, "toml")[0])
		s.daemon.write(t, listenLine.ReplaceAllString(s.daemon.read(t), "")+tables)
		s.postfix.follow(t, documented(t, roleListeners), "127.0.0.1:8769", sign)
	})
	for _, sc := range []scenario{
		{
			name: "genuine bounce",
			to:   []rcpt{{valid("user@virt.example"), ok}}, mailboxes: []string{"user@virt.example"},
			reason: "valid", action: "accept", header: "batv=pass reason=valid method=tag",
		}, {
			name: "forged tag", to: []rcpt{{forged("user@virt.example"), ok}}, end: replyInvalid, reason: "bad-signature", action: "reject",
		}, {
			name: "missing tag", to: []rcpt{{plain("user@virt.example"), ok}}, end: replyNone, reason: "untagged", action: "reject",
		}, {
			name: "missing tag, but what it answers is on record", answer: readReceipt, of: sent("user@virt.example"),
			to: []rcpt{{plain("user@virt.example"), ok}}, mailboxes: []string{"user@virt.example"},
			reason: "valid-message", action: "accept", header: "batv=pass reason=valid-message",
		}, {
			name: "ordinary mail to a tagged address", from: "friend@remote.example",
			to: []rcpt{{valid("user@virt.example"), ok}}, mailboxes: []string{"user@virt.example"},
			reason: "untag", action: "accept",
		}, {
			name: "bounce from the internal network is exempt", client: internal,
			to: []rcpt{{forged("user@virt.example"), ok}}, mailboxes: []string{"user@virt.example"},
			reason: "exempt", action: "accept", wouldRefuse: "bad-signature", header: "reason=exempt",
		},
	} {
		t.Run(sc.name, sc.test(s))
	}
	sends := func(reason, action string, send func(m message)) func(*testing.T) {
		return func(t *testing.T) {
			m := newMessage("user@virt.example", "friend@remote.example")
			logged := s.daemon.process.out.len()
			counted := s.daemon.metric(t, "bouncefilter_messages_total", label("reason", reason), label("action", action))
			send(m)
			sender := s.world.await(t, m.mark).sender
			if signed := reason == "signed"; isSigned(sender, "user@virt.example") != signed {
				t.Errorf("mail arrived from <%s>", sender)
			}
			s.daemon.awaitRecord(t, logged, record{"msg": "outbound", "reason": reason, "action": action, "sender": "<user@virt.example>"})
			if got := s.daemon.metric(t, "bouncefilter_messages_total", label("reason", reason), label("action", action)) - counted; got != 1 {
				t.Errorf("it was counted %v times", got)
			}
		}
	}
	t.Run("the sendmail command signs", sends("signed", "sign", func(m message) {
		if err := s.postfix.sendmail("user@virt.example", []string{"friend@remote.example"}, m.text); err != nil {
			t.Fatal(err)
		}
	}))
	t.Run("port 25 signs nothing, and the log says so", sends("verify-only", "none", func(m message) {
		c := s.inside(t)
		c.send("user@virt.example", []string{"friend@remote.example"}, m.text)
		c.quit()
	}))
	t.Run("submission judges no bounce, and leaves tags to Postfix", func(t *testing.T) {
		logged := s.daemon.process.out.len()
		m := newBounce("user@virt.example", "Subject: the original\n")
		c := s.submit(t)
		c.send("", []string{forge(s.tag(t, "user@virt.example"))}, m.text)
		c.quit()
		header, _ := s.mailbox("user@virt.example").await(t, m.mark)
		if got := header.Get("X-Bouncefilter"); got != "" {
			t.Errorf("it was judged: %s", got)
		}
		for _, r := range s.daemon.records(logged) {
			if r["msg"] == "bounce" {
				t.Errorf("it was judged: %v", r)
			}
		}
	})
	t.Run("while the daemon is down, mail comes in and nothing leaves", func(t *testing.T) {
		s.daemon.kill(t)
		m := newMessage("friend@remote.example", "user@virt.example")
		c := s.outside(t)
		c.send("friend@remote.example", []string{"user@virt.example"}, m.text)
		c.quit()
		s.mailbox("user@virt.example").await(t, m.mark)
		m = newMessage("user@virt.example", "friend@remote.example")
		if r := s.trySubmit(t, "user@virt.example", "friend@remote.example", m); r[0] != '4' {
			t.Errorf("submission was answered %q", r)
		}
	})
}

// newHost makes one host of a site whose mail goes out through one and comes in through another: a daemon with the
// configuration of a chapter of the manual, and a Postfix. Neither runs yet.
func newHost(t *testing.T, dir, store, tables string, world, inner *sink) *site {
	t.Helper()
	s := &site{dir: dir, world: world, inner: inner, tags: map[string]string{}}
	s.daemon = newDaemon(t, filepath.Join(dir, "bouncefilter"), store, false, fmt.Sprintf("node = %q", filepath.Base(dir)), "")
	tables = strings.ReplaceAll(tables, "tcp:127.0.0.1:8766", strings.Replace(s.daemon.milter, "inet:", "tcp:", 1))
	_, tables, found := strings.Cut(tables, "\n\n") // the store is that of the test
	if !found {
		t.Fatalf("%s: the configuration does not begin with the store", twoHostsManual)
	}
	s.daemon.write(t, listenLine.ReplaceAllString(s.daemon.read(t), "")+tables)
	s.postfix = newPostfix(t, filepath.Join(dir, "postfix"), world, inner)
	s.mta = s.postfix
	return s
}

// TestOneHostSendsAnotherReceives runs what deploy/two-hosts.md says.
func TestOneHostSendsAnotherReceives(t *testing.T) {
	t.Parallel()
	needServers(t)
	dir := newFolder(t, "hosts")
	world, inner := newSink(t, "world.example"), newSink(t, "inner.example")
	redis := newRedis(t, dir)
	configs := codeBlocks(t, twoHostsManual, "Configuration", "toml")
	out := newHost(t, filepath.Join(dir, "out"), redis.url(), configs[0], world, inner)
	in := newHost(t, filepath.Join(dir, "in"), redis.url(), configs[1], world, inner)

	// The host that sends has no mailboxes: mail to the site's domains goes to the other one.
	for _, setting := range []string{"mydestination =", "virtual_mailbox_domains =", "virtual_alias_domains =", "relay_domains =", "local_recipient_maps =",
		fmt.Sprintf("transport_maps = inline:{ {virt.example=smtp:[127.0.0.1]:%[1]d}, {local.example=smtp:[127.0.0.1]:%[1]d} }", in.postfix.smtp)} {
		out.postfix.set(t, setting)
	}
	// In the order of the manual.
	out.daemon.start(t)
	if !strings.Contains(out.daemon.process.out.String(), "copy keys and hash secret to every other host") {
		t.Error("the daemon does not remind of the other host")
	}
	between := func(commands string) { betweenHosts(t, out.daemon, in.daemon, commands) }
	between(codeBlocks(t, twoHostsManual, "Keys", "sh")[0])
	in.daemon.start(t)
	in.postfix.configure(t, taggedRecipients, in.daemon.milter)
	in.postfix.configure(t, theMilter, in.daemon.milter)
	in.postfix.start(t)
	out.postfix.configure(t, theMilter, out.daemon.milter)
	out.postfix.start(t)

	// tagOf is the signed form of the site's user, as the world knows it from a message that the other host has sent.
	tagOf := func(t *testing.T, _ *site) string { return out.tag(t, "user@virt.example") }
	rows := []scenario{
		{
			name: "bounce of mail that the other host has signed",
			to:   []rcpt{{tagOf, ok}}, mailboxes: []string{"user@virt.example"},
			reason: "valid", action: "accept", log: record{"method": ""}, header: "batv=pass reason=valid method=tag",
		}, {
			name: "forged bounce", to: []rcpt{{changed(tagOf, forge), ok}}, end: replyInvalid, reason: "bad-signature", action: "reject",
		}, {
			name: "bounce without a tag", to: []rcpt{{plain("user@virt.example"), ok}}, end: replyNone, reason: "untagged", action: "reject",
		}, {
			name: "read receipt of mail that the other host has sent", answer: readReceipt,
			of: func(t *testing.T, _ *site) string { return sent("user@virt.example")(t, out) },
			to: []rcpt{{plain("user@virt.example"), ok}}, mailboxes: []string{"user@virt.example"},
			reason: "valid-message", action: "accept", header: "batv=pass reason=valid-message",
		},
	}
	for _, sc := range rows {
		t.Run(sc.name, sc.test(in))
	}
	t.Run("the sending host's own bounce reaches the mailbox on the other", func(t *testing.T) {
		m := newMessage("user@virt.example", "reject@remote.example")
		logged := in.daemon.process.out.len()
		c := out.submit(t)
		c.send("user@virt.example", []string{"reject@remote.example"}, m.text)
		c.quit()
		in.mailbox("user@virt.example").await(t, m.mark)
		in.daemon.awaitRecord(t, logged, record{"msg": "bounce", "reason": "valid", "client": "127.0.0.1"})
	})
	// Either way, the new key signs once both hosts know it, and no tag is refused at any time.
	ways := codeBlocks(t, twoHostsManual, "A new key", "sh")
	var old []string
	for number, way := range []string{"files", "store"} {
		t.Run("a new key, by way of "+way, func(t *testing.T) {
			name := itoa(number + 1)
			for _, s := range []*site{out, in} {
				s.daemon.write(t, "key_distribution = \""+way+"\"\n"+strings.TrimPrefix(s.daemon.read(t), "key_distribution = \"files\"\n"))
				s.daemon.reload(t, record{"msg": "configuration loaded"}, 1)
			}
			clear(out.tags)
			old = append(old, out.tag(t, "user@virt.example"))
			logged := map[*site]int{out: out.daemon.process.out.len(), in: in.daemon.process.out.len()}
			between(ways[number])
			for s, from := range logged {
				s.daemon.awaitRecord(t, from, record{"msg": "every node has the new key; it signs from now on", "key": "key " + name, "former": "key " + itoa(number)})
			}
			clear(out.tags)
			if tag := out.tag(t, "user@virt.example"); !strings.HasPrefix(tag, "prvs="+name) {
				t.Fatalf("signed with another key than %s: %s", name, tag)
			}
			for _, sc := range rows[:2] {
				t.Run(sc.name, sc.test(in))
			}
			for _, tag := range old {
				sc := rows[0]
				sc.to = []rcpt{{plain(tag), ok}}
				t.Run("tag of an old key", sc.test(in))
			}
		})
	}
	t.Run("a host that does not come back", func(t *testing.T) {
		logged := out.daemon.process.out.len()
		in.daemon.kill(t)
		out.daemon.awaitRecord(t, logged, record{"level": "WARN", "nodes": "[in]"})
		commands := strings.ReplaceAll(codeBlocks(t, "deploy/scale.md", "When servers fail", "sh")[0], "mx2.example.com", "in")
		between(commands)
		out.daemon.awaitRecord(t, logged, record{"msg": "all nodes are back"})
	})
}

// betweenHosts runs commands of the manual on the host that sends. ssh and systemctl are replaced: ssh runs its command
// here, with the directory of the other host, systemctl lets the daemon of its host load its configuration.
func betweenHosts(t *testing.T, out, in *daemon, commands string) {
	t.Helper()
	stubs := t.TempDir()
	stub := func(name, script string) {
		if err := os.WriteFile(filepath.Join(stubs, name), []byte("#!/bin/sh\nset -eu\n"+script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	here, there := filepath.Join(out.dir, "state"), filepath.Join(in.dir, "state")
	stub("ssh", fmt.Sprintf("test $# -eq 2 && test \"$1\" = mx.example.com\nDAEMON=%d sh -euc \"$(printf %%s \"$2\" | sed 's|%s|%s|g')\"\n", pid(in), here, there))
	stub("bouncefilter", fmt.Sprintf("exec %s \"$@\"\n", out.program))
	stub("systemctl", `test "$*" = "reload bouncefilter" && kill -HUP "$DAEMON"`+"\n")
	names := strings.NewReplacer("/var/lib/bouncefilter", here, "/etc/bouncefilter/bouncefilter.toml", out.config,
		"-o bouncefilter -g bouncefilter ", "-o root -g root ") // there is no such user where tests run
	logged := map[*daemon]int{out: out.process.out.len()}
	reloads := []*daemon{}
	for line := range strings.Lines(commands) {
		switch {
		case !strings.Contains(line, "systemctl reload"):
		case strings.Contains(line, "ssh "):
			reloads = append(reloads, in)
		default:
			reloads = append(reloads, out)
		}
	}
	logged[in] = 0
	if in.process != nil {
		logged[in] = in.process.out.len()
	}
	sh := exec.Command("sh", "-euc", names.Replace(commands))
	sh.Env = append(os.Environ(), "PATH="+stubs+":"+os.Getenv("PATH"), "DAEMON="+itoa(pid(out)))
	if text, err := sh.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s\n%s", err, commands, text)
	}
	for _, d := range reloads {
		d.awaitRecord(t, logged[d], record{"msg": "configuration loaded"})
	}
}

// pid returns the process ID of a daemon, 0 if it has not been started.
func pid(d *daemon) int {
	if d.process == nil {
		return 0
	}
	return d.process.cmd.Process.Pid
}
