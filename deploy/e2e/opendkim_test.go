package e2e

import (
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

const dkimWithOpenDKIM = "DKIM with OpenDKIM"

// dkim is a signing key of virt.example, and OpenDKIM's tools to verify what was signed with it. There is no DNS: the public
// key is in a file.
type dkim struct {
	dir    string
	key    string // file with the private key
	verify string // OpenDKIM's configuration as a verifier
}

func newDKIM(t *testing.T) *dkim {
	t.Helper()
	genkey := needProgram(t, "opendkim-genkey", "opendkim-tools")
	d := &dkim{dir: newFolder(t, "dkim")}
	execute(t, genkey, "-D", d.dir, "-d", "virt.example", "-s", "mail")
	d.key, d.verify = filepath.Join(d.dir, "mail.private"), filepath.Join(d.dir, "verify.conf")
	zone, err := os.ReadFile(filepath.Join(d.dir, "mail.txt"))
	if err != nil {
		t.Fatal(err)
	}
	// mail._domainkey IN TXT ( "v=DKIM1; ..." "p=..." ) ; comment
	_, quoted, _ := strings.Cut(string(zone), "(")
	quoted, _, _ = strings.Cut(quoted, ")")
	record := ""
	for i, part := range strings.Split(quoted, `"`) {
		if i%2 == 1 {
			record += part
		}
	}
	d.write(t, "keys", "mail._domainkey.virt.example "+record+"\n")
	d.write(t, "verify.conf", fmt.Sprintf("Mode v\nTestPublicKeys %s\n", filepath.Join(d.dir, "keys")))
	return d
}

func (d *dkim) write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(d.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// check says what OpenDKIM thinks of the signature of a message that arrived somewhere.
func (d *dkim) check(t *testing.T, text string) error {
	t.Helper()
	path := d.write(t, "message-"+rand.Text(), strings.ReplaceAll(text, "\n", "\r\n"))
	out, err := exec.Command("opendkim", "-x", d.verify, "-t", path).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "verification (s=mail, d=virt.example") || !strings.Contains(string(out), "succeeded") {
		return fmt.Errorf("opendkim -t: %v\n%s", err, out)
	}
	return nil
}

// startOpenDKIM starts OpenDKIM as the manual configures it and returns its address as a milter.
func startOpenDKIM(t *testing.T, d *dkim) string {
	t.Helper()
	program := needProgram(t, "opendkim", "opendkim")
	port := itoa(freePort(t))
	config := strings.NewReplacer("example.com", "virt.example", "/etc/dkimkeys/mail.private", d.key, "8891", port, "192.0.2.0/24", internal).
		Replace(roleBlocks(t, dkimWithOpenDKIM, "ini"))
	execute(t, "chown", "opendkim", d.key)
	// The folder of the tests is in /tmp, which everybody can write to. The results header is wanted for unsigned mail, too.
	conf := d.write(t, "opendkim.conf", config+"RequireSafeKeys no\nAlwaysAddARHeader yes\n")
	p := start(t, "opendkim", program, "-f", "-x", conf)
	t.Cleanup(func() { p.end(t, syscall.SIGKILL) }) // It would take five seconds to end in order.
	awaitListener(t, port)
	return "inet:127.0.0.1:" + port
}
