package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// customers are the domains of a hosting provider.
func customers() []string {
	list := make([]string, 20_000)
	for i := range list {
		list[i] = fmt.Sprintf("customer-%05d-shop.example", i+1)
	}
	return list
}

// hosting are the domains of the site besides, as its file of domains has them and as its Postfix has them.
var hosting = struct{ ours, hosted []string }{
	ours: []string{"# A university, and a domain with two spellings.", "*.campus.example", "müller.example"},
	hosted: []string{"physics.campus.example", "a.b.campus.example", "campus.example", "müller.example", "xn--mller-kva.example",
		"firma.example", "company.example"},
}

// newHosting starts a site with very many domains, and lets bouncefilter set up its Postfix. Each domain has a virtual mailbox: user.
func newHosting(t *testing.T) (s *site, domainsFile string) {
	t.Helper()
	dir := newFolder(t, "hosting")
	write := func(name string, lines ...string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	domainsFile = write("domains", append(customers(), hosting.ours...)...)
	var hosted, users []string
	for _, d := range append(customers(), append(hosting.hosted, "late.example")...) {
		hosted, users = append(hosted, d+" OK"), append(users, "user@"+d+" "+d+"/user/")
	}
	s = newSite(t, siteOptions{sections: []string{}, settings: []string{
		"virtual_mailbox_domains = texthash:" + write("hosted", hosted...),
		"virtual_mailbox_maps = texthash:" + write("users", users...),
	}, top: "domains_file = \"" + domainsFile + "\"", config: "\n[[domain]]\nname = \"firma.example\"\naliases = [\"company.example\"]\n"})
	if out, status := s.aboutPostfix(t, "setup", "postfix", "--write", "--reload"); status != 0 || !strings.Contains(out, " more lines\n") {
		t.Fatalf("setup --write: exit status %d\n%s", status, out)
	}
	return s, domainsFile
}

// TestVeryManyDomains is a hosting provider: 20,000 domains from a file, all domains below one, a domain in two spellings, and one with an
// alias.
func TestVeryManyDomains(t *testing.T) {
	t.Parallel()
	s, domainsFile := newHosting(t)
	last := customers()[len(customers())-1]
	t.Run("check and setup find nothing to do", func(t *testing.T) {
		out, status := s.aboutPostfix(t, "check")
		if status != 0 || strings.Contains(out, "\nerror ") || strings.Contains(out, "\nwarning ") || strings.Count(out, "\n") > 100 {
			t.Errorf("check: exit status %d\n%s", status, out)
		}
		if out, status := s.aboutPostfix(t, "setup", "postfix", "--write"); status != 0 || !strings.Contains(out, "Nothing is to be done") {
			t.Errorf("second setup: exit status %d\n%s", status, out)
		}
	})
	t.Run("Postfix looks tagged recipients up", func(t *testing.T) {
		table := "pcre:" + filepath.Join(s.postfix.conf, "bouncefilter-untag.pcre")
		for domain, known := range map[string]bool{
			customers()[0]: true, last: true, "physics.campus.example": true, "a.b.campus.example": true, "müller.example": true,
			"xn--mller-kva.example": true, "firma.example": true, "company.example": true, "virt.example": true,
			"campus.example": false, "other.example": false, "x." + last: false,
		} {
			out, err := exec.Command("postmap", "-c", s.postfix.conf, "-q", "prvs=0787788259=user@"+domain, table).Output()
			if got := strings.TrimSpace(string(out)); known && (err != nil || got != "user@"+domain) || !known && got != "" {
				t.Errorf("%s: %q, %v", domain, got, err)
			}
		}
	})
	for _, tt := range []struct{ from, to string }{
		{customers()[0], customers()[0]}, {last, last},
		{"physics.campus.example", "physics.campus.example"}, {"a.b.campus.example", "a.b.campus.example"},
		{"müller.example", "xn--mller-kva.example"}, {"xn--mller-kva.example", "müller.example"}, {"müller.example", "müller.example"},
		{"company.example", "firma.example"}, {"firma.example", "company.example"},
	} {
		t.Run("bounce to "+tt.to+" of mail from "+tt.from, func(t *testing.T) { s.bounceBetween(t, "user", tt.from, tt.to, " SMTPUTF8") })
	}
	t.Run("the domain above is none of ours", func(t *testing.T) {
		if d := s.send(t, "user@campus.example", "friend@remote.example"); d.sender != "user@campus.example" {
			t.Errorf("the world sees <%s>", d.sender)
		}
	})
	t.Run("a reload reads the file again", func(t *testing.T) {
		if err := os.WriteFile(domainsFile, []byte(strings.Join(append(customers(), append(hosting.ours, "late.example")...), "\n")), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := s.daemon.process.cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		eventually(t, "mail of the new domain is signed", func() bool {
			return isSigned(s.send(t, "user@late.example", "friend@remote.example").sender, "user@late.example")
		})
		if out, _ := s.aboutPostfix(t, "check"); !strings.Contains(out, "takes no tags off addresses in late.example,") {
			t.Errorf("check does not say that the table is old:\n%s", out)
		}
	})
}

// bounceBetween sends mail of a user from one domain, and bounces to its tag and without one to another domain. The parameters are those of MAIL.
func (s *site) bounceBetween(t *testing.T, user, from, to, parameters string) {
	t.Helper()
	m := newMessage(user+"@"+from, "friend@remote.example")
	c := s.submit(t)
	defer c.quit()
	c.mustCommand("250", "MAIL FROM:<"+user+"@"+from+">"+parameters)
	c.mustCommand("250", "RCPT TO:<friend@remote.example>")
	c.mustCommand("354", "DATA")
	if r := c.text(m.text); r[0] != '2' {
		t.Fatal(r)
	}
	d := s.world.await(t, m.mark)
	if !isSigned(d.sender, user+"@"+from) {
		t.Fatalf("the world sees <%s>", d.sender)
	}
	recipient := strings.TrimSuffix(d.sender, from) + to
	for _, bounce := range []struct{ recipient, reason string }{{recipient, "valid"}, {user + "@" + to, "valid-message"}} {
		b := newBounce(bounce.recipient, d.text)
		logged := s.daemon.process.out.len()
		o := s.outside(t)
		o.mustCommand("250", "MAIL FROM:<>"+parameters)
		o.mustCommand("250", "RCPT TO:<"+bounce.recipient+">")
		o.mustCommand("354", "DATA")
		if r := o.text(b.text); r[0] != '2' {
			t.Fatal(r)
		}
		o.quit()
		s.daemon.awaitRecord(t, logged, record{"msg": "bounce", "reason": bounce.reason, "action": "accept"})
		s.mailbox(user+"@"+to).await(t, b.mark)
	}
}

// TestDomainsOfSendmail is all domains below one, and a domain with an alias, with Sendmail.
func TestDomainsOfSendmail(t *testing.T) {
	t.Parallel()
	list := filepath.Join(newFolder(t, "domains"), "domains")
	if err := os.WriteFile(list, []byte("*.campus.example\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	s := newSite(t, siteOptions{sendmail: true, top: "domains_file = \"" + list + "\"",
		config: "\n[[domain]]\nname = \"firma.example\"\naliases = [\"company.example\"]\n",
		before: "LOCAL_CONFIG\nCw physics.campus.example a.b.campus.example campus.example firma.example company.example\n" +
			"C{BouncefilterDomain} firma.example company.example\nC{BouncefilterBelow} campus.example\n"})
	for _, tt := range []struct{ from, to string }{
		{"physics.campus.example", "physics.campus.example"}, {"a.b.campus.example", "a.b.campus.example"},
		{"firma.example", "company.example"}, {"company.example", "firma.example"},
	} {
		t.Run("bounce to "+tt.to+" of mail from "+tt.from, func(t *testing.T) { s.bounceBetween(t, "games", tt.from, tt.to, "") })
	}
	if d := s.send(t, "games@campus.example", "friend@remote.example"); d.sender != "games@campus.example" {
		t.Errorf("of the domain above, the world sees <%s>", d.sender)
	}
}

// TestVERPWithOtherDelimiters lets Postfix expand a sender after it was signed, with other delimiters than those that Postfix has by default.
// check names what bouncefilter has to know besides: that extensions begin with the same one.
func TestVERPWithOtherDelimiters(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{sections: []string{}, settings: []string{
		"recipient_delimiter = -", "default_verp_delimiters = -=",
		"virtual_alias_maps = inline:{ {news@alias.example=games@local.example} }",
	}})
	if out, status := s.aboutPostfix(t, "setup", "postfix", "--write", "--reload"); status != 0 {
		t.Fatalf("setup --write: exit status %d\n%s", status, out)
	}
	const sender = "news@alias.example"
	members := []string{"one@remote.example", "joe-two@my-shop.example"}
	m := newMessage(sender, "list@alias.example")
	cmd := exec.Command("sendmail", append([]string{"-C", s.postfix.conf, "-i", "-XV", "-f", sender}, members...)...)
	cmd.Stdin = strings.NewReader(m.text)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("sendmail -XV: %v\n%s", err, out)
	}
	eventually(t, "both members have the message", func() bool { return len(s.world.with(m.mark)) == 2 })
	for _, d := range s.world.with(m.mark) {
		verp := "news-" + strings.Replace(d.recipients[0].address, "@", "=", 1) + "@alias.example"
		if !isSigned(d.sender, verp) {
			t.Fatalf("%v got it from <%s>", d.recipients, d.sender)
		}
		s.returned(t, d, verp, "games@local.example")
	}

	// A bounce without a tag to the address with an extension is proven by the message only if the extension is known as one.
	d := s.send(t, sender, "friend@remote.example")
	bounce := func(end string) {
		t.Helper()
		c := s.outside(t)
		defer c.quit()
		b := newBounce("news-shop@alias.example", d.text)
		if r := c.attempt("", []string{"news-shop@alias.example"}, b.text); !strings.HasPrefix(r, end) {
			t.Errorf("a bounce to an address with an extension: %s, want %s", r, end)
		}
	}
	bounce(replyNone)
	if out, _ := s.aboutPostfix(t, "check"); !strings.Contains(out, `delimiters = "+-"`) {
		t.Errorf("check does not compare the delimiters:\n%s", out)
	}
	s.daemon.write(t, "delimiters = \"+-\"\n"+s.daemon.read(t))
	if err := s.daemon.process.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the daemon has the delimiters", func() bool { return strings.Contains(s.daemon.process.out.String(), "configuration loaded") })
	bounce(ok)
	if out, status := s.aboutPostfix(t, "check"); status != 0 || strings.Contains(out, "\nwarning ") {
		t.Errorf("check: exit status %d\n%s", status, out)
	}
}
