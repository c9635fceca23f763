package e2e

import (
	"path/filepath"
	"strings"
	"testing"
)

const backupMX = "Backup MX"

// backupAddress is where the backup connects from.
const backupAddress = "127.0.0.3"

// TestBackupMX runs a second host that takes mail for the site and hands it over: without bouncefilter, so that the site judges
// what comes from there; and with it, so that the site need not.
func TestBackupMX(t *testing.T) {
	t.Parallel()
	onBackup, onFirst, found := strings.Cut(roleBlocks(t, backupMX, "toml"), "[exempt]\n")
	if !found {
		t.Fatal("the manual does not exempt the backup")
	}
	s := newSite(t, siteOptions{redis: true})
	backup := newPostfix(t, filepath.Join(s.dir, "backup"), s.world, s.inner)
	backup.configure(t, taggedRecipients, "")
	backup.standInFront(t, s.postfix.smtp, backupAddress)
	backup.play(t, backupMX)
	backup.start(t)

	tag := s.tag(t, "user@virt.example")
	genuine := func(t *testing.T, header string) {
		b := newBounce(tag, "Subject: the original\n")
		handIn(t, outsider, backup.smtp, "", tag, b)
		if h, text := s.mailbox("user@virt.example").await(t, b.mark); !strings.Contains(h.Get("X-Bouncefilter"), header) || h.Get("Delivered-To") != "user@virt.example" {
			t.Errorf("expected %q:\n%s", header, text)
		}
	}
	unknown := func(t *testing.T) {
		c := dial(t, outsider, backup.smtp)
		defer c.quit()
		c.mustCommand("250", "MAIL FROM:<>")
		for _, address := range []string{"nobody.here@virt.example", unrecorded("nobody.here@virt.example")(t, s)} {
			c.mustCommand(replyUnknown, "RCPT TO:<"+address+">")
		}
	}
	ordinary := func(t *testing.T) {
		for _, to := range []string{"user@virt.example", tag} {
			m := newMessage("friend@remote.example", to)
			handIn(t, outsider, backup.smtp, "friend@remote.example", to, m)
			s.mailbox("user@virt.example").await(t, m.mark)
		}
	}

	t.Run("genuine bounce is judged by the first host", func(t *testing.T) {
		logged := s.daemon.process.out.len()
		genuine(t, "batv=pass reason=valid")
		s.daemon.awaitRecord(t, logged, record{"msg": "bounce", "client": backupAddress, "reason": "valid", "action": "accept"})
	})
	all := t
	t.Run("genuine bounce while the first host takes no mail", func(t *testing.T) {
		s.daemon.kill(t)
		b := newBounce(tag, "Subject: the original\n")
		handIn(t, outsider, backup.smtp, "", tag, b)
		eventually(t, "the backup has tried", func() bool { return strings.Contains(backup.log(), "status=deferred") })
		s.daemon.start(all) // to run on after this subtest
		backup.drain(t)
		s.mailbox("user@virt.example").await(t, b.mark)
	})
	for reason, address := range map[string]string{"untagged": "user@virt.example", "bad-signature": forge(tag)} {
		t.Run("backscatter is refused by the first host and dropped, "+reason, func(t *testing.T) {
			logged := s.daemon.process.out.len()
			b := newBounce(address, "Subject: the original\n")
			handIn(t, outsider, backup.smtp, "", address, b)
			s.daemon.awaitRecord(t, logged, record{"msg": "bounce", "client": backupAddress, "reason": reason, "action": "reject"})
			backup.drain(t)
			if s.delivered(b.mark) || len(s.world.with(b.mark)) > 0 {
				t.Errorf("it went somewhere")
			}
		})
	}
	t.Run("unknown users", unknown)
	t.Run("ordinary mail", ordinary)

	// The backup's own bouncefilter knows the keys and the record.
	state := filepath.Join(s.daemon.dir, "state")
	second := newDaemon(t, filepath.Join(s.dir, "bouncefilter-backup"), s.redis.url(), false, "node = \"backup\"\n"+
		strings.NewReplacer("/etc/bouncefilter/keys/keys.toml", filepath.Join(state, "keys", "keys.toml"),
			"/etc/bouncefilter/hash.secret", filepath.Join(state, "hash.secret")).Replace(onBackup), "")
	second.start(t)
	backup.configure(t, theMilter, second.milter)
	backup.reload(t)
	s.daemon.write(t, s.daemon.read(t)+"\n[exempt]\n"+strings.ReplaceAll(onFirst, "198.51.100.7", backupAddress))
	s.daemon.reload(t, record{"msg": "configuration loaded"}, 1)

	t.Run("genuine bounce is judged by the backup", func(t *testing.T) {
		logged := second.process.out.len()
		genuine(t, "batv=none reason=exempt")
		second.awaitRecord(t, logged, record{"msg": "bounce", "client": outsider, "reason": "valid", "action": "accept"})
	})
	for reply, address := range map[string]string{replyNone: "user@virt.example", replyInvalid: forge(tag)} {
		t.Run("backscatter is refused by the backup, "+reply, func(t *testing.T) {
			c := dial(t, outsider, backup.smtp)
			defer c.quit()
			if r := c.attempt("", []string{address}, newBounce(address, "Subject: the original\n").text); r != reply {
				t.Errorf("answered %q", r)
			}
		})
	}
	t.Run("unknown users of the backup that judges", unknown)
	t.Run("ordinary mail through the backup that judges", ordinary)
}
