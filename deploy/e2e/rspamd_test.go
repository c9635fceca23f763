package e2e

import (
	"fmt"
	"strings"
	"testing"
)

const withRspamd = "rspamd"

// rspamdConf is as little of rspamd as makes headers and signs: none of its rules, no network. The arguments are a folder and
// a port. url_tld is a list of one top-level domain, because compiling the real one takes seconds.
const rspamdConf = `options {
  filters = "dkim";
  dns { nameserver = ["127.0.0.1:9"]; timeout = 0.1s; retransmits = 1; }
  control_socket = "%[1]s/control mode=0600";
  hs_cache_dir = "%[1]s";
  url_tld = "%[1]s/tld";
  tempdir = "%[1]s";
  rrd = "";
  history_file = "";
}
logging { type = "console"; level = "info"; }
worker "rspamd_proxy" {
  bind_socket = "127.0.0.1:%[2]s";
  milter = yes;
  timeout = 20s;
  count = 1;
  upstream "local" { default = yes; self_scan = yes; }
}
modules { path = "/usr/share/rspamd/plugins/milter_headers.lua"; path = "/usr/share/rspamd/plugins/dkim_signing.lua"; }
`

// startRspamd starts rspamd with the modules that the manual configures and returns its address as a milter.
func startRspamd(t *testing.T, d *dkim) string {
	t.Helper()
	program := needProgram(t, "rspamd", "rspamd")
	port := itoa(freePort(t))
	d.write(t, "tld", "example\n")
	modules := strings.NewReplacer("example.com", "virt.example", "/var/lib/rspamd/dkim/mail.key", d.key).
		Replace(roleBlocks(t, withRspamd, "ini"))
	conf := d.write(t, "rspamd.conf", fmt.Sprintf(rspamdConf, d.dir, port)+modules)
	p := start(t, "rspamd", program, "-f", "-i", "-c", conf)
	t.Cleanup(func() {
		// Its log has the envelope as it saw it.
		log := p.out.String()
		if strings.Contains(log, "from: <prvs=") || !strings.Contains(log, "from: <user@virt.example>") || !strings.Contains(log, "rcpts: <prvs=") {
			t.Error("rspamd did not see senders without a tag and the recipients of bounces with one")
		}
	})
	awaitListener(t, port)
	return "inet:127.0.0.1:" + port
}
