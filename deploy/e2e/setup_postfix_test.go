package e2e

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestSetupPostfix lets bouncefilter set up a Postfix that runs, instead of a postmaster with the manual, in both forms of
// tags. The site works then, check says so, and undoing it gives back every byte.
func TestSetupPostfix(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, form string
		unixSocket bool
		settings   []string
		top        string
		more       []scenario
	}{
		{name: "standard form", form: "standard"},
		{name: "sub-address form over a unix socket", form: "sub-address", unixSocket: true},
		{
			name: "tables and delimiter of its own", form: "standard",
			settings: []string{"recipient_canonical_maps = inline:{ {old@virt.example=user@virt.example} }", "recipient_delimiter = -"},
			top:      `delimiters = "-"`,
			more: []scenario{
				{
					name: "genuine bounce to an address in their recipient_canonical_maps",
					to:   []rcpt{{valid("old@virt.example"), ok}}, mailboxes: []string{"user@virt.example"},
					reason: "valid", action: "accept", header: "batv=pass reason=valid",
				}, {
					name: "genuine bounce to an address with an extension",
					to:   []rcpt{{valid("user-shop@virt.example"), ok}}, mailboxes: []string{"user@virt.example"},
					reason: "valid", action: "accept", header: "batv=pass reason=valid",
				}, {
					name: "ordinary mail to an address in their recipient_canonical_maps",
					from: "friend@remote.example", to: []rcpt{{plain("old@virt.example"), ok}}, mailboxes: []string{"user@virt.example"},
				},
				{name: "unknown user with an extension and a valid tag", to: []rcpt{{unrecorded("nobody.here-shop@virt.example"), replyUnknown}}},
			},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, siteOptions{sections: []string{}, unixSocket: tt.unixSocket, settings: tt.settings, top: `tag_form = "` + tt.form + "\"\n" + tt.top})
			s.testSetup(t, tt.form, append(slices.Clone(afterSetup), tt.more...))
		})
	}
}

// aboutPostfix runs bouncefilter setup or check about the site's Postfix.
func (s *site) aboutPostfix(t *testing.T, arguments ...string) (string, int) {
	t.Helper()
	return s.daemon.run(t, append(arguments, "--config", s.daemon.config, "--mta-config", s.postfix.conf)...)
}

func (s *site) testSetup(t *testing.T, form string, scenarios []scenario) {
	before := readFolder(t, s.postfix.conf)
	if out, status := s.aboutPostfix(t, "check"); status != 1 || !strings.Contains(out, "/main.cf: smtpd_milters") {
		t.Errorf("check of a Postfix that is not set up: exit status %d\n%s", status, out)
	}
	if out, status := s.aboutPostfix(t, "setup", "postfix"); status != 0 || !strings.Contains(out, "+smtpd_milters = $bouncefilter\n") {
		t.Errorf("setup: exit status %d\n%s", status, out)
	}
	if after := readFolder(t, s.postfix.conf); !maps.Equal(before, after) {
		t.Error("setup changed files without --write")
	}
	if out, status := s.aboutPostfix(t, "setup", "postfix", "--write", "--reload"); status != 0 {
		t.Fatalf("setup --write: exit status %d\n%s", status, out)
	}
	if out, status := s.aboutPostfix(t, "check"); status != 0 || strings.Contains(out, "\nerror ") || strings.Contains(out, "\nwarning ") {
		t.Errorf("check of a Postfix that was set up: exit status %d\n%s", status, out)
	}
	if out, status := s.aboutPostfix(t, "setup", "postfix", "--write"); status != 0 || !strings.Contains(out, "Nothing is to be done") {
		t.Errorf("second setup: exit status %d\n%s", status, out)
	}
	eventually(t, "Postfix has reloaded and mail is signed", func() bool {
		m := newMessage("other@virt.example", "friend@remote.example")
		c := s.submit(t)
		c.send("other@virt.example", []string{"friend@remote.example"}, m.text)
		c.quit()
		return isSigned(s.world.await(t, m.mark).sender, "other@virt.example")
	})

	for _, sc := range scenarios {
		t.Run(sc.name, sc.test(s))
	}
	t.Run("Postfix' own bounce reaches the mailbox", func(t *testing.T) {
		for _, address := range []string{"user@virt.example", "games@local.example"} {
			m := newMessage(address, "reject@remote.example")
			c := s.submit(t)
			c.send(address, []string{"reject@remote.example"}, m.text)
			c.quit()
			if _, text := s.mailbox(address).await(t, m.mark); !strings.Contains(text, "5.1.1") {
				t.Errorf("bounce does not give the reason:\n%s", text)
			}
		}
	})
	t.Run("mail from the sendmail command is signed", func(t *testing.T) {
		m := newMessage("user@virt.example", "friend@remote.example")
		if err := s.postfix.sendmail("user@virt.example", []string{"friend@remote.example"}, m.text); err != nil {
			t.Fatal(err)
		}
		sender := s.world.await(t, m.mark).sender
		if !isSigned(sender, "user@virt.example") || strings.HasPrefix(sender, "prvs=") != (form == "standard") {
			t.Errorf("the world sees the sender <%s>", sender)
		}
	})

	if out, status := s.aboutPostfix(t, "setup", "postfix", "--undo", "--reload"); status != 0 {
		t.Fatalf("setup --undo: exit status %d\n%s", status, out)
	}
	if after := readFolder(t, s.postfix.conf); !maps.Equal(before, after) {
		t.Error("--undo does not give back the files")
	}
	if out, status := s.aboutPostfix(t, "check"); status != 1 {
		t.Errorf("check after --undo: exit status %d\n%s", status, out)
	}
}

// afterSetup is what a set-up has to bring about.
var afterSetup = []scenario{
	{
		name: "genuine bounce to a virtual mailbox",
		to:   []rcpt{{valid("user@virt.example"), ok}}, mailboxes: []string{"user@virt.example"},
		reason: "valid", action: "accept", header: "batv=pass reason=valid method=tag",
	}, {
		name: "genuine bounce to a user in /etc/passwd",
		to:   []rcpt{{valid("games@local.example"), ok}}, mailboxes: []string{"games@local.example"},
		reason: "valid", action: "accept", header: "batv=pass reason=valid",
	}, {
		name: "genuine bounce to a name in aliases(5)",
		to:   []rcpt{{valid("office@local.example"), ok}}, mailboxes: []string{"games@local.example"},
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
		name: "forged tag is refused at the end of the message",
		to:   []rcpt{{forged("user@virt.example"), ok}}, end: replyInvalid, reason: "bad-signature", action: "reject",
	}, {
		name: "missing tag is refused at the end of the message",
		to:   []rcpt{{plain("user@virt.example"), ok}}, end: replyNone, reason: "untagged", action: "reject",
	},
	{name: "unknown user with a valid tag", to: []rcpt{{unrecorded("nobody.here@virt.example"), replyUnknown}}},
	{name: "unknown local user with a valid tag", to: []rcpt{{unrecorded("nobody.here@local.example"), replyUnknown}}},
}

// readFolder returns the files of a folder, with mode and text.
func readFolder(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.IsDir() {
			continue
		}
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		files[e.Name()] = info.Mode().String() + "\n" + string(text)
	}
	return files
}
