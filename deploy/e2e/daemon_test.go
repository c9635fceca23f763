package e2e

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// daemon is bouncefilter serve.
type daemon struct {
	dir     string
	config  string // path of the configuration file
	program string
	http    string   // address of metrics and health
	milter  string   // as Postfix writes the address
	within  []string // what runs the program elsewhere: ip netns exec NAME
	stderr  *os.File // where its log goes; nil for the output of the process
	process *process
}

// newDaemon writes a configuration: what a site needs, with options and tables that the test adds. It does not start the daemon.
func newDaemon(t *testing.T, dir, store string, unixSocket bool, options, tables string) *daemon {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	d := &daemon{dir: dir, config: filepath.Join(dir, "bouncefilter.toml"), program: bouncefilter(t), http: "127.0.0.1:" + itoa(freePort(t))}
	listen := "tcp:127.0.0.1:" + itoa(freePort(t))
	d.milter = strings.Replace(listen, "tcp:", "inet:", 1)
	if unixSocket {
		listen = "unix:" + filepath.Join(dir, "milter.sock")
		d.milter = listen
	}
	if !strings.Contains(options, "store_timeout = ") {
		options += "\nstore_timeout = \"1m\"" // a store that is slow, as everything is on a busy machine, is no outage
	}
	d.write(t, fmt.Sprintf(daemonConfig, listen, d.http, filepath.Join(dir, "state"), store, options)+tables)
	return d
}

// daemonConfig is a site's configuration. 127.0.0.1 is not among the networks, because that is where Postfix itself
// connects from when it delivers a bounce to itself through the world.
const daemonConfig = `domains = ["local.example", "virt.example", "alias.example", "relay.example"]
mode = "enforce"
hostname = "mx.local.example"
listen = ["%s"]
socket_group = "postfix"
http = "%s"
state_dir = "%s"
store = "%s"
%s

[outbound]
networks = ["127.0.0.2/32"]

[log]
level = "debug"
`

// newLoneDaemon is newDaemon with a store in memory and nothing around it.
func newLoneDaemon(t *testing.T) *daemon {
	t.Helper()
	needServers(t)
	return newDaemon(t, newFolder(t, "daemon-"), "memory:", false, "", "")
}

func (d *daemon) write(t *testing.T, config string) {
	t.Helper()
	if err := os.WriteFile(d.config, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (d *daemon) read(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(d.config)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// start starts the daemon and waits until it is ready. It ends with the test.
func (d *daemon) start(t *testing.T) {
	t.Helper()
	d.startUntil(t, "/readyz")
}

// startUntil starts the daemon and waits until it says yes to a question.
func (d *daemon) startUntil(t *testing.T, question string) {
	t.Helper()
	d.process = startTo(t, "bouncefilter", d.stderr, slices.Concat(d.within, []string{d.program, "serve", "--config", d.config})...)
	eventually(t, "bouncefilter says yes to "+question, func() bool {
		select {
		case <-d.process.done:
			t.Fatalf("bouncefilter ended:\n%s", d.process.out)
		default:
		}
		status, _ := d.get(question)
		return status == http.StatusOK
	})
}

// kill ends the daemon as a crash would.
func (d *daemon) kill(t *testing.T) {
	t.Helper()
	d.process.end(t, syscall.SIGKILL)
}

// run runs another command of the program with the daemon's configuration and returns its output and exit status.
func (d *daemon) run(t *testing.T, arguments ...string) (string, int) {
	t.Helper()
	p := start(t, "bouncefilter "+arguments[0], append([]string{d.program}, arguments...)...)
	<-p.done
	return p.out.String(), p.cmd.ProcessState.ExitCode()
}

// sign returns a signed address as of a day, without the daemon's knowing.
func (d *daemon) sign(t *testing.T, address string, at time.Time) string {
	t.Helper()
	out, status := d.run(t, "sign", "--config", d.config, "--at", at.UTC().Format(time.RFC3339), address)
	if status != 0 {
		t.Fatalf("bouncefilter sign %s: exit status %d\n%s", address, status, out)
	}
	return strings.TrimSpace(out)
}

func (d *daemon) get(path string) (int, string) {
	client := http.Client{Timeout: patience}
	resp, err := client.Get("http://" + d.http + path)
	if err != nil {
		return 0, ""
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(body)
}

// metric returns the sum of a metric over all series that have these labels, written as in `reason="expired"`.
func (d *daemon) metric(t *testing.T, name string, labels ...string) float64 {
	t.Helper()
	status, body := d.get("/metrics")
	if status != http.StatusOK {
		t.Fatalf("/metrics: status %d", status)
	}
	sum := 0.0
	for line := range strings.Lines(body) {
		series, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		if base, _, _ := strings.Cut(series, "{"); base != name || !containsAll(series, labels) {
			continue
		}
		v, err := strconv.ParseFloat(value, 64)
		if err != nil {
			t.Fatalf("/metrics: %q", line)
		}
		sum += v
	}
	return sum
}

// record is a line of the daemon's log.
type record map[string]string

// records returns the log from an offset on.
func (d *daemon) records(offset int) []record {
	var rs []record
	lines := bufio.NewScanner(strings.NewReader(d.process.out.from(offset)))
	for lines.Scan() {
		rs = append(rs, parseLogfmt(lines.Text()))
	}
	return rs
}

// awaitRecord waits for a line with these attributes after an offset in the log and returns it.
func (d *daemon) awaitRecord(t *testing.T, offset int, want record) record {
	t.Helper()
	var found record
	eventually(t, fmt.Sprintf("log line with %v", want), func() bool {
		for _, r := range d.records(offset) {
			if r.has(want) {
				found = r
				return true
			}
		}
		return false
	})
	return found
}

func (r record) has(want record) bool {
	for k, v := range want {
		if r[k] != v {
			return false
		}
	}
	return true
}

// parseLogfmt reads key=value pairs; values may be quoted as Go strings.
func parseLogfmt(line string) record {
	r := record{}
	for line = strings.TrimSpace(line); line != ""; line = strings.TrimLeft(line, " ") {
		key, rest, found := strings.Cut(line, "=")
		if !found {
			return r
		}
		value, after := rest, ""
		if strings.HasPrefix(rest, `"`) {
			quoted, err := strconv.QuotedPrefix(rest)
			if err != nil {
				return r
			}
			value, _ = strconv.Unquote(quoted)
			after = rest[len(quoted):]
		} else {
			value, after, _ = strings.Cut(rest, " ")
		}
		r[key], line = value, after
	}
	return r
}

func containsAll(s string, parts []string) bool {
	for _, p := range parts {
		if !strings.Contains(s, p) {
			return false
		}
	}
	return true
}

func itoa(n int) string { return strconv.Itoa(n) }
