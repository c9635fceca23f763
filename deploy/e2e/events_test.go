package e2e

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

// bounceEvent is what a consumer reads of an event.
type bounceEvent struct {
	ID        string `json:"id"`
	Sender    string `json:"sender"`
	Recipient string `json:"recipient"`
	Action    string `json:"action"`
	Status    string `json:"status"`
	MessageID string `json:"message_id"`
	Method    string `json:"method"`
}

// receiver is an application with an HTTP hook, which verifies signatures on its own.
type receiver struct {
	*httptest.Server
	secret []byte

	mu     sync.Mutex
	status int // of its answers
	tries  int
	faults []string
	taken  []bounceEvent
}

func newReceiver(t *testing.T, secret []byte) *receiver {
	r := &receiver{secret: secret, status: http.StatusServiceUnavailable}
	r.Server = httptest.NewServer(http.HandlerFunc(r.serve))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) serve(w http.ResponseWriter, q *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	body, err := io.ReadAll(q.Body)
	var e bounceEvent
	if err == nil {
		err = json.Unmarshal(body, &e)
	}
	h := q.Header
	mac := hmac.New(sha256.New, r.secret)
	mac.Write([]byte(h.Get("webhook-id") + "." + h.Get("webhook-timestamp") + "." + string(body)))
	want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	if err != nil || h.Get("webhook-signature") != want || h.Get("webhook-id") != e.ID {
		r.faults = append(r.faults, fmt.Sprintf("%v %v %s", err, h, body))
	}
	r.tries++
	w.WriteHeader(r.status)
	if r.status == http.StatusOK {
		r.taken = append(r.taken, e)
	}
}

func (r *receiver) answer(status int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status = status
}

func (r *receiver) events() (taken []bounceEvent, tries int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.taken), r.tries
}

// says says whether an event has what another one has, as far as that has status and Message-ID.
func (e bounceEvent) says(o bounceEvent) bool {
	return e.Sender == o.Sender && e.Recipient == o.Recipient && e.Action == o.Action && e.Method == o.Method &&
		(o.Status == "" || e.Status == o.Status) && (o.MessageID == "" || e.MessageID == o.MessageID)
}

// eventsIn reads events from lines.
func eventsIn(t *testing.T, text string) (all []bounceEvent) {
	t.Helper()
	for line := range strings.Lines(text) {
		var e bounceEvent
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("%v: %q", err, line)
		}
		all = append(all, e)
	}
	return all
}

// Genuine bounces of a real Postfix become events in a file, a Redis stream and an HTTP hook: those that come from outside and those that
// Postfix writes itself. Backscatter does not. A receiver that is down, and a daemon that is killed, lose none of them.
func TestEvents(t *testing.T) {
	t.Parallel()
	needServers(t)
	dir := newFolder(t, "events-")
	server := newRedis(t, dir)
	chapter := readManual(t, "deploy/manual.md")
	user := regexp.MustCompile(`(?m)^redis-cli (ACL SETUSER bouncefilter-events .*)$`).FindStringSubmatch(chapter)
	if user == nil {
		t.Fatal("deploy/manual.md makes no user for the stream")
	}
	execute(t, "sh", "-c", "redis-cli -e -s "+server.socket+" "+user[1])
	key := []byte("thirty-two octets of no secret..")
	hook := newReceiver(t, key)
	secret, file := filepath.Join(dir, "secret"), filepath.Join(dir, "events.jsonl")
	if err := os.WriteFile(secret, []byte("whsec_"+base64.StdEncoding.EncodeToString(key)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := newSite(t, siteOptions{settings: []string{"internal_mail_filter_classes = bounce"}, config: fmt.Sprintf(`
[events]
file = %q
redis = "unix://bouncefilter-events:password@%s"
http = "%s/hook?token=hunter2"
secret_file = %q
`, file, server.socket, hook.URL, secret)})
	stream := func() (all []bounceEvent) {
		out := server.cli(t, "--json", "XRANGE", "bouncefilter-events", "-", "+")
		var entries [][2]any
		if err := json.Unmarshal([]byte(out), &entries); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		for _, e := range entries {
			fields := e[1].([]any)
			all = append(all, eventsIn(t, fields[3].(string))...)
			if fields[1] != all[len(all)-1].ID {
				t.Errorf("entry %v", fields)
			}
		}
		return all
	}
	written := func() []bounceEvent {
		text, _ := os.ReadFile(file) // not there before the first
		return eventsIn(t, string(text))
	}

	// A bounce from outside, and backscatter.
	from := "user@virt.example"
	sent := s.send(t, from, "friend@remote.example")
	report := postfixDSN(sent.sender, sent.text)
	forged := postfixDSN(from, newMessage(from, "friend@remote.example").text)
	if got := s.attempt(t, "", from, forged); !strings.HasPrefix(got, "5") {
		t.Errorf("backscatter: %s", got)
	}
	handIn(t, outsider, s.postfix.smtp, "", sent.sender, report)
	s.mailbox(from).await(t, report.mark)
	// Mail that the next server refuses, whose bounce Postfix writes itself.
	refused := newMessage(from, "reject@remote.example")
	c := s.submit(t)
	c.send(from, []string{"reject@remote.example"}, refused.text)
	c.quit()
	s.mta.drain(t)
	s.mailbox(from).await(t, refused.mark)

	eventually(t, "two events in the file and in the stream", func() bool { return len(written()) == 2 && len(stream()) == 2 })
	events := written()
	if !slices.Equal(events, stream()) {
		t.Errorf("the file has %+v, the stream %+v", events, stream())
	}
	for i, want := range []bounceEvent{ // without what differs from run to run
		{Sender: from, Recipient: "friend@remote.example", Action: "failed", Method: "tag"},
		{Sender: from, Recipient: "reject@remote.example", Action: "failed", Method: "message-id", Status: "5.1.1", MessageID: refused.mark + "@client.example"},
	} {
		if got := events[i]; !got.says(want) {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}

	// The daemon is killed while the hook is down.
	eventually(t, "the hook is tried again", func() bool { _, tries := hook.events(); return tries >= 2 })
	s.daemon.kill(t)
	if log := s.daemon.process.out.String(); strings.Contains(log, "hunter2") || !strings.Contains(log, `msg="events are not taken, trying again" sink=http error="post an event: status 503"`) {
		t.Errorf("the log:\n%s", lastLines(log, 10))
	}
	hook.answer(http.StatusOK)
	s.daemon.start(t)
	eventually(t, "the hook has what it lacked", func() bool { taken, _ := hook.events(); return len(taken) == 2 })
	if taken, _ := hook.events(); !slices.Equal(taken, events) {
		t.Errorf("the hook has %+v, the file %+v", taken, events)
	}
	if len(hook.faults) > 0 {
		t.Errorf("requests at fault: %q", hook.faults)
	}

	// The file is rotated as the manual says, and one more bounce comes. IDs are new, and nothing comes twice.
	rotateEvents(t, file)
	sent = s.send(t, from, "friend@remote.example")
	report = postfixDSN(sent.sender, sent.text)
	handIn(t, outsider, s.postfix.smtp, "", sent.sender, report)
	s.mailbox(from).await(t, report.mark)
	eventually(t, "the third event is everywhere", func() bool {
		taken, _ := hook.events()
		return len(written()) == 1 && len(stream()) == 3 && len(taken) == 3
	})
	for _, e := range events {
		if e.ID == written()[0].ID {
			t.Errorf("the ID of the third event is that of another one")
		}
	}
	if before := eventsIn(t, readFile(t, file+".1")); !slices.Equal(before, events) {
		t.Errorf("the former file has %+v", before)
	}
	checkEvents(t, s.daemon, hook.URL)
}

// checkEvents holds what metrics and check say of the events of TestEvents.
func checkEvents(t *testing.T, d *daemon, hook string) {
	t.Helper()
	for metric, want := range map[string]string{
		`bouncefilter_events_total{result="delivered",sink="file"}`: "1", `bouncefilter_events_total{result="delivered",sink="http"}`: "3",
		`bouncefilter_events_total{result="delivered",sink="redis"}`: "1", `bouncefilter_events_total{result="dropped",sink="http"}`: "0",
		`bouncefilter_events_pending{sink="http"}`: "0",
	} {
		if _, text := d.get("/metrics"); !strings.Contains(text, "\n"+metric+" "+want+"\n") {
			t.Errorf("no %s %s in\n%s", metric, want, regexp.MustCompile(`(?m)^bouncefilter_events.*$`).FindAllString(text, -1))
		}
	}
	out, status := d.run(t, "check", "--config", d.config, "--mta", "none")
	if status != 0 || strings.Contains(out, "hunter2") || strings.Contains(out, "password") || !strings.Contains(out, "http: "+hook+", signed") {
		t.Errorf("check: exit status %d\n%s", status, out)
	}
}

// rotateEvents rotates a file of events with the logrotate of the machine and the configuration of the manual.
func rotateEvents(t *testing.T, file string) {
	t.Helper()
	if _, err := exec.LookPath("logrotate"); err != nil {
		if os.Getenv(requireServers) != "" {
			t.Fatal("logrotate is missing")
		}
		t.Log("logrotate is missing: the file is renamed instead")
		if err := os.Rename(file, file+".1"); err != nil {
			t.Fatal(err)
		}
		return
	}
	text := strings.NewReplacer("/var/lib/bouncefilter/events.jsonl", file, "su bouncefilter bouncefilter", "su root root").
		Replace(codeBlocks(t, "deploy/manual.md", "Events", "text")[0])
	config := filepath.Join(t.TempDir(), "logrotate.conf")
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	execute(t, "logrotate", "--force", "--state", config+".state", config)
}

// Under the unit, events are written below the state directory, and reach a receiver on another host once the operator allows it as the
// manual says. They wait in spools, as after a restart.
func TestEventsUnderTheUnit(t *testing.T) {
	t.Parallel()
	install := strings.Replace(strings.Join(codeBlocks(t, readme, "Install", "sh"), "\n"), "go build -o bouncefilter ./cmd/bouncefilter\n", "", 1)
	secret := strings.TrimSpace(codeBlocks(t, "deploy/manual.md", "Events", "sh")[1])
	out := underSystemd(t, `
ip address add 192.0.2.1/32 dev lo
redis-server --bind 192.0.2.1 --protected-mode no --save '' --daemonize yes > /dev/null
systemctl daemon-reload
`+install+"\n"+secret+`
sed -i 's|^#.events.$|[events]\nfile = "/var/lib/bouncefilter/events.jsonl"\nredis = "redis://192.0.2.1"\nhttp = "http://127.0.0.1:1"\nsecret_file = "/etc/bouncefilter/events.secret"|' /etc/bouncefilter/bouncefilter.toml
systemctl stop bouncefilter
for sink in file redis; do
	printf 'bouncefilter-events 1 00000000000000000043\n{"id":"evt_1"}\n' > /var/lib/bouncefilter/events-$sink.spool
	chown bouncefilter /var/lib/bouncefilter/events-$sink.spool
done
await() { for i in $(seq 300); do eval "$1" && echo "$2" && return; sleep 0.1; done; echo "not: $2"; }
systemctl start bouncefilter
await 'grep -q evt_1 /var/lib/bouncefilter/events.jsonl' "the file has the event"
stat -c 'file: %A %U' /var/lib/bouncefilter/events.jsonl
await 'journalctl --no-pager --unit bouncefilter | grep -q sink=redis' "the stream is not allowed"
echo "entries: $(redis-cli -h 192.0.2.1 XLEN bouncefilter-events)"
`+dropIn("events", codeBlocks(t, "deploy/manual.md", "Events", "ini")[0])+`systemctl restart bouncefilter
await 'test "$(redis-cli -h 192.0.2.1 XLEN bouncefilter-events)" = 1' "the stream is reached"
bouncefilter check --mta none --config /etc/bouncefilter/bouncefilter.toml
`)
	for _, want := range []string{"the file has the event", "file: -rw------- bouncefilter", "the stream is not allowed", "entries: 0", "the stream is reached"} {
		if !strings.Contains(out, want+"\n") || strings.Contains(out, "not: "+want) {
			t.Errorf("no %q in\n%s", want, lastLines(out, 40))
		}
	}
}
