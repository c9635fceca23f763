package deploy

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const unitFile = "deploy/systemd/bouncefilter.service"

// systemdAnalyze returns the path of systemd-analyze, or skips or fails the test.
func systemdAnalyze(t *testing.T) string {
	t.Helper()
	analyze, err := exec.LookPath("systemd-analyze")
	if err == nil {
		return analyze
	}
	if os.Getenv("BOUNCEFILTER_REQUIRE_SERVERS") != "" {
		t.Fatal("systemd-analyze is missing: apt-get install systemd")
	}
	t.Skip("systemd-analyze is missing; deploy/test installs it")
	return ""
}

// What the service may do scores at most 1.2 with systemd-analyze security, with each addition that the documents name, too.
func TestUnitIsClosed(t *testing.T) {
	analyze := systemdAnalyze(t)
	for name, additions := range map[string]string{
		"as it is":                "",
		"socket in Postfix queue": "ReadWritePaths=/var/spool/postfix/bouncefilter\n",
		"Redis on a unix socket":  "SupplementaryGroups=redis\n",
		"Redis elsewhere":         "IPAddressAllow=192.0.2.0/24\n",
	} {
		t.Run(name, func(t *testing.T) {
			for line := range strings.Lines(additions) {
				if !strings.Contains(read(t, unitFile), "\n#"+line) {
					t.Errorf("the unit does not offer %s", line)
				}
			}
			unit := filepath.Join(t.TempDir(), "bouncefilter.service")
			if err := os.WriteFile(unit, []byte(strings.Replace(read(t, unitFile), "[Install]", additions+"[Install]", 1)), 0o600); err != nil {
				t.Fatal(err)
			}
			out, err := exec.Command(analyze, "security", "--offline=yes", "--no-pager", "--threshold=12", unit).CombinedOutput()
			if err != nil || !strings.Contains(string(out), "Overall exposure level") {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}
