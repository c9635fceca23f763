package e2e

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// reaperScript waits until the run of the tests is over. If it was killed, the script ends the servers in the folder of the run that do
// not end with their parent: Postfix has none, and Sendmail changes its user, by which the kernel forgets the wish to end with it.
const reaperScript = `read -r over && exit
find "$1" -name main.cf -exec dirname {} ';' | while read -r conf; do postfix -c "$conf" stop; done
find "$1" -name sendmail.pid | while read -r file; do
	pid=$(head -n 1 "$file")
	if [ "$(cat "/proc/$pid/comm")" = sendmail ]; then kill "$pid"; fi
done
rm -rf "$1"`

// startReaper starts a process that ends the servers of a run that was killed. done ends it when the run is over.
func startReaper(folder string) (done func(), err error) {
	cmd := exec.Command("sh", "-c", reaperScript, "sh", folder)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is for the tests
	over, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return func() {
		fmt.Fprintln(over, "over")
		over.Close()
		cmd.Wait()
	}, nil
}

// killedRun is set for the process that TestAKilledRunLeavesNoServers kills.
const killedRun = "BOUNCEFILTER_E2E_KILLED"

// TestAKilledRunLeavesNoServers kills a run of TestRunToBeKilled.
func TestAKilledRunLeavesNoServers(t *testing.T) {
	t.Parallel()
	needServers(t)
	needPeer(t, "BOUNCEFILTER_SENDMAIL", "the folder that Sendmail is unpacked in")
	cmd := exec.Command(os.Args[0], "-test.run=^TestRunToBeKilled$", "-test.v")
	cmd.Env = append(os.Environ(), killedRun+"=yes")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var pids []string
	for lines := bufio.NewScanner(out); pids == nil && lines.Scan(); {
		if list, ok := strings.CutPrefix(lines.Text(), "servers:"); ok {
			pids = strings.Fields(list)
		}
	}
	cmd.Process.Kill()
	cmd.Wait()
	if len(pids) != 4 {
		t.Fatalf("the servers are %q", pids)
	}
	eventually(t, "the servers of the killed run have ended", func() bool {
		for _, pid := range pids {
			if _, err := os.Stat("/proc/" + pid); err == nil {
				return false
			}
		}
		return true
	})
}

// TestRunToBeKilled starts servers and waits to be killed, if TestAKilledRunLeavesNoServers runs it. Else it is no test.
func TestRunToBeKilled(t *testing.T) {
	if os.Getenv(killedRun) == "" {
		return
	}
	first, second := newSite(t, siteOptions{}), newSite(t, siteOptions{sendmail: true})
	read := func(path string) string {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Fields(string(text))[0]
	}
	fmt.Println("servers:", read(filepath.Join(first.postfix.dir, "queue", "pid", "master.pid")), first.daemon.process.cmd.Process.Pid,
		read(second.mta.(*sendmailSite).path("sendmail.pid")), second.daemon.process.cmd.Process.Pid)
	time.Sleep(patience)
}
