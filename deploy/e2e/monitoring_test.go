package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/d--j/go-milter"
)

const monitoring = "deploy/monitoring/README.md"

// needPrometheus is needServers for tests with Prometheus and promtool.
func needPrometheus(t *testing.T) {
	t.Helper()
	needProgram(t, "prometheus", "prometheus")
	needProgram(t, "promtool", "prometheus")
}

// prometheus is a server with a configuration of its own.
type prometheus struct {
	config  string // path of its configuration
	address string
	process *process
}

// startPrometheus starts a server that scrapes nothing yet.
func startPrometheus(t *testing.T) *prometheus {
	t.Helper()
	dir := newFolder(t, "prometheus-")
	p := &prometheus{config: filepath.Join(dir, "prometheus.yml"), address: "127.0.0.1:" + itoa(freePort(t))}
	p.write(t, "")
	p.process = start(t, "prometheus", "prometheus", "--config.file="+p.config, "--storage.tsdb.path="+filepath.Join(dir, "data"),
		"--web.listen-address="+p.address)
	eventually(t, "Prometheus is ready", func() bool {
		resp, err := http.Get("http://" + p.address + "/-/ready")
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
	return p
}

// write writes the configuration: that of the manual, with scrapes and evaluations every second.
func (p *prometheus) write(t *testing.T, config string) {
	t.Helper()
	if err := os.WriteFile(p.config, []byte("global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}\n"+config), 0o644); err != nil {
		t.Fatal(err)
	}
}

// ask asks the API of Prometheus and reads what it answers.
func (p *prometheus) ask(t *testing.T, path string, data any) {
	t.Helper()
	resp, err := http.Get("http://" + p.address + path)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer := struct {
		Status, Error string
		Warnings      []string
		Data          any
	}{Data: data}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || answer.Status != "success" || len(answer.Warnings) > 0 {
		t.Fatalf("%s: %v %s %s %q", path, err, answer.Status, answer.Error, answer.Warnings)
	}
}

// sample is a series in the answer to a query, and its value.
type sample struct {
	Metric map[string]string
	Value  [2]any // time, value
}

func (p *prometheus) query(t *testing.T, expr string) []sample {
	t.Helper()
	var data struct{ Result []sample }
	p.ask(t, "/api/v1/query?query="+url.QueryEscape(expr), &data)
	return data.Result
}

const monitoringBounce = "From: MAILER-DAEMON@world.example\nSubject: Undelivered Mail Returned to Sender\nMIME-Version: 1.0\n" +
	"Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\n\nUser unknown\n\n--b\nContent-Type: message/delivery-status\n\n" +
	"Reporting-MTA: dns; mx.world.example\n\nFinal-Recipient: rfc822; friend@world.example\nAction: failed\nStatus: 5.1.1\n\n--b--\n"

// monitoredDaemon has domains of all modes, and all metrics.
func monitoredDaemon(t *testing.T) *daemon {
	t.Helper()
	needPrometheus(t)
	dir := newFolder(t, "daemon-")
	d := newDaemon(t, dir, "memory:", false, "", "\n[socketmap]\nlisten = \"tcp:127.0.0.1:"+itoa(freePort(t))+"\"\n\n"+
		"[events]\nfile = \""+filepath.Join(dir, "events.jsonl")+"\"\n\n"+
		"[[domain]]\nname = \"auto.example\"\nmode = \"auto\"\n")
	d.start(t)
	return d
}

// traffic is mail of the usual sorts.
func (d *daemon) traffic(t *testing.T) {
	t.Helper()
	d.signMessage(t, "user@virt.example")
	d.signMessage(t, "user@auto.example")
	for recipient, want := range map[string]milter.ActionType{
		d.sign(t, "user@auto.example", time.Now()): milter.ActionAccept,
		"user@auto.example":                        milter.ActionAccept,
		"user@virt.example":                        milter.ActionRejectWithCode,
	} {
		if got := d.offer(t, offered{client: "192.0.2.1", to: recipient, text: monitoringBounce}); got != want {
			t.Errorf("a bounce to %s: %v, want %v", recipient, got, want)
		}
	}
}

// What the manual has an operator do to Prometheus makes all queries of the dashboard answer, and all rules hold.
func TestMonitoring(t *testing.T) {
	t.Parallel()
	d := monitoredDaemon(t)
	d.signMessage(t, "user@auto.example")
	p := startPrometheus(t)
	folder := filepath.Dir(p.config)
	names := strings.NewReplacer("127.0.0.1:8767", d.http, "/etc/prometheus", folder, "systemctl reload prometheus", "kill -HUP "+itoa(p.process.cmd.Process.Pid))
	p.write(t, names.Replace(codeBlocks(t, monitoring, "Prometheus", "yaml")[0]))
	for _, commands := range codeBlocks(t, monitoring, "Prometheus", "sh") {
		sh := exec.Command("sh", "-e", "-c", names.Replace(commands))
		sh.Dir = filepath.Join(root, filepath.Dir(monitoring))
		if out, err := sh.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s\n%s", err, commands, out)
		}
	}
	scrapes := func(n int) {
		t.Helper()
		eventually(t, "Prometheus has scraped bouncefilter", func() bool {
			return len(p.query(t, fmt.Sprintf(`count_over_time(up{job="bouncefilter"}[10m]) >= %d`, n))) == 1
		})
	}
	scrapes(3)
	d.traffic(t)
	eventually(t, "the daemon knows that auto.example signs", func() bool {
		return d.metric(t, "bouncefilter_domain_enforced_from_timestamp_seconds") > 0
	})
	scrapes(10)
	eventually(t, "Prometheus knows it, too", func() bool { return len(p.query(t, "bouncefilter_domain_enforced_from_timestamp_seconds > 0")) == 1 })

	t.Run("dashboard", func(t *testing.T) { p.testDashboard(t) })
	t.Run("first event", func(t *testing.T) {
		if got := p.query(t, `increase(bouncefilter_messages_total{domain="virt.example", reason="untagged", action="reject"}[10m]) > 0`); len(got) != 1 {
			t.Errorf("the first refusal is no increase: %v", got)
		}
	})
	t.Run("rules", func(t *testing.T) { p.testRules(t) })
	d.process.end(t, syscall.SIGTERM)
	eventually(t, "Prometheus notices that bouncefilter is down", func() bool {
		return len(p.query(t, `ALERTS{alertname="BouncefilterDown", alertstate="pending"}`)) == 1
	})
}

// testDashboard asks Prometheus what the dashboard asks.
func (p *prometheus) testDashboard(t *testing.T) {
	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
		Templating struct {
			List []struct{ Type, Definition string }
		}
	}
	if err := json.Unmarshal([]byte(readManual(t, "deploy/monitoring/grafana-dashboard.json")), &dashboard); err != nil {
		t.Fatal(err)
	}
	queries := 0
	for _, panel := range dashboard.Panels {
		for _, target := range panel.Targets {
			queries++
			expr := strings.NewReplacer("$__rate_interval", "1m", "$instance", ".*", "$domain", ".*").Replace(target.Expr)
			if strings.Contains(expr, "$") {
				t.Errorf("%s: unknown variable in %s", panel.Title, expr)
			}
			if len(p.query(t, expr)) == 0 {
				t.Errorf("%s: no data for %s", panel.Title, expr)
			}
		}
	}
	if queries < 25 {
		t.Errorf("only %d queries", queries)
	}
	for _, v := range dashboard.Templating.List {
		if v.Type != "query" {
			continue
		}
		m := regexp.MustCompile(`^label_values\((\w+), (\w+)\)$`).FindStringSubmatch(v.Definition)
		if m == nil {
			t.Fatalf("variable %q", v.Definition)
		}
		var values []string
		if p.ask(t, "/api/v1/label/"+m[2]+"/values?match[]="+m[1], &values); len(values) == 0 {
			t.Errorf("no values of %s", v.Definition)
		}
	}
}

// testRules sees that all rules are evaluated, and that no alert fires about a daemon that is well.
func (p *prometheus) testRules(t *testing.T) {
	var loaded struct {
		Groups []struct {
			Rules []struct {
				Name, Health, LastError string
				Alerts                  []any
			}
		}
	}
	count := 0
	p.ask(t, "/api/v1/rules", &loaded)
	for _, group := range loaded.Groups {
		for _, rule := range group.Rules {
			count++
			if rule.Health != "ok" || len(rule.Alerts) > 0 {
				t.Errorf("%s: %s %s %v", rule.Name, rule.Health, rule.LastError, rule.Alerts)
			}
		}
	}
	if want := strings.Count(readManual(t, "deploy/monitoring/bouncefilter.rules.yml"), "- alert: "); count != want || count < 10 {
		t.Errorf("%d rules are loaded, want %d", count, want)
	}
}

// The daemon has the metrics of the manual and no others, with valid names and help texts.
func TestMetricsOfTheDaemon(t *testing.T) {
	t.Parallel()
	d := monitoredDaemon(t)
	d.traffic(t)
	_, text := d.get("/metrics")
	check := exec.Command("promtool", "check", "metrics")
	check.Stdin = strings.NewReader(text)
	if out, err := check.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("promtool check metrics: %v\n%s", err, out)
	}
	var metrics, documented []string
	for _, m := range regexp.MustCompile(`(?m)^# TYPE (bouncefilter_\w+) `).FindAllStringSubmatch(text, -1) {
		metrics = append(metrics, m[1])
	}
	_, rows, _ := strings.Cut(readManual(t, "deploy/manual.md"), "<!-- metrics: held by a test -->\n")
	rows, _, _ = strings.Cut(rows, "\n\n")
	for _, m := range regexp.MustCompile("(?m)^\\| `(bouncefilter_\\w+)`").FindAllStringSubmatch(rows, -1) {
		documented = append(documented, m[1])
	}
	slices.Sort(metrics)
	slices.Sort(documented)
	if !slices.Equal(metrics, documented) {
		t.Errorf("the daemon has\n%q\nthe manual has\n%q", metrics, documented)
	}
}
