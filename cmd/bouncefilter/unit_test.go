package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/daemon"
)

const unitFile = "../../deploy/systemd/bouncefilter.service"

// execStart returns the command that the unit runs.
func execStart(t *testing.T) []string {
	t.Helper()
	for line := range strings.Lines(mustRead(t, unitFile)) {
		if command, ok := strings.CutPrefix(line, "ExecStart="); ok {
			return strings.Fields(command)
		}
	}
	t.Fatal("the unit starts nothing")
	return nil
}

func TestUnitStartsServeWithFlagsThatExist(t *testing.T) {
	command := execStart(t)
	var g grammar
	parser, err := kong.New(&g, kong.Name("bouncefilter"))
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := parser.Parse(command[1:])
	if err != nil {
		t.Fatal(err)
	}
	if parsed.Command() != "serve" || g.Serve.Config != "/etc/bouncefilter/bouncefilter.toml" {
		t.Errorf("it runs %s with %s", parsed.Command(), g.Serve.Config)
	}
}

func TestUnitLeavesServeTheTimeItNeeds(t *testing.T) {
	unit := mustRead(t, unitFile)
	contains(t, "unit", unit, "Type=notify\n", "ExecReload=/bin/kill -HUP $MAINPID\n", "TimeoutStopSec=45s\n", "WatchdogSec=2min\n", "LimitNOFILE=16384\n")
	if took := daemon.Patience + logPatience; took.Seconds() >= 45 {
		t.Errorf("serve may take %v to stop", took)
	}
}

func TestSystemdAcceptsTheUnit(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		if os.Getenv("BOUNCEFILTER_REQUIRE_SERVERS") != "" {
			t.Fatal("systemd-analyze is missing: apt-get install systemd")
		}
		t.Skip("systemd-analyze is missing; deploy/test installs it")
	}
	// systemd-analyze looks for the program of ExecStart, which is not installed here.
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	unit := filepath.Join(t.TempDir(), "bouncefilter.service")
	text := strings.Replace(mustRead(t, unitFile), execStart(t)[0], program, 1)
	if err := os.WriteFile(unit, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(analyze, "verify", "--man=no", unit).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("%v\n%s", err, out)
	}
}
