package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const forwardingWithSRS = "Forwarding with SRS"

// startPostSRSd starts PostSRSd as the manual configures it and returns the ports of its two tables. example.com is
// replaced by local.example, whose addresses it writes; example.net and example.org by virt.example and alias.example, which it leaves
// alone. relay.example is missing.
func startPostSRSd(t *testing.T) (forward, reverse int) {
	t.Helper()
	program := needProgram(t, "postsrsd", "postsrsd")
	dir := newFolder(t, "postsrsd")
	secret := filepath.Join(dir, "secret")
	if err := os.WriteFile(secret, []byte("an old and well known secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	forward, reverse = freePort(t), freePort(t)
	settings := strings.NewReplacer("example.com", "local.example", "example.net", "virt.example", "example.org", "alias.example").
		Replace(roleBlocks(t, forwardingWithSRS, "ini"))
	// -e: what Debian's service takes from /etc/default/postsrsd.
	start(t, "postsrsd", append(append([]string{"env"}, strings.Fields(settings)...),
		program, "-e", "-4", "-l", "127.0.0.1", "-s", secret, "-f", itoa(forward), "-r", itoa(reverse))...)
	for _, port := range []int{forward, reverse} {
		awaitListener(t, itoa(port))
	}
	return forward, reverse
}

// TestForwarding runs PostSRSd beside bouncefilter. Mail that is forwarded leaves under an SRS address of the site, which is not
// signed, and whose bounces go back to the first sender.
func TestForwarding(t *testing.T) {
	t.Parallel()
	forward, reverse := startPostSRSd(t)
	s := newSite(t, siteOptions{settings: []string{
		"virtual_alias_maps = inline:{ {info@alias.example=user@virt.example}, {away@alias.example=new@remote.example}, {gone@alias.example=reject@remote.example} }",
	}})
	s.postfix.play(t, forwardingWithSRS, "127.0.0.1:10001", "127.0.0.1:"+itoa(forward), "127.0.0.1:10002", "127.0.0.1:"+itoa(reverse))
	s.postfix.reload(t)

	// forwarded is the sender under which the world sees mail to away@alias.example.
	forwarded := func(t *testing.T, from string) string {
		m := newMessage(from, "away@alias.example")
		handIn(t, outsider, s.postfix.smtp, from, "away@alias.example", m)
		d := s.world.await(t, m.mark)
		if len(d.recipients) != 1 || d.recipients[0].address != "new@remote.example" {
			t.Errorf("forwarded to %v", d.recipients)
		}
		return d.sender
	}
	// returned sends a bounce, and returns where the world or the inner server gets it.
	returned := func(t *testing.T, to string, where *sink) string {
		b := newBounce(to, "Subject: the original\n")
		logged := s.daemon.process.out.len()
		handIn(t, outsider, s.postfix.smtp, "", to, b)
		s.daemon.awaitRecord(t, logged, record{"msg": "bounce", "reason": "exempt", "action": "accept"})
		d := where.await(t, b.mark)
		if d.sender != "" || len(d.recipients) != 1 {
			t.Fatalf("the bounce came from <%s> to %v", d.sender, d.recipients)
		}
		return d.recipients[0].address
	}

	srs := forwarded(t, "alice@elsewhere.example")
	if !strings.HasPrefix(srs, "SRS0=") || !strings.HasSuffix(srs, "=elsewhere.example=alice@local.example") {
		t.Fatalf("the world sees <%s>, expected an SRS address of local.example", srs)
	}
	for name, address := range map[string]string{"as sent": srs, "in capital letters": strings.ToUpper(srs), "in small letters": strings.ToLower(srs)} {
		t.Run("bounce of forwarded mail, "+name, func(t *testing.T) {
			if to := returned(t, address, s.world); !strings.EqualFold(to, "alice@elsewhere.example") {
				t.Errorf("went to <%s>", to)
			}
		})
	}
	t.Run("bounce to an SRS address with a wrong hash", func(t *testing.T) {
		c := s.outside(t)
		defer c.quit()
		c.mustCommand("250", "MAIL FROM:<>")
		c.mustCommand(replyUnknown, "RCPT TO:<SRS0=aaaa=AA=elsewhere.example=alice@local.example>")
	})
	t.Run("Postfix' own bounce of forwarded mail", func(t *testing.T) {
		m := newMessage("alice@elsewhere.example", "gone@alias.example")
		handIn(t, outsider, s.postfix.smtp, "alice@elsewhere.example", "gone@alias.example", m)
		d := s.world.await(t, m.mark)
		if d.sender != "" || len(d.recipients) != 1 || d.recipients[0].address != "alice@elsewhere.example" {
			t.Errorf("the bounce came from <%s> to %v", d.sender, d.recipients)
		}
	})
	t.Run("tagged sender of a domain that PostSRSd leaves alone", func(t *testing.T) {
		if tag := s.tag(t, "user@virt.example"); forwarded(t, tag) != tag {
			t.Errorf("the tag was changed")
		}
	})
	// PostSRSd rewrites a sender that it does not know to be ours: after signing, and when the tagged sender comes back from
	// outside and is forwarded. Either way its bounces find it.
	t.Run("sender of a domain that is missing", func(t *testing.T) {
		srs := s.send(t, "bob@relay.example", "friend@remote.example").sender
		m := regexp.MustCompile(`^SRS0=....=..=relay\.example=(prvs=[0-9a-f]{10}=bob)@local\.example$`).FindStringSubmatch(srs)
		if m == nil {
			t.Fatalf("the world sees <%s>", srs)
		}
		if to := returned(t, srs, s.inner); to != "bob@relay.example" {
			t.Errorf("the bounce went to <%s>", to)
		}
		for _, tag := range []string{m[1] + "@relay.example", subAddress(m[1] + "@relay.example")} {
			srs := forwarded(t, tag)
			local, _, _ := strings.Cut(tag, "@")
			if !strings.HasPrefix(srs, "SRS0=") || !strings.HasSuffix(srs, "=relay.example="+local+"@local.example") {
				t.Fatalf("the world sees <%s>", srs)
			}
			if to := returned(t, srs, s.inner); to != "bob@relay.example" {
				t.Errorf("the bounce went to <%s>", to)
			}
		}
	})
}

// TestUntagTableLeavesSRSAlone holds the table of step 1 to addresses that Postfix would make something else of.
func TestUntagTableLeavesSRSAlone(t *testing.T) {
	t.Parallel()
	needServers(t)
	text, err := os.ReadFile(filepath.Join(postfixFolder, "bouncefilter-untag.pcre"))
	if err != nil {
		t.Fatal(err)
	}
	table := filepath.Join(newFolder(t, "table"), "untag.pcre")
	if err := os.WriteFile(table, []byte(strings.ReplaceAll(string(text), `example\.com`, ourDomains)), 0o644); err != nil {
		t.Fatal(err)
	}
	for address, want := range map[string]string{
		"SRS0=abcd=TT=virt.example=user+prvs=0787788259@local.example":         "",
		"srs0+abcd=tt=virt.example=user+prvs=0787788259@local.example":         "",
		`"SRS0=abcd=TT=virt.example=first last+prvs=0787788259"@local.example`: "",
		"SRS0=abcd=TT=virt.example=prvs=0787788259=user@local.example":         "",
		"prvs=0787788259=SRS0=abcd=TT=remote.example=alice@local.example":      "SRS0=abcd=TT=remote.example=alice@local.example",
		"srs0-team+prvs=0787788259@local.example":                              "srs0-team@local.example",
		`"first last+prvs=0787788259"@local.example`:                           `"first last"@local.example`,
	} {
		out, _ := exec.Command("postmap", "-q", address, "pcre:"+table).Output() // fails if there is nothing
		if got := strings.TrimSpace(string(out)); got != want {
			t.Errorf("%s becomes %q, expected %q", address, got, want)
		}
	}
}
