package main

import (
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/keyring"
	"github.com/bouncefilter/bouncefilter/store"
	"github.com/bouncefilter/bouncefilter/store/bolt"
)

// enforced is a site whose daemon has run once, and has sent the message that dsn answers, to two recipients.
func enforced(t *testing.T, w *world) (config string) {
	t.Helper()
	w.now = time.Now() // the clock of the store, whose record must not begin after the first message
	config = w.config("mode = \"enforce\"\n")
	w.start("-c", config).stop()
	secret, err := keyring.ReadSecret(w.path("state/hash.secret"))
	if err != nil {
		t.Fatal(err)
	}
	s, err := bolt.Open(w.path("state/state.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	today := store.DayOf(w.now)
	key := store.NewHasher(secret).Message("user@example.com", "sent@example.com")
	if err := s.Record(t.Context(), today, "example.com", store.Record{Key: key, Expires: today + 30, Count: 2}); err != nil {
		t.Fatal(err)
	}
	return config
}

func TestInspectTellsTheVerdict(t *testing.T) {
	w := newWorld(t)
	config := enforced(t, w)
	report := w.file("report.eml", dsn("Not delivered."), 0o600)
	steps := `  for <user@example.com>:
    1. The envelope sender is the null sender <>, so this may be a bounce.
    2. The recipient's domain example.com is ours, in mode enforce.
    3. The recipient carries no tag.
    4. By its content it is a bounce, and answers <sent@example.com>.
    5. The record is complete since `
	proven := `    6. <sent@example.com> is on record as sent by <user@example.com> to 2 recipients, and has proven 0 bounces of at most 520.
    7. Verdict: valid-message, accept. The message proves that it answers mail this recipient sent.
`
	verdict := func(args ...string) result {
		t.Helper()
		r := w.run(append([]string{"inspect", "-c", config}, args...)...)
		if r.status != 0 || r.stderr != "" {
			t.Errorf("%v: got %+v", args, r)
		}
		return r
	}
	contains(t, "words", verdict("--recipient", "user@example.com", report).stdout, report+dsnWords+steps, proven)
	refused := verdict("--json", "--recipient", "<other@example.com>", report).stdout
	contains(t, "JSON", refused, strings.TrimSuffix(dsnJSON, "}\n")+`,"verdict":{"reason":"untagged","action":"reject",`+
		`"reply":"550 5.7.1 No tag: this bounce to an address without a tag answers no message sent from here","steps":["The envelope sender`,
		`"None of what it answers is on record as sent by <other@example.com> since `+w.now.UTC().Format("2006-01-02T"))
	contains(t, "another site's", verdict("--json", "--recipient", "user@example.org", report).stdout, `"verdict":{"reason":"none","action":"none","steps":`)
	contains(t, "sender", verdict("--sender", "friend@example.org", "--recipient", "user@example.com", report).stdout, "so this is ordinary mail, of which only the recipient's tag is judged.")
	contains(t, "later", verdict("--at", w.now.AddDate(0, 0, 31).Format(time.RFC3339), "--recipient", "user@example.com", report).stdout, "in the last 30 days.")

	// No other process can open the file while a daemon has it open.
	d := w.start("-c", config)
	contains(t, "asked", verdict("--recipient", "user@example.com", report).stdout, steps, proven)
	for _, body := range []string{"", "{", `{"queries":[{"key":"00"}]}`, `{"queries":[{"key":"` + strings.Repeat("0", 34) + `"}]}`, `{"queries":[{"key":"` + strings.Repeat("x", 32) + `"}]}`} {
		if status, answer := d.control(http.MethodPost, "/lookup", body); status != http.StatusBadRequest {
			t.Errorf("lookup of %q: %d %s", body, status, answer)
		}
	}
	if err := os.Remove(w.path("state/control.sock")); err != nil {
		t.Fatal(err)
	}
	r := w.run("inspect", "-c", config, "--recipient", "user@example.com", report)
	if r.status != 1 {
		t.Errorf("got %+v", r)
	}
	contains(t, "not asked", r.stderr, "another process has the file open", "the daemon cannot be asked on "+w.path("state/control.sock"), "hint: its log says why it has no control socket")
}

// Commands that only read leave a damaged store to the daemon, which logs that it moved it aside.
func TestLookingLeavesADamagedStore(t *testing.T) {
	w := newWorld(t)
	config := enforced(t, w)
	if err := os.Truncate(w.path("state/state.db"), 100); err != nil {
		t.Fatal(err)
	}
	before := mustRead(t, w.path("state/state.db"))
	report := w.file("report.eml", dsn(""), 0o600)
	for _, args := range [][]string{{"check", "-c", config}, {"inspect", "-c", config, "--recipient", "user@example.com", report}} {
		r := w.run(args...)
		if r.status == 0 {
			t.Errorf("%s: got %+v", args[0], r)
		}
		contains(t, args[0], r.stdout+r.stderr, "store: ", "the file is damaged")
	}
	if mustRead(t, w.path("state/state.db")) != before {
		t.Error("the damaged store was changed")
	}
}

// One line for each problem, and none that follows from not having read the file.
func TestReloadOfAMissingFile(t *testing.T) {
	w := newWorld(t)
	config := w.config("")
	d := w.start("-c", config)
	if err := os.Remove(config); err != nil {
		t.Fatal(err)
	}
	d.reload()
	log := d.stop().stderr
	if n := strings.Count(log, "configuration not loaded"); n != 1 || !strings.Contains(log, "no such file") {
		t.Errorf("%d lines:\n%s", n, log)
	}
}
