package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

const root = "../.."

// The documents for a first look, and the reference.
const (
	readme = "README.md"
	manual = "deploy/manual.md"
)

// The session in the README prints what it says it prints.
func TestReadmeSession(t *testing.T) {
	t.Parallel()
	path := filepath.Dir(bouncefilter(t)) + ":" + os.Getenv("PATH")
	dir := t.TempDir()
	commands := 0
	for _, block := range codeBlocks(t, readme, "A session", "console") {
		for _, step := range strings.Split("\n"+block, "\n$ ")[1:] {
			command, want, _ := strings.Cut(step, "\n")
			sh := exec.Command("bash", "-c", command)
			sh.Dir = dir
			sh.Env = append(os.Environ(), "PATH="+path)
			out, _ := sh.CombinedOutput() // some of the commands say no, with exit status 1
			if got := strings.TrimSpace(string(out)); got != strings.TrimSpace(want) {
				t.Errorf("$ %s\n got %s\nwant %s", command, got, want)
			}
			commands++
		}
	}
	if commands < 3 {
		t.Errorf("only %d commands", commands)
	}
}

// The refusal that the README shows is the one in the manual's table of reasons, which a test of the filter holds.
func TestReadmeDialogue(t *testing.T) {
	dialogue := codeBlocks(t, readme, "A session", "text")[0]
	var left []string
	for _, line := range strings.Split(dialogue, "\n") {
		if len(line) > 51 {
			line = line[:51]
		}
		left = append(left, strings.TrimSpace(line))
	}
	reply := "550 5.7.1 Invalid tag: this bounce to an invalid tag answers no message sent from here"
	if !strings.Contains(strings.Join(left, " "), reply) || !strings.Contains(readManual(t, manual), "`"+reply+"`") {
		t.Errorf("the dialogue does not show %q:\n%s", reply, dialogue)
	}
}

// needNamespaces skips a test, or fails it, where a process may not have mounts and a network of its own, as in some
// containers.
func needNamespaces(t *testing.T) {
	t.Helper()
	out, err := exec.Command("unshare", "--mount", "--net", "ip", "link", "set", "lo", "up").CombinedOutput()
	switch {
	case err == nil:
	case os.Getenv(requireServers) != "":
		t.Fatalf("this machine does not allow namespaces, which the commands of the README are run in: %v %s", err, out)
	default:
		t.Skipf("this machine does not allow namespaces: %v %s", err, out)
	}
}

// inPrivate runs a shell script in which /etc, /usr/local/bin and /var/lib are private copies and all ports are free:
// commands of the README run unchanged and leave nothing behind.
func inPrivate(t *testing.T, script string) *exec.Cmd {
	t.Helper()
	d := filepath.Join(folder, strings.ReplaceAll(t.Name(), "/", "-"))
	t.Cleanup(func() { os.RemoveAll(d) }) // go test -count=2 comes here again
	prelude := `set -eu
ip link set lo up
mkdir -p ` + d + `/var-lib ` + d + `/stub
cp -a /etc ` + d + `/etc; mkdir -p ` + d + `/etc/systemd/system
cp -a /usr/local/bin ` + d + `/bin
mount --bind ` + d + `/etc /etc; mount --bind ` + d + `/bin /usr/local/bin; mount --bind ` + d + `/var-lib /var/lib
export PATH=` + d + `/stub:$PATH
`
	sh := exec.Command("unshare", "--mount", "--net", "bash", "-c", prelude+script)
	sh.Dir = root
	sh.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return sh
}

// attributes returns the names of the attributes of a line of the log, but for the queue ID, which Postfix does not have at RCPT.
func attributes(line string) (names []string) {
	for _, m := range regexp.MustCompile(`(?:^| )([a-z_]+)=`).FindAllStringSubmatch(line, -1) {
		if m[1] != "queue_id" {
			names = append(names, m[1])
		}
	}
	return names
}

// The demonstration shows what the README says it shows, and the README's lines of the log have the attributes of those that it
// logs, but for the mark of tests.
func TestReadmeDemonstration(t *testing.T) {
	t.Parallel()
	sh := exec.Command("bash", "-c", codeBlocks(t, readme, "See it", "sh")[0])
	sh.Dir = root
	out, err := sh.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	logged := map[string][]string{} // attributes, by reason
	reason := regexp.MustCompile(` reason=(\S+) `)
	for line := range strings.Lines(string(out)) {
		_, line, isLog := strings.Cut(line, "log: ")
		if m := reason.FindStringSubmatch(line); m != nil {
			logged[m[1]] = attributes(strings.Replace(line, " test=true", "", 1))
		} else if isLog && !strings.Contains(line, `msg="this source sends `) {
			t.Errorf("a line of the log without a reason: %s", line)
		}
	}
	shown := 0
	for line := range strings.Lines(codeBlocks(t, readme, "A session", "text")[1]) {
		if m := reason.FindStringSubmatch(line); m != nil {
			shown++
			if got := attributes(line); !slices.Equal(got, logged[m[1]]) {
				t.Errorf("%s: the README shows %v, the demonstration logs %v", m[1], got, logged[m[1]])
			}
		}
	}
	if shown != 3 {
		t.Errorf("the README shows %d decisions", shown)
	}
	for _, reason := range []string{"signed", "valid", "bad-signature", "untagged", "valid-message"} {
		if !strings.Contains(string(out), "reason="+reason+" ") {
			t.Errorf("it shows no %s:\n%s", reason, out)
		}
	}
}

// The first of the two commands runs the main job, prints what Postfix needs, and ends at a signal.
func TestReadmeFirstCommand(t *testing.T) {
	t.Parallel()
	needServers(t)
	needNamespaces(t)
	command := strings.TrimSpace(codeBlocks(t, readme, "Two commands", "sh")[0])
	if command != "go run ./cmd/bouncefilter serve --domain example.com" {
		t.Fatalf("the first command is %q", command)
	}
	sh := inPrivate(t, command)
	out, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	sh.Stdout, sh.Stderr = out, out
	if err := sh.Start(); err != nil {
		t.Fatal(err)
	}
	said := func() string {
		text, err := os.ReadFile(out.Name())
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	for deadline := time.Now().Add(patience); !strings.Contains(said(), "milter_default_action") && time.Now().Before(deadline); {
		time.Sleep(50 * time.Millisecond)
	}
	_ = syscall.Kill(-sh.Process.Pid, syscall.SIGTERM) // the go command and the program that it runs
	_ = sh.Wait()
	text := said()
	for _, want := range []string{`msg="listening on tcp:127.0.0.1:8766"`, "\nsmtpd_milters = inet:127.0.0.1:8766\n", "non_smtpd_milters = inet:127.0.0.1:8766\n", `msg="made a key"`} {
		if !strings.Contains(text, want) {
			t.Errorf("the output lacks %q:\n%s", want, text)
		}
	}
}

// The second is the one that runs this test.
func TestReadmeSecondCommand(t *testing.T) {
	command := strings.TrimSpace(codeBlocks(t, readme, "Two commands", "sh")[1])
	info, err := os.Stat(filepath.Join(root, command))
	if err != nil || info.Mode()&0o111 == 0 {
		t.Errorf("%s cannot be run: %v", command, err)
	}
}

// systemctl replaces systemd, which tests cannot start: it runs what the unit says, as the user whom it names.
const systemctl = `#!/bin/bash
set -eu
unit=/etc/systemd/system/bouncefilter.service
get() { sed -n "s/^$1=//p" $unit; }
start() {
	install -d -m 0700 -o "$(get User)" /var/lib/"$(get StateDirectory)"
	install -d -m "$(get RuntimeDirectoryMode)" -o "$(get User)" /run/"$(get RuntimeDirectory)"
	HOME=/var/lib/bouncefilter STATE_DIRECTORY=/var/lib/"$(get StateDirectory)" setpriv --reuid "$(get User)" --regid "$(get Group)" --clear-groups $(get ExecStart) >> /var/lib/log 2>&1 &
	echo $! > /var/lib/pid
	await 8767 || { cat /var/lib/log; exit 1; }
}
await() { for i in $(seq 6000); do (: < /dev/tcp/127.0.0.1/$1) 2>/dev/null && return; sleep 0.05; done; return 1; }
case "$*" in
"daemon-reload") ;;
"enable --now bouncefilter") start ;;
"restart bouncefilter")
	kill $(cat /var/lib/pid)
	while kill -0 $(cat /var/lib/pid) 2>/dev/null; do sleep 0.05; done
	start ;;
"reload bouncefilter")
	loaded=$(grep -c 'configuration loaded' /var/lib/log || true)
	kill -HUP $(cat /var/lib/pid)
	for i in $(seq 6000); do test $(grep -c 'configuration loaded' /var/lib/log) -gt $loaded && exit 0; sleep 0.05; done
	cat /var/lib/log; exit 1 ;;
"reload sendmail")
	touch /var/lib/before
	kill -HUP "$(head -n 1 /run/sendmail/mta/sendmail.pid)"
	# It goes on listening until it begins anew, and then writes its process ID again.
	for i in $(seq 6000); do test /run/sendmail/mta/sendmail.pid -nt /var/lib/before && break; sleep 0.05; done
	await 25 ;;
*) echo "systemctl $*?"; exit 1 ;;
esac
`

// The commands of the chapter Install, unchanged, give a daemon that runs as a user of its own and passes its check.
func TestReadmeInstall(t *testing.T) {
	t.Parallel()
	needServers(t)
	needNamespaces(t)
	d := filepath.Join(folder, t.Name())
	if err := os.MkdirAll(filepath.Join(d, "stub"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(d, "stub", "systemctl"), []byte(systemctl), 0o755); err != nil {
		t.Fatal(err)
	}
	defer os.Remove(filepath.Join(root, "bouncefilter")) // what go build makes; git ignores it
	receipt := readReceipt("user@example.com", "Message-ID: <letter@mail.example.com>\n\n")
	if err := os.WriteFile(filepath.Join(d, "message.eml"), []byte(receipt.text), 0o644); err != nil {
		t.Fatal(err)
	}
	script := "trap 'test -f /var/lib/pid && kill $(cat /var/lib/pid) && wait' EXIT\n" + strings.Join(codeBlocks(t, readme, "Install", "sh"), "\n") +
		"\ncd " + d + "\n" + codeBlocks(t, manual, "Read a bounce", "sh")[0]
	out, err := inPrivate(t, script).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	want := []string{"configuration  /etc/bouncefilter/bouncefilter.toml", "example.com: auto", "key 0 (sign)", "bolt:/var/lib/bouncefilter/state.db"}
	// What inspect is shown to print, as far as it does not depend on what has happened before.
	shown := strings.Split(codeBlocks(t, manual, "Read a bounce", "text")[0], "\n")
	want = append(want, strings.Join(shown[:5], "\n"), shown[6], shown[7])
	for _, want := range want {
		if !strings.Contains(string(out), want) {
			t.Errorf("check does not say %q:\n%s", want, out)
		}
	}
}
