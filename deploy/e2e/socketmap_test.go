package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// Sections of deploy/postfix/README.md.
const (
	socketmapInPlace = "Lookup by socketmap instead of tables"
	socketmapAlone   = "Lookup by socketmap alone"
)

const postfixManual = "deploy/postfix/README.md"

// socketmapAddress is where the manual has the lookup service.
const socketmapAddress = "127.0.0.1:8768"

// newSocketmapSite starts a site that asks the lookup service in the way of a section of the manual; before that it has those
// sections that the manual wants to come first. Port 25 accepts mail while the daemon is down.
func newSocketmapSite(t *testing.T, section string, before ...string) (s *site, address string) {
	t.Helper()
	needServers(t)
	address = "127.0.0.1:" + itoa(freePort(t))
	config := strings.ReplaceAll(codeBlocks(t, postfixManual, socketmapInPlace, "toml")[0], socketmapAddress, address)
	s = newSite(t, siteOptions{sections: append(before, theMilter, acceptOnFailure), config: config})
	s.restart(t, func() { s.postfix.follow(t, documented(t, section), socketmapAddress, address) })
	return s, address
}

// known are scenarios that all ways of asking have in common.
func known() []scenario {
	return []scenario{
		{
			name: "genuine bounce to a virtual mailbox",
			to:   []rcpt{{valid("user@virt.example"), ok}}, mailboxes: []string{"user@virt.example"},
			reason: "valid", action: "accept", header: "batv=pass reason=valid method=tag",
		}, {
			name: "genuine bounce to a user in /etc/passwd",
			to:   []rcpt{{valid("games@local.example"), ok}}, mailboxes: []string{"games@local.example"},
			reason: "valid", action: "accept", header: "batv=pass reason=valid",
		}, {
			name: "genuine bounce to a virtual alias",
			to:   []rcpt{{valid("info@alias.example"), ok}}, mailboxes: []string{"user@virt.example"},
			reason: "valid", action: "accept", header: "batv=pass reason=valid",
		}, {
			name: "genuine bounce to a relayed domain",
			to:   []rcpt{{valid("bob@relay.example"), ok}}, inner: "bob@relay.example",
			reason: "valid", action: "accept",
		}, {
			name: "genuine bounce to a local part that must be quoted",
			to:   []rcpt{{unrecorded(`"first last"@virt.example`), ok}}, mailboxes: []string{`"first last"@virt.example`},
			reason: "grace", action: "accept", wouldRefuse: "not-issued", header: "batv=neutral reason=grace would-be=not-issued",
		}, {
			name: "genuine bounce in capital letters",
			to:   []rcpt{{changed(valid("user@virt.example"), upperCase), ok}}, mailboxes: []string{"user@virt.example"},
			reason: "valid", action: "accept", header: "batv=pass reason=valid",
		}, {
			name: "tag in its other form",
			to:   []rcpt{{changed(valid("user@virt.example"), subAddress), ok}}, mailboxes: []string{"user@virt.example"},
			reason: "valid", action: "accept", header: "batv=pass reason=valid",
		}, {
			name: "expired tag is the milter's to judge",
			to:   []rcpt{{expired("user@virt.example"), ok}}, end: replyExpired, reason: "expired", action: "reject",
		}, {
			name: "forged tag is an unknown user", to: []rcpt{{forged("user@virt.example"), replyUnknown}},
		}, {
			name: "forged tag is an unknown user in mode monitor, too", to: []rcpt{{forged("user@monitor.example"), replyUnknown}},
		}, {
			name: "missing tag is the milter's to judge",
			to:   []rcpt{{plain("user@virt.example"), ok}}, end: replyNone, reason: "untagged", action: "reject",
		}, {
			name: "unknown user without a tag", to: []rcpt{{plain("nobody.here@virt.example"), replyUnknown}},
		}, {
			name: "ordinary mail to a tagged address",
			from: "friend@remote.example", to: []rcpt{{valid("user@virt.example"), ok}}, mailboxes: []string{"user@virt.example"},
			reason: "untag", action: "accept",
		},
	}
}

// ownBounces sends mail that Postfix itself has to bounce, which passes through no milter on its way back.
func (s *site) ownBounces(t *testing.T) {
	for _, sender := range []string{"user@virt.example", "games@local.example"} {
		m := newMessage(sender, "reject@remote.example")
		c := s.submit(t)
		c.send(sender, []string{"reject@remote.example"}, m.text)
		c.quit()
		if _, text := s.mailbox(sender).await(t, m.mark); !strings.Contains(text, "5.1.1") {
			t.Errorf("the bounce to %s does not say why:\n%s", sender, text)
		}
	}
}

// loses sends a bounce to a genuine tag of a user that there is not, which Postfix accepts and cannot deliver.
func (s *site) loses(t *testing.T) {
	m := newBounce("nobody.here@virt.example", "Subject: the original\n")
	reply := s.attempt(t, "", s.daemon.sign(t, "nobody.here@virt.example", time.Now()), m)
	queueID, accepted := strings.CutPrefix(reply, "250 2.0.0 Ok: queued as ")
	if !accepted {
		t.Fatalf("the bounce is answered %q", reply)
	}
	eventually(t, "the bounce is undeliverable", func() bool {
		return strings.Contains(s.postfix.log(), queueID+": to=<nobody.here@virt.example>") && strings.Contains(s.postfix.log(), queueID+": removed")
	})
	s.postfix.drain(t)
	if got := append(s.mailbox("user@virt.example").mails(m.mark), s.mailbox("games@local.example").mails(m.mark)...); len(got) > 0 || len(s.world.with(m.mark)) > 0 {
		t.Errorf("a mailbox got it: %q", got)
	}
}

// without ends the daemon, and compares how mail to an address with and without a tag is answered.
func (s *site) without(t *testing.T, plain, tagged string) {
	t.Helper()
	signed := s.tag(t, "user@virt.example")
	s.daemon.kill(t)
	for address, want := range map[string]string{"user@virt.example": plain, signed: tagged} {
		c := s.outside(t)
		if r := c.attempt("friend@remote.example", []string{address}, newMessage("friend@remote.example", address).text); !strings.HasPrefix(r, want) {
			t.Errorf("while the daemon is down, mail to <%s> is answered %q, expected %q", address, r, want)
		}
		c.quit()
	}
}

func TestSocketmapInPlaceOfTables(t *testing.T) {
	t.Parallel()
	s, _ := newSocketmapSite(t, socketmapInPlace, taggedRecipients)
	for _, sc := range append(known(), []scenario{
		{
			name: "genuine bounce to a name in aliases(5)",
			to:   []rcpt{{valid("office@local.example"), ok}}, mailboxes: []string{"games@local.example"},
			reason: "valid", action: "accept", header: "batv=pass reason=valid",
		}, {
			name: "unknown user with a valid tag", to: []rcpt{{unrecorded("nobody.here@virt.example"), replyUnknown}},
		}, {
			name: "unknown local user with a valid tag", to: []rcpt{{unrecorded("nobody.here@local.example"), replyUnknown}},
		}, {
			name: "unknown relayed user with a valid tag", to: []rcpt{{unrecorded("nobody.here@relay.example"), replyUnknown}},
		},
	}...) {
		t.Run(sc.name, sc.test(s))
	}
	t.Run("Postfix' own bounces reach the mailbox", s.ownBounces)
	t.Run("lookups are counted", func(t *testing.T) {
		for _, result := range []string{"found", "not-found"} {
			if n := s.daemon.metric(t, "bouncefilter_socketmap_lookups_total", label("result", result)); n == 0 {
				t.Errorf("no lookup counted as %s", result)
			}
		}
	})
	t.Run("without the daemon only tagged recipients wait", func(t *testing.T) { s.without(t, "250 ", "451 4.3.0") })
}

func TestSocketmapAlone(t *testing.T) {
	t.Parallel()
	s, address := newSocketmapSite(t, socketmapAlone)
	way := func(t *testing.T) {
		for _, sc := range known() {
			t.Run(sc.name, sc.test(s))
		}
		t.Run("Postfix' own bounces reach the mailbox", s.ownBounces)
		t.Run("unknown user with a valid tag is accepted, and no mailbox gets it", s.loses)
	}
	t.Run("in recipient_canonical_maps", way)
	s.restart(t, func() {
		execute(t, "postconf", "-c", s.postfix.conf, "-X", "recipient_canonical_maps")
		had := strings.TrimSpace(execute(t, "postconf", "-c", s.postfix.conf, "-h", "virtual_alias_maps"))
		s.postfix.set(t, fmt.Sprintf("virtual_alias_maps = %s socketmap:inet:%s:untag", had, address))
	})
	t.Run("in virtual_alias_maps", way)
	t.Run("without the daemon all mail waits, Postfix' own bounces too", func(t *testing.T) {
		m := newMessage("user@virt.example", "defer@remote.example") // bounced when its time in the queue is over
		c := s.submit(t)
		c.send("user@virt.example", []string{"defer@remote.example"}, m.text)
		c.quit()
		s.without(t, "451 4.3.0", "451 4.3.0")
		lookupError := regexp.MustCompile(`postfix/cleanup\[[0-9]+\]: warning: .*lookup error`)
		s.postfix.retry(t, "the bounce cannot be queued", func() bool { return lookupError.MatchString(s.postfix.log()) })
		if got := s.mailbox("user@virt.example").mails(m.mark); len(got) > 0 {
			t.Errorf("the bounce arrived: %q", got)
		}
		s.daemon.start(t)
		s.postfix.drain(t)
		s.mailbox("user@virt.example").await(t, m.mark)
	})
}

// A chrooted Postfix reaches the service over TCP, and a unix socket in its queue directory.
func TestSocketmapInAChroot(t *testing.T) {
	t.Parallel()
	s, address := newSocketmapSite(t, socketmapInPlace, taggedRecipients)
	rows := []scenario{known()[0], known()[8]}
	chroot := func(yes string) {
		for _, service := range []string{"127.0.0.1:" + itoa(s.postfix.smtp) + "/inet", "cleanup/unix"} {
			execute(t, "postconf", "-c", s.postfix.conf, "-F", service+"/chroot="+yes)
		}
	}
	queue := filepath.Join(s.postfix.dir, "queue")
	confined := regexp.MustCompile(`postfix/smtpd\[([0-9]+)\]: connect from`)
	s.restart(t, func() { chroot("y") })
	t.Run("over TCP", func(t *testing.T) {
		s.outside(t) // keeps a process busy
		eventually(t, "smtpd is in a chroot", func() bool {
			pids := confined.FindAllStringSubmatch(s.postfix.log(), -1)
			if len(pids) == 0 {
				return false // the log comes a little later
			}
			dir, err := os.Readlink("/proc/" + pids[len(pids)-1][1] + "/root")
			return err == nil && dir == queue
		})
		for _, sc := range rows {
			t.Run(sc.name, sc.test(s))
		}
	})
	const documentedSocket, documentedTable = `"unix:/var/spool/postfix/bouncefilter/socketmap.sock"`, "socketmap:unix:bouncefilter/socketmap.sock:untag"
	for _, text := range []string{documentedSocket, documentedTable} {
		if !strings.Contains(readManual(t, postfixManual), text) {
			t.Errorf("%s does not have %s", postfixManual, text)
		}
	}
	s.restart(t, func() {
		socket := strings.Replace(documentedSocket, "/var/spool/postfix", queue, 1)
		s.daemon.write(t, strings.Replace(s.daemon.read(t), `"tcp:`+address+`"`, socket, 1))
		s.postfix.follow(t, documented(t, socketmapInPlace), "socketmap:inet:"+socketmapAddress+":untag", documentedTable)
	})
	for _, yes := range []string{"y", "n"} {
		if yes == "n" {
			s.restart(t, func() { chroot("n") })
		}
		t.Run("over a unix socket, chroot="+yes, func(t *testing.T) {
			for _, sc := range rows {
				t.Run(sc.name, sc.test(s))
			}
		})
	}
}
