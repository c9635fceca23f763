package main

import (
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
)

func TestServeRunsWithADomainAlone(t *testing.T) {
	w := newWorld(t)
	args := []string{"--domain", "example.com", "--state-dir", w.path("state"), "--listen", "tcp:127.0.0.1:0", "--http", "127.0.0.1:0"}
	d := w.start(args...)
	c, err := net.Dial("tcp", d.address())
	if err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
	for path, want := range map[string]string{"/healthz": "alive\n", "/readyz": "ready\n"} {
		if status, body := d.get(path); status != 200 || body != want {
			t.Errorf("%s: %d %q", path, status, body)
		}
	}
	_, metrics := d.get("/metrics")
	contains(t, "metrics", metrics, "bouncefilter_config_last_reload_successful 1\n", "bouncefilter_store_available 1\n", "go_goroutines ", "bouncefilter_build_info{version=")
	contains(t, "status", d.status(), `"name":"example.com","mode":"auto","signing_since":"","enforced_from":"","enforced":false`)

	r := d.stop()
	if r.status != 0 {
		t.Errorf("status %d", r.status)
	}
	contains(t, "main.cf", r.stdout, "smtpd_milters = inet:127.0.0.1:0\n", "non_smtpd_milters = inet:127.0.0.1:0\n", "milter_default_action = tempfail\n", "deploy/postfix")
	contains(t, "log", r.stderr, `msg="made a key" number=0 file=`+w.path("state/keys/key-0.secret"), "msg=stopping", "msg=summary interval=0s")
	if _, err := net.Dial("tcp", d.address()); err == nil {
		t.Error("it still listens")
	}
	if w.notified("READY=1") != 1 || w.notified("STOPPING=1") != 1 {
		t.Errorf("the service manager was notified of %v", w.states)
	}
	for _, path := range []string{"state", "state/keys"} {
		if info, err := os.Stat(w.path(path)); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
	}
	secrets := map[string]string{}
	for _, path := range []string{"state/keys/key-0.secret", "state/hash.secret"} {
		if info, err := os.Stat(w.path(path)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", path, info, err)
		}
		secrets[path] = mustRead(t, w.path(path))
	}

	// The next start uses what the first one made.
	r = w.start(args...).stop()
	if strings.Contains(r.stderr, "made") {
		t.Errorf("made something anew\n%s", r.stderr)
	}
	for path, secret := range secrets {
		if mustRead(t, w.path(path)) != secret {
			t.Errorf("%s was written over", path)
		}
		if strings.Contains(r.stdout+r.stderr, strings.TrimSpace(secret)) {
			t.Errorf("%s was printed", path)
		}
	}
}

func TestServeWithoutADomain(t *testing.T) {
	w := newWorld(t)
	r := w.run("serve", "--state-dir", w.path("state"))
	if r.status != 2 || r.stdout != "" {
		t.Errorf("got %+v", r)
	}
	contains(t, "error", r.stderr, `bouncefilter: error: domains: no domain is named; add domains = ["example.com"] above the first [table] of the configuration, domains_file or [[domain]], or serve --domain example.com`)
	if _, err := os.Lstat(w.path("state")); !os.IsNotExist(err) {
		t.Errorf("made the state directory all the same: %v", err)
	}
}

func TestServeOnAUnixSocket(t *testing.T) {
	w := newWorld(t)
	// Socket paths have 107 octets, temporary folders may take most of them.
	dir, err := os.MkdirTemp("", "bf")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	socket := dir + "/run/m.sock"
	args := []string{"-c", w.config(""), "--listen", "unix:" + socket, "--store", "memory:"}
	d := w.start(args...)
	if info, err := os.Stat(socket); err != nil || info.Mode().Perm() != 0o660 {
		t.Errorf("%v, %v", info, err)
	}
	second := newWorld(t)
	r := second.run("serve", "--domain", "example.com", "--state-dir", second.path("state"), "--http", "off", "--listen", "unix:"+socket)
	if r.status != 2 {
		t.Errorf("got %+v", r)
	}
	contains(t, "error", r.stderr, "bouncefilter: error: --listen: listen on unix:"+socket+": another process listens there")
	d.stop()
	if _, err := os.Lstat(socket); !os.IsNotExist(err) {
		t.Errorf("the socket stayed: %v", err)
	}
}

func TestReload(t *testing.T) {
	w := newWorld(t)
	d := w.start("-c", w.config(""))
	contains(t, "before", d.status(), `"mode":"auto"`)

	w.config("mode = \"enforce\"\n[log]\nlevel = \"debug\"\n")
	d.reload()
	contains(t, "a good configuration", d.status(), `"mode":"enforce"`)

	w.config("mode = \"on\"\nlifetime = 0\n")
	d.reload()
	contains(t, "a bad configuration", d.status(), `"mode":"enforce"`)
	contains(t, "log", d.stderr.String(), `level=ERROR msg="configuration not loaded, the old one stays in effect" problem="`+w.path("bouncefilter.toml")+`:6: mode: \"on\" is not a mode;`,
		`bouncefilter.toml:7: lifetime: 0 is too short`)
	_, metrics := d.get("/metrics")
	contains(t, "metrics", metrics, "bouncefilter_config_last_reload_successful 0\n")

	w.config("mode = \"monitor\"\nstore = \"memory:\"\nsocket_mode = \"0600\"\n")
	d.reload()
	contains(t, "what needs a restart", d.status(), `"mode":"enforce"`)
	contains(t, "log", d.stderr.String(), "socket_mode, store: cannot change while the daemon runs; restart it")

	secret := mustRead(t, w.path("state/keys/key-0.secret"))
	w.file("state/keys/key-0.secret", "", 0o600)
	w.config("mode = \"monitor\"\n")
	d.reload()
	contains(t, "a key that cannot be read", d.status(), `"mode":"enforce"`)
	contains(t, "log", d.stderr.String(), "key-0.secret: is empty")

	w.file("state/keys/key-0.secret", secret, 0o600)
	d.reload()
	contains(t, "all is well again", d.status(), `"mode":"monitor"`)
	if _, metrics = d.get("/metrics"); !strings.Contains(metrics, "bouncefilter_config_last_reload_successful 1\n") {
		t.Error("the metric says no")
	}
	if r := d.stop(); r.status != 0 || w.notified("RELOADING=1") != 5 || w.notified("READY=1") != 6 {
		t.Errorf("status %d, notified of %v", r.status, w.states)
	}
}

func TestFlagsStayInEffectAfterAReload(t *testing.T) {
	w := newWorld(t)
	d := w.start("-c", w.config(""), "--mode", "monitor")
	w.config("mode = \"enforce\"\n")
	d.reload()
	contains(t, "status", d.status(), `"mode":"monitor"`)
}

func TestServeStartsWithADamagedStore(t *testing.T) {
	w := newWorld(t)
	c := w.config("")
	w.start("-c", c).stop()
	if err := os.Truncate(w.path("state/state.db"), 9000); err != nil {
		t.Fatal(err)
	}
	d := w.start("-c", c)
	contains(t, "log", d.stderr.String(), "level=WARN", "store: ", "damaged-")
	d.eventually("ready", func() bool { status, _ := d.get("/readyz"); return status == 200 }) // once the file has answered in time
}

func TestServeStartsWithoutItsStoreAndSaysSo(t *testing.T) {
	w := newWorld(t)
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = closed.Close()
	d := w.start("-c", w.config("store = \"redis://user:hunter2@"+closed.Addr().String()+"/0\"\n"))
	if status, body := d.get("/readyz"); status != 503 || !strings.HasPrefix(body, "not ready: ") || strings.Contains(body, "hunter2") {
		t.Errorf("%d %s", status, body)
	}
	if status, body := d.get("/healthz"); status != 200 {
		t.Errorf("%d %s", status, body)
	}
	if status, body := d.control(http.MethodGet, "/status", ""); status != 503 || strings.Contains(body, "hunter2") {
		t.Errorf("%d %s", status, body)
	}
	r := d.stop()
	if r.status != 0 || strings.Contains(r.stdout+r.stderr, "hunter2") {
		t.Errorf("got %+v", r)
	}
	contains(t, "log", r.stderr, "copy keys and hash secret to every other host")
}

func TestServeStoreThatCannotBeOpened(t *testing.T) {
	w := newWorld(t)
	for _, url := range []string{"redis://user:hunter2@host:port/0", "mysql://user:hunter2@host/", "user:hunter2@host", "bolt:" + w.dir} {
		r := w.run("serve", "-c", w.config("store = \""+url+"\"\n"))
		if r.status != 2 || strings.Contains(r.stdout+r.stderr, "hunter2") {
			t.Errorf("%s: got %+v", url, r)
		}
		contains(t, url, r.stderr, "bouncefilter.toml:6: store: ")
	}
}

func TestAPasswordInAFlagIsWarnedAbout(t *testing.T) {
	w := newWorld(t)
	r := w.start("-c", w.config(""), "--store", "redis://user:hunter2@127.0.0.1:1/0").stop()
	if strings.Contains(r.stdout+r.stderr, "hunter2") {
		t.Errorf("got %+v", r)
	}
	contains(t, "log", r.stderr, "every user of this host can see the password in --store")
}

func TestTheDefaultPortForMetricsMayBeTaken(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	w := newWorld(t)
	r := w.run("serve", "-c", w.config(""), "--http", taken.Addr().String())
	if r.status != 2 {
		t.Errorf("a chosen one: got %+v", r)
	}
	contains(t, "a chosen one", r.stderr, "bouncefilter: error: --http: \""+taken.Addr().String()+"\" cannot be listened on")

	if ln, err := net.Listen("tcp", "127.0.0.1:8767"); err == nil {
		defer func() { _ = ln.Close() }()
	} // else another process has it, which is as good
	d := w.start("--domain", "example.com", "--state-dir", w.path("other"), "--listen", "tcp:127.0.0.1:0")
	contains(t, "the default", d.stderr.String(), "no metrics and no health checks: cannot listen on the default address; set http")
}

func TestLogAsJSON(t *testing.T) {
	w := newWorld(t)
	r := w.start("-c", w.config(""), "--log-format", "json").stop()
	for line := range strings.Lines(r.stderr) {
		if !strings.HasPrefix(line, `{"time":"`) || !strings.HasSuffix(line, "}\n") {
			t.Errorf("not JSON: %s", line)
		}
	}
	contains(t, "log", r.stderr, `"msg":"summary","interval":"0s","signed":0`)
}

func TestAPublicAddressIsWarnedAbout(t *testing.T) {
	w := newWorld(t)
	// A documentation address (RFC 5737), which no host has: listening fails after the warning.
	c := w.config("")
	r := w.run("serve", "-c", c, "--listen", "tcp:192.0.2.1:1")
	if r.status != 2 {
		t.Errorf("got %+v", r)
	}
	contains(t, "log", r.stderr, "every client that can connect can have any address signed", "bouncefilter: error: --listen: listen on tcp:192.0.2.1:1")
}

func TestServeWhereItMayNotWrite(t *testing.T) {
	w := newWorld(t)
	file := w.file("file", "", 0o600)
	r := w.run("serve", "--domain", "example.com", "--state-dir", file+"/state", "--http", "off")
	if r.status != 2 || r.stdout != "" {
		t.Errorf("got %+v", r)
	}
	contains(t, "error", r.stderr, `bouncefilter: error: --state-dir: "`+file+`/state" cannot be made: `)
}

// The journal of systemd gets each line with its severity and without a time: those of the log, and the error for which the daemon does
// not start.
func TestLogForTheJournal(t *testing.T) {
	w := newWorld(t)
	w.journal = true
	d := w.start("-c", w.config(""))
	d.stop()
	for line := range strings.Lines(d.stderr.String()) {
		if !strings.HasPrefix(line, "<6>level=INFO msg=") && !strings.HasPrefix(line, "<4>level=WARN msg=") {
			t.Errorf("logged %q", line)
		}
	}
	r := w.run("serve", "-c", w.file("wrong.toml", "nonsense = 1\n", 0o600))
	if lines := strings.Split(strings.TrimSpace(r.stderr), "\n"); r.status != exitUsage || len(lines) < 2 {
		t.Errorf("%d: %s", r.status, r.stderr)
	}
	for line := range strings.Lines(r.stderr) {
		if !strings.HasPrefix(line, "<3>") {
			t.Errorf("said %q", line)
		}
	}
}
