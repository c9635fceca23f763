package e2e

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// rolesManual is the manual for servers beside ours.
const rolesManual = "../roles.md"

// roleBlocks returns what the blocks in a language (sh, ini, toml) of a section of deploy/roles.md say.
func roleBlocks(t *testing.T, section, language string) string {
	t.Helper()
	text, err := os.ReadFile(rolesManual)
	if err != nil {
		t.Fatal(err)
	}
	_, body, found := strings.Cut(string(text), "\n## "+section+"\n")
	if !found {
		t.Fatalf("%s has no section %q", rolesManual, section)
	}
	body, _, _ = strings.Cut(body, "\n## ")
	var blocks strings.Builder
	for {
		_, rest, found := strings.Cut(body, "```"+language+"\n")
		if !found {
			break
		}
		block, rest, closed := strings.Cut(rest, "```\n")
		if !closed {
			t.Fatalf("%s: a block in %q is not closed", rolesManual, section)
		}
		blocks.WriteString(block)
		body = rest
	}
	if blocks.Len() == 0 {
		t.Fatalf("%s has no %s in %q", rolesManual, language, section)
	}
	return blocks.String()
}

// TestRolesAreRun holds that each section of the manual that has something to copy is one that a test takes it from.
func TestRolesAreRun(t *testing.T) {
	text, err := os.ReadFile(rolesManual)
	if err != nil {
		t.Fatal(err)
	}
	taken := map[string][]string{
		dkimWithOpenDKIM: {"sh", "ini"}, withRspamd: {"sh", "ini"}, contentFilter: {"sh"}, proxyFilter: {"toml", "sh"},
		forwardingWithSRS: {"ini", "sh"},
		mailingLists:      {"sh", "toml"}, nullClient: {"sh", "toml"}, backupMX: {"sh", "toml", "toml"},
	}
	for _, section := range strings.Split(string(text), "\n## ")[1:] {
		name, body, _ := strings.Cut(section, "\n")
		var languages []string
		for i, part := range strings.Split("\n"+body, "\n```") {
			if i%2 == 1 {
				language, _, _ := strings.Cut(part, "\n")
				languages = append(languages, language)
			}
		}
		if !slices.Equal(languages, taken[name]) {
			t.Errorf("section %q has blocks in %q, the tests take %q", name, languages, taken[name])
		}
		delete(taken, name)
	}
	for name := range taken {
		t.Errorf("%s has no section %q", rolesManual, name)
	}
}

// play gives the commands of a section of deploy/roles.md to a Postfix, with the names and ports of this site.
func (p *postfix) play(t *testing.T, section string, names ...string) {
	t.Helper()
	names = append(names, "smtp/inet/", "127.0.0.1:"+itoa(p.smtp)+"/inet/", "submission/inet/", "127.0.0.1:"+itoa(p.submission)+"/inet/")
	commands := strings.NewReplacer(names...).Replace(roleBlocks(t, section, "sh"))
	sh := exec.Command("sh", "-e", "-c", commands)
	sh.Dir = postfixFolder
	sh.Env = append(os.Environ(), "MAIL_CONFIG="+p.conf)
	if out, err := sh.CombinedOutput(); err != nil {
		t.Fatalf("section %q: %v\n%s\n%s", section, err, commands, out)
	}
}

// reload lets a running Postfix take up what was changed, and waits until those of its processes are gone that knew the old
// configuration.
func (p *postfix) reload(t *testing.T) {
	t.Helper()
	p.age(t)
	master, err := os.ReadFile(filepath.Join(p.dir, "queue", "pid", "master.pid"))
	if err != nil {
		t.Fatal(err)
	}
	// pgrep finds none at an instance that has seen no mail yet, and says so with its exit status.
	old, _ := exec.Command("pgrep", "-P", strings.TrimSpace(string(master)), "^(smtpd|cleanup)$").Output()
	const done = "reload -- version"
	before := strings.Count(p.log(), done)
	execute(t, "postfix", "-c", p.conf, "reload")
	eventually(t, "Postfix has reloaded", func() bool {
		for _, pid := range strings.Fields(string(old)) {
			if _, err := os.Stat("/proc/" + pid); err == nil {
				return false
			}
		}
		return strings.Count(p.log(), done) > before
	})
}

// handIn sends a message to a port in a session of its own.
func handIn(t *testing.T, client string, port int, from, to string, m message) {
	t.Helper()
	c := dial(t, client, port)
	defer c.quit()
	c.send(from, []string{to}, m.text)
}

// needProgram returns the path of a program that a role needs, or skips the test.
func needProgram(t *testing.T, name, pkg string) string {
	t.Helper()
	needServers(t) // and sbin in PATH
	path, err := exec.LookPath(name)
	switch {
	case err == nil:
	case os.Getenv(requireServers) != "":
		t.Fatalf("%s is set, but there is no %s; run deploy/test, which installs the package %s", requireServers, name, pkg)
	default:
		t.Skipf("%s is not installed; deploy/test installs the package %s and runs this test", name, pkg)
	}
	return path
}

// awaitListener waits until a server on 127.0.0.1 accepts connections.
func awaitListener(t *testing.T, port string) {
	t.Helper()
	eventually(t, "a server listens on port "+port, func() bool {
		c, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
}
