package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Sections of deploy/postfix/README.md.
const (
	taggedRecipients = "1. Tagged recipients"
	theMilter        = "2. The milter"
	acceptOnFailure  = "Accepting mail while the milter is down"
	subAddressForm   = "Sub-address form"
)

const postfixFolder = "../postfix"

// ourDomains and localDomains are what a postmaster of the site writes into the tables.
const (
	ourDomains   = `(?:local|virt|monitor|auto|early|alias|relay)\.example`
	localDomains = `(?:mx\.)?local\.example`
)

// configure gives the commands of a section of deploy/postfix/README.md to Postfix, with the names of this site: its
// directory, its port for everybody, the address of its milter, its domains.
func (p *postfix) configure(t *testing.T, section, milter string) {
	t.Helper()
	commands := documented(t, section)
	names := strings.NewReplacer("/etc/postfix", p.conf, "inet:127.0.0.1:8766", milter,
		"smtp/inet/", strings.Fields(masterCf)[0][:len("127.0.0.1:")]+itoa(p.smtp)+"/inet/")
	sh := exec.Command("sh", "-e", "-c", names.Replace(commands))
	sh.Dir = postfixFolder
	sh.Env = append(os.Environ(), "MAIL_CONFIG="+p.conf)
	if out, err := sh.CombinedOutput(); err != nil {
		t.Fatalf("section %q: %v\n%s\n%s", section, err, commands, out)
	}
	for table, domains := range map[string]string{"bouncefilter-untag.pcre": ourDomains, "bouncefilter-local.pcre": localDomains} {
		p.edit(t, table, domains)
	}
}

// edit puts the site's domains into a table, if it is there.
func (p *postfix) edit(t *testing.T, table, domains string) {
	t.Helper()
	path := filepath.Join(p.conf, table)
	text, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	p.write(t, table, strings.ReplaceAll(string(text), `example\.com`, domains))
}

// documented returns the shell commands of a section of the manual.
func documented(t *testing.T, section string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(postfixFolder, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, body, found := strings.Cut(string(text), "\n## "+section+"\n")
	if !found {
		t.Fatalf("deploy/postfix/README.md has no section %q", section)
	}
	body, _, _ = strings.Cut(body, "\n## ")
	var commands strings.Builder
	for {
		_, rest, found := strings.Cut(body, "```sh\n")
		if !found {
			break
		}
		block, rest, closed := strings.Cut(rest, "```\n")
		if !closed {
			t.Fatalf("deploy/postfix/README.md: a block in %q is not closed", section)
		}
		commands.WriteString(block)
		body = rest
	}
	if commands.Len() == 0 {
		t.Fatalf("deploy/postfix/README.md has no commands in %q", section)
	}
	return commands.String()
}

// TestTablesAreEditedWhereTheManualSays holds the lines that a postmaster edits: if a table no longer had the example
// domain, the end-to-end tests would run with a table that no site can have.
func TestTablesAreEditedWhereTheManualSays(t *testing.T) {
	for _, table := range []string{"bouncefilter-untag.pcre", "bouncefilter-local.pcre"} {
		text, err := os.ReadFile(filepath.Join(postfixFolder, table))
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(string(text), `example\.com`); n != 1 {
			t.Errorf("%s has the example domain as a pattern %d times, expected once", table, n)
		}
		if !strings.Contains(string(text), "# EDIT") {
			t.Errorf("%s does not say where to edit", table)
		}
	}
	for _, section := range []string{taggedRecipients, theMilter, acceptOnFailure, subAddressForm, recipientRestrictions} {
		if !strings.Contains(documented(t, section), "postconf -e") {
			t.Errorf("section %q has no postconf command", section)
		}
	}
}
