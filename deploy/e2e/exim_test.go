package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// eximConf is Exim at a remote site: it delivers everything to the world but what goes to our site, its own bounces among
// it. The arguments are its program, its directory, and the ports of our site and of the world.
const eximConf = `exim_path = %[1]s
primary_hostname = mx.exim.example
spool_directory = %[2]s/spool
log_file_path = %[2]s/%%slog
keep_environment =
disable_ipv6
deliver_drop_privilege
qualify_domain = exim.example
local_interfaces = 127.0.0.1
begin routers
site:
  driver = manualroute
  domains = virt.example
  route_list = * 127.0.0.1::%[3]d byname
  self = send
  transport = smtp
world:
  driver = manualroute
  route_list = * 127.0.0.1::%[4]d byname
  self = send
  transport = smtp
begin transports
smtp:
  driver = smtp
  allow_localhost
begin retry
* * F,1h,1m
`

// startExim prepares Exim. A message is handed over as by a user of its host, and Exim goes through its queue until both the
// message and its bounce are gone.
//
// Exim trusts a configuration file only if /etc/exim4/trusted_configs names it, so it sees a copy of /etc in which that
// file does.
func startExim(t *testing.T, site, world int) func(t *testing.T, sender, text string) {
	t.Helper()
	exim := needPeer(t, "BOUNCEFILTER_EXIM", "Exim")
	dir := newFolder(t, "exim")
	conf := filepath.Join(dir, "exim.conf")
	if err := os.WriteFile(conf, []byte(fmt.Sprintf(eximConf, exim, dir, site, world)), 0o644); err != nil {
		t.Fatal(err)
	}
	execute(t, "chown", "-R", "Debian-exim:", dir)
	execute(t, "chown", "root:", conf)
	execute(t, "cp", "-a", "/etc", dir+"/etc")
	if err := os.MkdirAll(dir+"/etc/exim4", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir+"/etc/exim4/trusted_configs", []byte(conf+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	return func(t *testing.T, sender, text string) {
		t.Helper()
		script := fmt.Sprintf("mount --bind %[1]s/etc /etc && %[2]s -C %[3]s -odi -f '<%[4]s>' reject@remote.example && %[2]s -C %[3]s -q", dir, exim, conf, sender)
		cmd := exec.Command("unshare", "--mount", "sh", "-c", script)
		cmd.Stdin = strings.NewReader(text)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("exim: %v\n%s", err, out)
		}
		if log, _ := os.ReadFile(filepath.Join(dir, "mainlog")); t.Failed() || strings.Contains(string(log), "frozen") {
			t.Logf("Exim's log:\n%s", log)
		}
	}
}
