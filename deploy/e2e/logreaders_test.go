package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
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

// logForm is how a daemon of a test writes its log, and how other programs get it.
type logForm struct {
	name    string
	format  string
	journal bool
}

var logForms = []logForm{{"a file", "logfmt", false}, {"a file in JSON", "json", false}, {"the journal", "logfmt", true}, {"the journal in JSON", "json", true}}

// loggingDaemon starts a daemon that writes its log to a file, which for the journal is what JOURNAL_STREAM says.
func loggingDaemon(t *testing.T, f logForm) *daemon {
	t.Helper()
	d := newDaemon(t, newFolder(t, "logging-"), "memory:", false, "", "format = \""+f.format+"\"\n")
	var err error
	if d.stderr, err = os.Create(filepath.Join(d.dir, "log")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.stderr.Close() })
	if f.journal {
		info, err := d.stderr.Stat()
		if err != nil {
			t.Fatal(err)
		}
		at := info.Sys().(*syscall.Stat_t)
		d.within = []string{"env", fmt.Sprintf("JOURNAL_STREAM=%d:%d", at.Dev, at.Ino)}
	}
	d.start(t)
	return d
}

var severityPrefix = regexp.MustCompile(`(?m)^<[3467]>`)

// logged returns the log as a file has it, or as journald hands it on: the text of each line behind time, host and program.
func (d *daemon) logged(t *testing.T, f logForm, before string) string {
	t.Helper()
	text := readFile(t, filepath.Join(d.dir, "log"))
	if !f.journal {
		return text
	}
	lines := strings.SplitAfter(strings.TrimSuffix(text, "\n"), "\n")
	for _, line := range lines {
		if !severityPrefix.MatchString(line) || strings.Contains(line, "time=") || strings.Contains(line, `"time":`) {
			t.Errorf("no line for the journal: %s", line)
		}
	}
	return severityPrefix.ReplaceAllString(strings.Join(lines, ""), before) + "\n"
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// beginTest gets a mark for tests over the control socket.
func (d *daemon) beginTest(t *testing.T) (mark string) {
	t.Helper()
	client := http.Client{Timeout: patience, Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", filepath.Join(d.dir, "state", "control.sock"))
	}}}
	resp, err := client.Post("http://daemon/tests", "application/json", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&mark); err != nil {
		t.Fatal(err)
	}
	return mark
}

// Clients of the log of [daemon.misuse].
const (
	guesser      = "203.0.113.7"
	guesser6     = "2001:db8::7"
	deceiver     = "203.0.113.66" // writes what looks like lines about the victim
	victim       = "192.0.2.99"
	backscatters = "203.0.113.8"
	tester       = "192.0.2.1"
)

// misuse lets clients guess tags, send backscatter, and write what they can into the log.
func (d *daemon) misuse(t *testing.T) {
	t.Helper()
	forgedTag := forge(d.sign(t, "user@virt.example", time.Now()))
	text := newBounce("user@virt.example", newMessage("user@virt.example", "friend@remote.example").text).text
	d.offer(t, offered{client: guesser, to: forgedTag, text: text})
	d.offer(t, offered{client: guesser6, to: forgedTag, text: text})
	d.offer(t, offered{client: guesser, from: "friend@remote.example", to: forgedTag, text: text})
	d.offer(t, offered{client: backscatters, to: "user@virt.example", text: text})
	d.offer(t, offered{client: tester, params: "ENVID=" + d.beginTest(t), to: forgedTag, text: text})
	for _, deceit := range []string{
		`level=INFO msg=bounce client=` + victim + ` sender="<>" recipient="<>" reason=bad-signature action=reject `,
		`" client=` + victim + ` sender="<>" recipient="<>" reason=bad-signature action=reject `,
		`\" recipient="<>" reason=bad-signature action=reject client=` + victim + " ",
		`<>" recipient="<x>" reason=bad-signature action=reject test=true `,
		`","client":"` + victim + `","sender":"<>","recipient":"<>","reason":"bad-signature","action":"reject",`,
		"\nlevel=INFO msg=bounce client=" + victim + ` sender="<>" recipient="<>" reason=bad-signature action=reject `,
		"\n<3>mx bouncefilter[1]: level=INFO msg=bounce client=" + victim + ` sender="<>" recipient="<>" reason=bad-signature action=reject `,
	} {
		d.offer(t, offered{client: deceiver, to: deceit + "@virt.example", text: text})
		d.offer(t, offered{client: deceiver, from: deceit + "@remote.example", to: forgedTag, text: text})
		d.offer(t, offered{client: deceiver, to: `"` + deceit + `"@virt.example`, text: text})
		d.offer(t, offered{client: deceiver, to: `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", "").Replace(deceit) + `"@virt.example`, text: text})
	}
}

// fail2ban finds the clients that guess tags, and no other: not one that sends backscatter or tests, and not one whose name another client
// writes into the log.
func TestFail2ban(t *testing.T) {
	t.Parallel()
	needProgram(t, "fail2ban-regex", "fail2ban")
	for _, f := range logForms {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			d := loggingDaemon(t, f)
			d.misuse(t)
			log := filepath.Join(d.dir, "for-fail2ban")
			if err := os.WriteFile(log, []byte(d.logged(t, f, time.Now().Format(time.Stamp)+" mx bouncefilter[12]: ")), 0o600); err != nil {
				t.Fatal(err)
			}
			for mode, want := range map[string][]string{
				"guesses":     {guesser6, deceiver, guesser},
				"backscatter": {guesser6, deceiver, guesser, backscatters},
			} {
				filter, err := filepath.Abs("../fail2ban/filter.d/bouncefilter.conf")
				if err != nil {
					t.Fatal(err)
				}
				out, err := exec.Command("fail2ban-regex", "--out", "ip", log, filter+"[mode="+mode+"]").Output()
				if err != nil {
					t.Fatalf("fail2ban-regex: %v\n%s", err, out)
				}
				got := strings.Fields(string(out))
				if n := len(got); n < 10 {
					t.Errorf("mode %s: only %d lines match", mode, n)
				}
				slices.Sort(got)
				if got = slices.Compact(got); !slices.Equal(got, want) {
					t.Errorf("mode %s: found %v, want %v", mode, got, want)
				}
			}
		})
	}
}

// The jail for fail2ban is off, and can be read.
func TestFail2banJail(t *testing.T) {
	t.Parallel()
	needProgram(t, "fail2ban-client", "fail2ban")
	conf := newFolder(t, "fail2ban-")
	for _, command := range []string{"cp -r /etc/fail2ban/. " + conf, "rm -f " + conf + "/jail.d/*",
		"cp ../fail2ban/filter.d/bouncefilter.conf " + conf + "/filter.d/", "cp ../fail2ban/jail.d/bouncefilter.conf " + conf + "/jail.d/bouncefilter.local"} {
		if out, err := exec.Command("sh", "-c", command).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", command, err, out)
		}
	}
	dump := func() string {
		out, err := exec.Command("fail2ban-client", "-c", conf, "-d").CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return string(out)
	}
	if s := dump(); strings.Contains(s, "'bouncefilter'") {
		t.Errorf("the jail is on without the operator:\n%s", s)
	}
	jail := filepath.Join(conf, "jail.d", "bouncefilter.local")
	if err := os.WriteFile(jail, []byte(strings.Replace(readFile(t, jail), "enabled  = false", "enabled  = true", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	s := dump()
	for _, want := range []string{"['add', 'bouncefilter', 'systemd']", "'bouncefilter', 'maxretry', 80]", "'_SYSTEMD_UNIT=bouncefilter.service'", "bad-signature|invalid-tag)"} {
		if !strings.Contains(s, want) {
			t.Errorf("no %q in\n%s", want, s)
		}
	}
}

// logwatch shows what the log of a day has, from the journal and from a file.
func TestLogwatch(t *testing.T) {
	t.Parallel()
	needProgram(t, "logwatch", "logwatch")
	for _, f := range logForms {
		if !f.journal && f.format == "json" {
			continue // the date of a line is at its beginning for logwatch
		}
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			d := loggingDaemon(t, f)
			d.misuse(t)
			d.write(t, "nonsense = 1\n")
			d.process.signal(syscall.SIGHUP)
			eventually(t, "the daemon says that it cannot reload", func() bool { return strings.Contains(d.logged(t, f, ""), "ERROR") })
			log := d.logged(t, f, "")
			dir := newFolder(t, "logwatch-")
			file := strings.ReplaceAll(readFile(t, "../logwatch/conf/logfiles/bouncefilter.conf"), "/var/log/bouncefilter.log", filepath.Join(dir, "log"))
			service := readFile(t, "../logwatch/conf/services/bouncefilter.conf")
			if !f.journal { // as the comment there says
				service = regexp.MustCompile(`(?m)^(LogFile|\*JournalCtl) .*\n`).ReplaceAllString(service, "")
				service = strings.Replace(service, "\n#LogFile", "\nLogFile", 1)
				old := time.Now().AddDate(0, 0, -3).Format("2006-01-02T15:04:05.000Z07:00")
				log += "time=" + old + ` level=INFO msg=bounce client=192.0.2.77 sender="<>" recipient="<>" reason=expired action=reject` + "\n"
			}
			if log += "something else\n"; !f.journal {
				log = strings.Replace(log, "something else", "time="+time.Now().Format("2006-01-02T15:04:05.000Z07:00")+" something else", 1)
			}
			if err := os.Mkdir(filepath.Join(dir, "etc"), 0o755); err != nil {
				t.Fatal(err)
			}
			install := exec.Command("sh", "-e", "-c", strings.Replace(codeBlocks(t, "deploy/manual.md", "Log", "sh")[0], "/etc/logwatch/", dir+"/etc/", 1))
			install.Dir = root
			if out, err := install.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			for name, text := range map[string]string{"log": log, "etc/conf/logfiles/bouncefilter.conf": file, "etc/conf/services/bouncefilter.conf": service,
				"bin/journalctl": "#!/bin/sh\necho \"$@\" > " + dir + "/asked\ncat " + dir + "/log\n"} {
				path := filepath.Join(dir, name)
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			// logwatch has its configuration in /etc: it gets a folder of its own there.
			script := "set -e\nmount --bind " + dir + "/etc /etc/logwatch\nexec logwatch --service bouncefilter --range today --detail med --format text --output stdout\n"
			cmd := exec.Command("unshare", "--mount", "sh", "-c", script)
			cmd.Env = append(os.Environ(), "PATH="+dir+"/bin:"+os.Getenv("PATH"))
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			for _, want := range []string{"bouncefilter Begin", "Verdicts (reason, action):", "  bad-signature, reject\n", "  invalid-tag, reject\n", "  untagged, reject\n",
				"Clients whose mail was refused, deferred or dropped:", "  " + guesser6 + "\n", "  " + deceiver + "\n", "Tests of check --live: 1\n", "Warnings and errors:", "  ERROR configuration not loaded", "Lines that cannot be read:\n          1  "} {
				if !strings.Contains(string(out), want) {
					t.Errorf("no %q", want)
				}
			}
			for _, not := range []string{victim + "\n", "192.0.2.77", tester + "\n"} {
				if strings.Contains(string(out), not) {
					t.Errorf("%q is in it", not)
				}
			}
			if f.journal {
				if asked := readFile(t, dir+"/asked"); !strings.Contains(asked, "--unit=bouncefilter.service --since today --until tomorrow") {
					t.Errorf("the journal is asked for %q", asked)
				}
			}
			if t.Failed() {
				t.Logf("%s", out)
			}
		})
	}
}
