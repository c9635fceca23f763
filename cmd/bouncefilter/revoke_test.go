package main

import (
	"encoding/json"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/keyring"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/probe"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/site"
	"github.com/bouncefilter/bouncefilter/filter/view"
	"github.com/bouncefilter/bouncefilter/store"
	"github.com/bouncefilter/bouncefilter/store/open"
)

// stranger is a client of another site.
var stranger = probe.Client{Name: "client.example.net", Address: netip.MustParseAddr("192.0.2.1")}

const (
	refusedAsRevoked = "550 5.7.1 Revoked tag: this bounce to a revoked tag is not accepted"
	taken            = "250 2.0.0 Ok: queued"
)

// deliver hands a message to a daemon and returns the reply that the client would get.
func (d *running) deliver(c probe.Client, from, to, text string) probe.Outcome {
	d.w.t.Helper()
	o, err := probe.Deliver("tcp", d.address(), c, probe.Message{From: from, To: to, Text: text})
	if err != nil {
		d.w.t.Fatal(err)
	}
	return o
}

// sign lets a user send the message that dsn answers, and returns the tagged sender.
func (d *running) sign(user string) string {
	d.w.t.Helper()
	client := probe.Client{Name: "client.example.net", Address: netip.MustParseAddr("192.0.2.5"), Login: "user"}
	o := d.deliver(client, user, "friend@example.net", "Message-ID: <sent@example.com>\nFrom: "+user+"\n\nHello\n")
	for _, c := range o.Changes {
		if c.From != "" {
			return strings.Trim(c.From, "<>")
		}
	}
	d.w.t.Fatalf("not signed: %+v", o)
	return ""
}

// namelessBounce is a bounce that names no message.
const namelessBounce = "From: mailer-daemon@example.net\nSubject: Undelivered Mail Returned to Sender\n\n" +
	"I could not deliver a message to <friend@example.net>: 550 5.1.1 User unknown\n"

// replay is a bounce that names no message.
func (d *running) replay(to string) string {
	return d.deliver(stranger, "", to, namelessBounce).Reply
}

// revoked returns what is revoked.
func (w *world) revoked(config string) []listedRevocation {
	w.t.Helper()
	r := w.run("revoke", "list", "--json", "-c", config)
	var list []listedRevocation
	if err := json.Unmarshal([]byte(r.stdout), &list); r.status != 0 || err != nil {
		w.t.Fatalf("%+v: %v", r, err)
	}
	return list
}

// storesToRevokeIn are the ways in which a revocation reaches a daemon.
func storesToRevokeIn(t *testing.T) map[string]string {
	redis, _ := startRedis(t)
	return map[string]string{"embedded": "", "memory": "memory:", "Redis": redis}
}

// startRedis starts a server of the test's own and returns its URL, or "" if there is none on this machine. It ends with the test,
// or when it is killed.
func startRedis(t *testing.T) (url string, kill func()) {
	t.Helper()
	if testing.Short() {
		return "", nil
	}
	if _, err := exec.LookPath("redis-server"); err != nil {
		if os.Getenv("BOUNCEFILTER_REQUIRE_SERVERS") != "" {
			t.Fatal("redis-server is missing; deploy/test installs it")
		}
		return "", nil
	}
	dir, err := os.MkdirTemp("", "bf-revoke") // not t.TempDir, whose path may be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	socket := filepath.Join(dir, "s")
	cmd := exec.Command("redis-server", "--port", "0", "--unixsocket", socket, "--save", "", "--appendonly", "no", "--dir", dir, "--logfile", filepath.Join(dir, "log"))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	kill = sync.OnceFunc(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // it was killed, which Wait reports
	})
	t.Cleanup(kill)
	for deadline := time.Now().Add(2 * time.Minute); !site.Exists(socket); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("redis-server does not listen")
		}
	}
	return "unix://" + socket + "?db=0", kill
}

func TestRevoke(t *testing.T) {
	for name, url := range storesToRevokeIn(t) {
		t.Run(name, func(t *testing.T) {
			if name == "Redis" && url == "" {
				t.Skip("redis-server is missing, or this is -short; deploy/test installs it")
			}
			t.Parallel()
			w := newWorld(t)
			w.now = time.Now() // the store's clock
			lines := "mode = \"enforce\"\n"
			if url != "" {
				lines += "store = \"" + url + "\"\n"
			}
			config := w.config(lines)
			d := w.start("-c", config)
			tagged := d.sign("user@example.com")
			if got := d.replay(tagged); got != taken {
				t.Fatalf("before: %s", got)
			}
			if got := w.revoked(config); len(got) != 0 {
				t.Fatalf("before: %+v", got)
			}
			for _, args := range [][]string{
				{"tag", strings.ToUpper(tagged)}, {"sender", "User@example.com", "--note", "harvested by a list"}, {"key", "0"},
			} {
				r := w.run(append([]string{"revoke", args[0], "-c", config}, args[1:]...)...)
				if r.status != 0 {
					t.Fatalf("%v: %+v", args, r)
				}
				contains(t, "hint", r.stderr, "hint: running daemons have it within seconds")
				id := regexp.MustCompile("; ID ([0-9a-f]{12}), in effect until 20").FindStringSubmatch(r.stdout)
				if id == nil {
					t.Fatalf("%v: %+v", args, r)
				}
				d.eventually("the replay is refused", func() bool { return d.replay(tagged) == refusedAsRevoked })
				if got := d.deliver(stranger, "", tagged, dsn("")).Reply; got != taken {
					t.Errorf("%v: the bounce of mail on record: %s", args, got)
				}
				if o := d.deliver(stranger, "friend@example.net", tagged, "Subject: answer\n\nYes\n"); o.Reply != taken || len(o.Changes) != 2 {
					t.Errorf("%v: ordinary mail: %+v", args, o)
				}
				list := w.revoked(config)
				if len(list) != 1 || list[0].ID != id[1] || list[0].Kind != args[0] || args[0] == "sender" && (list[0].Note != "harvested by a list" || list[0].Address != "user@example.com") {
					t.Errorf("%v: %+v", args, list)
				}
				contains(t, "words", w.run("revoke", "list", "-c", config).stdout, "ID            REVOKED", id[1], "of ")
				report := w.file("report.eml", namelessBounce, 0o600)
				if args[0] == "tag" {
					contains(t, "inspect", w.run("inspect", "-c", config, "--sender", "<>", "--recipient", tagged, report).stdout, "It is revoked, since 20", "Verdict: revoked, reject.")
					contains(t, "check", w.run("check", "--mta", "none", "-c", config).stdout, "revocations    1 in effect, see bouncefilter revoke list")
				}
				_, metrics := d.get("/metrics")
				contains(t, "metrics", metrics, "\nbouncefilter_revocations 1\n")
				if r := w.run("revoke", "remove", "-c", config, id[1]); r.status != 0 || r.stdout != "removed "+id[1]+"\n" {
					t.Errorf("%v: %+v", args, r)
				}
				d.eventually("the replay is accepted again", func() bool { return d.replay(tagged) == taken })
			}
		})
	}
}

// A second daemon learns of the revocation, and keeps it while the store does not answer.
func TestRevocationsReachAllHosts(t *testing.T) {
	url, kill := startRedis(t)
	if url == "" {
		t.Skip("redis-server is missing, or this is -short; deploy/test installs it")
	}
	w, other := newWorld(t), newWorld(t)
	w.now, other.now = time.Now(), time.Now()
	lines := "mode = \"enforce\"\nstore = \"" + url + "\"\n"
	config := w.config(lines)
	first := w.start("-c", config)
	for _, name := range []string{"state/hash.secret", "state/keys/keys.toml", "state/keys/key-0.secret"} {
		other.file(name, mustRead(t, w.path(name)), 0o600)
	}
	if err := os.Chmod(other.path("state"), 0o700); err != nil {
		t.Fatal(err)
	}
	second := other.start("-c", other.config(lines+"node = \"mx2\"\n"))
	tagged := first.sign("user@example.com")
	if got := second.replay(tagged); got != taken {
		t.Fatalf("before: %s", got)
	}
	if r := w.run("revoke", "sender", "-c", config, "user@example.com"); r.status != 0 {
		t.Fatalf("%+v", r)
	}
	for _, d := range []*running{first, second} {
		d.eventually("the replay is refused", func() bool { return d.replay(tagged) == refusedAsRevoked })
	}

	// Something that cannot be understood, by a later version or by a vandal.
	st, err := open.Open(t.Context(), url, open.Hasher(w.hasher(t)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := st.Publish(t.Context(), store.Broadcast{Topic: view.RevocationTopic, Name: "garbled", Value: []byte("x"), Expires: store.DayOf(w.now) + 9}, false); err != nil {
		t.Fatal(err)
	}
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	second.eventually("a warning", func() bool {
		return strings.Contains(second.stderr.String(), "revocations cannot be understood and are skipped")
	})
	if got := second.replay(tagged); got != refusedAsRevoked {
		t.Errorf("beside a garbled one: %s", got)
	}
	r := w.run("revoke", "list", "-c", config)
	contains(t, "list", r.stdout, "all tags of <user@example.com> that expire by ")
	contains(t, "list", r.stderr, "hint: the revocation garbled cannot be understood")
	if r := w.run("revoke", "remove", "-c", config, "garbled"); r.status != 0 {
		t.Errorf("%+v", r)
	}

	kill()
	for _, d := range []*running{first, second} {
		for range 3 {
			if got := d.replay(tagged); got != refusedAsRevoked {
				t.Errorf("while the store does not answer: %s", got)
			}
		}
		if got := d.deliver(stranger, "", tagged, dsn("")).Reply; got != taken {
			t.Errorf("the bounce of mail that may be on record, while the store does not answer: %s", got)
		}
	}
}

func TestControlSocketIsForItsOwner(t *testing.T) {
	w := newWorld(t)
	config, socket := w.config(""), w.path("state/control.sock")
	if err := os.Mkdir(w.path("state"), 0o700); err != nil {
		t.Fatal(err)
	}
	left, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket}) // what a killed process leaves behind
	if err != nil {
		t.Fatal(err)
	}
	left.SetUnlinkOnClose(false)
	if err := left.Close(); err != nil {
		t.Fatal(err)
	}
	d := w.start("-c", config)
	if info, err := os.Stat(socket); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info, err)
	}
	if got := w.revoked(config); len(got) != 0 {
		t.Errorf("%+v", got)
	}
	for _, path := range []string{"/broadcasts?topic=revocations&today=1", "/status", "/nodes", "/keys"} {
		if status, answer := d.get(path); status != http.StatusNotFound {
			t.Errorf("every user of this host can ask for %s: %d %s", path, status, answer)
		}
	}
	for _, tt := range []struct{ name, method, path, body string }{
		{"no day", http.MethodGet, "/broadcasts?topic=x", ""},
		{"no broadcast", http.MethodPost, "/broadcasts", "{"},
		{"no name", http.MethodPost, "/broadcasts", "{}"},
		{"no time", http.MethodPost, "/incomplete", ""},
	} {
		if status, answer := d.control(tt.method, tt.path, tt.body); status != http.StatusBadRequest {
			t.Errorf("%s: %d %s", tt.name, status, answer)
		}
	}
	d.stop()
	if site.Exists(socket) {
		t.Error("the socket outlives the daemon")
	}
}

func TestDaemonWithoutControlSocketServesMail(t *testing.T) {
	w := newWorld(t)
	w.now = time.Now()
	config := w.config("mode = \"enforce\"\n")
	w.start("-c", config).stop()
	w.file("state/control.sock", "not a socket", 0o600)
	d := w.start("-c", config)
	if got := d.replay(d.sign("user@example.com")); got != taken {
		t.Error(got)
	}
	contains(t, "log", d.stderr.String(), "no control socket: other commands cannot reach this daemon")
	r := w.run("revoke", "list", "-c", config)
	if r.status != 1 {
		t.Errorf("%+v", r)
	}
	contains(t, "error", r.stderr, "the daemon cannot be asked on "+w.path("state/control.sock"), "hint: its log says why it has no control socket")
}

// hasher is that of the world's hash secret.
func (w *world) hasher(t *testing.T) *store.Hasher {
	t.Helper()
	secret, err := keyring.ReadSecret(w.path("state/hash.secret"))
	if err != nil {
		t.Fatal(err)
	}
	return store.NewHasher(secret)
}
