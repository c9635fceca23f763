package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Scripts of the mailbox that Dovecot delivers to (RFC 5230, RFC 5429).
const (
	vacationScript = "require \"vacation\";\nvacation :days 1 \"I am in the mountains, without a network.\";\n"
	rejectScript   = "require \"reject\";\nreject \"I do not read mail any more.\";\n"
)

// dovecotConf is Dovecot's delivery agent at a remote site. What Sieve writes goes to our site. The arguments are its
// directory and the port of our site.
const dovecotConf = `base_dir = %[1]s/run
log_path = %[1]s/log
info_log_path = %[1]s/log
mail_location = maildir:%[1]s/mail
hostname = mail.dovecot.example
postmaster_address = postmaster@remote.example
submission_host = 127.0.0.1:%[2]d
ssl = no
protocol lda {
  mail_plugins = sieve
}
plugin {
  sieve = file:%[1]s/script.sieve
  sieve_vacation_dont_check_recipient = yes
}
`

// startDovecot prepares the delivery of mail to a mailbox with a script. It needs none of Dovecot's servers.
func startDovecot(script string) func(t *testing.T, site, world int) func(t *testing.T, sender, text string) {
	return func(t *testing.T, site, _ int) func(t *testing.T, sender, text string) {
		t.Helper()
		const lda = "/usr/lib/dovecot/dovecot-lda"
		if _, err := os.Stat(lda); err != nil {
			if os.Getenv(requireServers) != "" {
				t.Fatalf("%s is set, but Dovecot is not installed; run deploy/test, which installs it", requireServers)
			}
			t.Skip("Dovecot is not installed; deploy/test installs it and runs this test")
		}
		dir := newFolder(t, "dovecot")
		conf := filepath.Join(dir, "dovecot.conf")
		for path, text := range map[string]string{conf: fmt.Sprintf(dovecotConf, dir, site), filepath.Join(dir, "script.sieve"): script} {
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		execute(t, "chown", "-R", "nobody:", dir)
		return func(t *testing.T, sender, text string) {
			t.Helper()
			// A mailbox of its own each time: vacation answers a sender once a day.
			cmd := exec.Command("setpriv", "--reuid", "nobody", "--regid", "nogroup", "--clear-groups",
				lda, "-c", conf, "-f", sender, "-a", "friend@remote.example")
			cmd.Env = append(os.Environ(), "USER=friend@remote.example", "HOME="+filepath.Join(dir, "home"))
			cmd.Stdin = strings.NewReader(text)
			out, err := cmd.CombinedOutput()
			log, _ := os.ReadFile(filepath.Join(dir, "log"))
			if err != nil {
				t.Errorf("dovecot-lda: %v\n%s\n%s", err, out, log)
			}
			t.Logf("Dovecot's log:\n%s", log)
			if err := os.RemoveAll(filepath.Join(dir, "home")); err != nil {
				t.Error(err)
			}
		}
	}
}
