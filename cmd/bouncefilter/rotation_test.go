package main

import (
	"context"
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bouncefilter/bouncefilter/store"
)

func TestAKeyRotatesOnASingleHostAtOnce(t *testing.T) {
	w := newWorld(t)
	c := w.config("")
	d := w.start("-c", c)
	old := strings.TrimSpace(w.run("sign", "-c", c, "user@example.com").stdout)
	r := w.run("key", "rotate", "-c", c)
	if r.status != 0 {
		t.Fatal(r)
	}
	contains(t, "rotate", r.stdout, "made key 1 (verify), secret in "+w.path("state/keys/key-1.secret")+"; it signs as soon as every node of the store has it\n")
	contains(t, "list", w.run("key", "list", "-c", c).stdout, "verify, signs next")
	r = w.run("key", "rotate", "-c", c)
	if r.status != 1 {
		t.Errorf("a second one: %+v", r)
	}
	contains(t, "a second one", r.stderr, "a rotation for all domains is under way: key 1 signs as soon as every node has it")
	d.rounds(1)
	contains(t, "log", d.stderr.String(), `msg="keys loaded" keys=2`, `msg="every node has the new key; it signs from now on" key="key 1" former="key 0" former_verifies_until=2027-01-23`)
	if tag := w.run("sign", "-c", c, "user@example.com").stdout; !strings.HasPrefix(tag, "prvs=1") {
		t.Errorf("signs %q", tag)
	}
	if r := w.run("verify", "-c", c, old); r.status != 0 {
		t.Errorf("the old tag: %+v", r)
	}
	if strings.Contains(d.stderr.String(), "RELOAD") || w.notified("RELOADING=1") != 0 {
		t.Error("it was reloaded")
	}
}

func TestRotateWaitsUntilTheKeySigns(t *testing.T) {
	w := newWorld(t)
	c := w.config("")
	d := w.start("-c", c)
	done := make(chan result, 1)
	go func() { done <- w.run("key", "rotate", "--wait", "-c", c) }()
	d.eventually("the key is there", func() bool { _, err := os.Stat(w.path("state/keys/key-1.secret")); return err == nil })
	select {
	case r := <-done:
		t.Fatalf("it did not wait: %+v", r)
	case <-time.After(3 * waitInterval):
	}
	d.rounds(1)
	if r := <-done; r.status != 0 || !strings.HasSuffix(r.stdout, "\nkey 1 signs\n") {
		t.Errorf("got %+v", r)
	}
}

func TestNoNodeSignsWithAKeyBeforeAllHaveIt(t *testing.T) {
	for _, distribution := range []string{"files", "store"} {
		t.Run(distribution, func(t *testing.T) {
			lines := "key_distribution = \"" + distribution + "\"\n"
			c := newCluster(t, 3, lines)
			old := c.hosts[1].tag()
			late := c.hosts[2]
			c.hosts = c.hosts[:2] // the third one runs and does nothing for a while
			c.rounds(1)
			c.want("before", "0 signs")

			c.hosts[0].mustRun("key", "rotate", "-c", c.hosts[0].config)
			c.rounds(3)
			if distribution == "files" {
				c.hosts[0].copyKeys(c.hosts[1])
			}
			c.rounds(3 * settleRounds)
			c.want("one node lacks the key", "0 signs, 1 next")
			if got := late.keys(c); got != "0 signs" {
				t.Fatalf("the third node has %q", got)
			}
			for _, h := range c.hosts {
				if tag := h.tag(); tag != old {
					t.Errorf("signs %s before every node has the key", tag)
				}
				contains(t, "log", h.stderr.String(), `msg="a new key verifies, and signs once every node has it" key="key 1" waits_for=mx3`)
			}
			for _, h := range append(c.hosts, late) {
				h.mu.Lock()
				h.now = h.now.Add(2 * rotationPatience)
				h.mu.Unlock()
			}
			c.rounds(2)
			for _, h := range c.hosts {
				contains(t, "log", h.stderr.String(), `level=WARN msg="key rotation waits for nodes that do not have the new key" key="key 1" waits_for=mx3 remedy=`, "bouncefilter node remove NAME")
			}
			r := c.hosts[0].run("check", "-c", c.hosts[0].config)
			contains(t, "check", r.stdout, "warning  node mx3", "It does not have key 1")

			c.hosts = append(c.hosts, late)
			if distribution == "files" {
				c.hosts[0].copyKeys(late)
			}
			c.rounds(1)
			c.want("all have it, but the store may have lost a node", "0 signs, 1 next")
			c.rounds(settleRounds + 1)
			c.want("all have it", "0, 1 signs")
			for _, h := range c.hosts {
				tag := h.tag()
				if !strings.HasPrefix(tag, "prvs=1") {
					t.Errorf("signs %s", tag)
				}
				c.accepts("the new tag", tag)
			}
			c.accepts("the old tag", old)
			c.untouched()
			r = c.hosts[0].run("check", "-c", c.hosts[0].config)
			if strings.Contains(r.stdout, "node mx") {
				t.Errorf("check finds\n%s", r.stdout)
			}
		})
	}
}

func TestARotationDoesNotWaitForNodesThatHaveStoppedOrWereRemoved(t *testing.T) {
	c := newCluster(t, 3, "key_distribution = \"store\"\n")
	stopped := c.hosts[1]
	c.hosts = c.hosts[:1]
	stopped.stop()
	if got := stopped.keys(c); got != "" {
		t.Fatalf("the store still knows a node that has stopped: %q", got)
	}
	h := c.hosts[0]
	h.mustRun("key", "rotate", "-c", h.config)
	c.rounds(2 * settleRounds)
	c.want("a silent node", "0 signs, 1 next")

	remove := func() result { return h.run("node", "remove", "-c", h.config, "mx3") }
	if r := remove(); r.status != 1 || !strings.Contains(r.stderr, "mx3 runs: it was seen 0s ago") {
		t.Errorf("a node that runs: %+v", r)
	}
	h.mu.Lock()
	h.now = h.now.Add(time.Hour) // which is the clock of the store
	h.mu.Unlock()
	c.rounds(1)
	r := h.run("node", "list", "-c", h.config)
	if !regexp.MustCompile(`(?m)^mx1 +2026-11-23T13:00:00Z  runs    0 signs, 1 next\nmx3 +2026-11-23T12:00:00Z  silent  0 signs$`).MatchString(r.stdout) {
		t.Errorf("list: %+v", r)
	}
	contains(t, "check", h.run("check", "-c", h.config).stdout, "warning  node mx3", "It does not have key 1, which signs", "bouncefilter node remove mx3")
	if r := remove(); r.status != 0 || !strings.Contains(r.stdout, "removed mx3, which was last seen at 2026-11-23T12:00:00Z") {
		t.Errorf("remove: %+v", r)
	}
	if a, err := c.store.Lookup(t.Context(), 0, nil); err != nil || a.Complete.GapsText() != "2026-11-23T11:58:58Z to 2026-11-23T13:01:00Z" {
		t.Errorf("what it may have journalled is lost, and the record is complete %+v, %v", a.Complete, err)
	}
	if r := remove(); r.status != 1 || !strings.Contains(r.stderr, `the store has no node "mx3"`) {
		t.Errorf("twice: %+v", r)
	}
	c.rounds(settleRounds + 1)
	c.want("after it", "0, 1 signs")

	// The one that had stopped has the key before it judges its first bounce.
	stopped.running = stopped.start("-c", stopped.config)
	contains(t, "log", stopped.stderr.String(), `msg="took in a new key; it signs once every node has it" key="key 1"`)
	if got := stopped.keys(c); got != "0, 1 next" && got != "0 signs, 1 next" {
		t.Errorf("it has %q", got)
	}
}

func TestRotationsAtTheSameTimeEndWithOneKey(t *testing.T) {
	for _, how := range []string{"asked for", "by age"} {
		t.Run(how, func(t *testing.T) {
			lines := "key_distribution = \"store\"\n"
			if how == "by age" {
				lines += "key_rotation = 112\n"
			}
			c := newCluster(t, 3, lines)
			c.rounds(1)
			if how == "by age" {
				c.pass(111)
				c.want("too young", "0 signs")
				for _, h := range c.hosts {
					h.world.pass(1)
				}
			} else {
				for _, h := range c.hosts {
					h.mustRun("key", "rotate", "-c", h.config)
				}
				r := c.hosts[0].run("key", "rotate", "-c", c.hosts[0].config)
				if r.status != 1 || !strings.Contains(r.stderr, "a rotation for all domains is under way: the daemon has not made the key yet") {
					t.Errorf("a second one: %+v", r)
				}
			}
			// All at once, in no order.
			done := make(chan struct{})
			for _, h := range c.hosts {
				go func() { defer func() { done <- struct{}{} }(); h.running.rounds(3 * settleRounds) }()
			}
			for range c.hosts {
				<-done
			}
			c.rounds(2 * settleRounds)
			c.want("one key", "0, 1 signs")
			marks := map[string]bool{}
			nodes, err := c.store.Nodes(t.Context())
			if err != nil || len(nodes) != 3 {
				t.Fatalf("%v, %v", nodes, err)
			}
			for _, n := range nodes {
				marks[n.Keys[1].KeyID] = true
			}
			if len(marks) != 1 {
				t.Errorf("they sign with %d keys", len(marks))
			}
			published := 0
			for _, h := range c.hosts {
				published += strings.Count(h.stderr.String(), `msg="published a new key`)
				if index := mustRead(t, h.path(keysIndex)); strings.Contains(index, "rotate = ") || strings.Contains(index, "next = ") {
					t.Errorf("the rotation is not over:\n%s", index)
				}
			}
			if published != 1 {
				t.Errorf("%d nodes have published a key", published)
			}
			c.untouched()
		})
	}
}

func TestFilesDoNotRotateByAgeOnSeveralNodes(t *testing.T) {
	c := newCluster(t, 2, "key_rotation = 112\n")
	h := c.hosts[0]
	c.pass(112)
	c.want("by age", "0 signs")
	const warning = `msg="a key has signed for longer than key_rotation; with several nodes and key_distribution = \"files\" it is not replaced by itself" key="key 0"`
	if n := strings.Count(h.stderr.String(), warning); n != 1 {
		t.Errorf("warned %d times\n%s", n, h.stderr.String())
	}
	c.pass(1)
	if n := strings.Count(h.stderr.String(), warning); n != 2 {
		t.Errorf("warned %d times in two days\n%s", n, h.stderr.String())
	}
	contains(t, "check", h.run("check", "-c", h.config).stdout, "warning  key 0", "bouncefilter key rotate, and copy the keys")

	c.hosts[1].stop()
	c.hosts = c.hosts[:1]
	c.rounds(2 * settleRounds)
	c.want("alone", "0, 1 signs")
}

func TestANoticeWhoseDigitIsTakenIsRefused(t *testing.T) {
	c := newCluster(t, 2, "key_distribution = \"store\"\n")
	c.hosts[1].mustRun("key", "add", "-c", c.hosts[1].config, "--number", "1")
	c.rounds(1)
	c.hosts[0].mustRun("key", "rotate", "-c", c.hosts[0].config)
	c.rounds(2 * settleRounds)
	if got := c.hosts[0].keys(c) + "; " + c.hosts[1].keys(c); got != "0 signs, 1 next; 0 signs, 1" {
		t.Errorf("got %q", got)
	}
	contains(t, "log", c.hosts[1].stderr.String(), "level=ERROR", "key-differs: another node has published a new key", `key="key 1"`)
	// Out of it: the key is given up where it waits, and the next rotation takes another digit.
	c.hosts[0].mustRun("key", "retire", "--force", "-c", c.hosts[0].config, "1")
	c.rounds(2)
	c.hosts[0].mustRun("key", "rotate", "-c", c.hosts[0].config)
	c.rounds(2 * settleRounds)
	if got := c.hosts[0].keys(c) + "; " + c.hosts[1].keys(c); got != "0, 2 signs; 0, 1, 2 signs" {
		t.Errorf("got %q", got)
	}
}

func TestANoticeUnderAnotherHashSecretIsRefused(t *testing.T) {
	c := newCluster(t, 1, "key_distribution = \"store\"\n")
	value, err := json.Marshal(map[string]any{"number": 3, "secret": []byte("hunter2")})
	if err != nil {
		t.Fatal(err)
	}
	other := store.NewHasher([]byte("another secret"))
	if _, err := c.store.Publish(t.Context(), store.Broadcast{Topic: keyTopic, Name: " x", Value: other.Seal(keyTopic+"  x", value), Expires: 1 << 20}, true); err != nil {
		t.Fatal(err)
	}
	c.rounds(2)
	c.want("a foreign broadcast", "0 signs")
	if log := c.hosts[0].stderr.String(); strings.Count(log, "a new key in the store cannot be read") != 1 || strings.Contains(log, "hunter2") {
		t.Errorf("log\n%s", log)
	}
}

// A host that signs with a key that another one lacks, whatever the reason, has its bounces accepted there.
func TestBouncesOfAnotherNodesMailAreNotRefusedForLackOfItsKey(t *testing.T) {
	c := newCluster(t, 2, "mode = \"enforce\"\n")
	judges := c.hosts[1]
	c.hosts[0].mustRun("key", "add", "-c", c.hosts[0].config)
	c.hosts[0].mustRun("key", "activate", "-c", c.hosts[0].config, "1") // at once, and copied to no other host
	tag := c.hosts[0].tag()
	if reply := rcpt(t, judges.running, tag); !strings.HasPrefix(reply, "550") {
		t.Errorf("before it can know: %q", reply)
	}
	c.rounds(1)
	for address, want := range map[string]string{tag: "", "prvs=1787000000=user@example.com": "", "prvs=2787000000=user@example.com": "550"} {
		if reply := rcpt(t, judges.running, address); !strings.HasPrefix(reply, want) || want == "" && reply != "" {
			t.Errorf("%s: %q", address, reply)
		}
	}
	contains(t, "log", judges.stderr.String(), "reason=grace action=accept would_be=unknown-key", `msg="another node signs with a key that is missing here; bounces with its number are not refused" node=mx1 key="key 1"`)
	contains(t, "check", judges.run("check", "-c", judges.config).stdout, "error    node mx1", "This host lacks key 1, with which that one signs")
}

// The nodes of a store come in no order.
func TestAKeyThatIsMissingHereIsLoggedOnce(t *testing.T) {
	c := newCluster(t, 4, "")
	c.hosts[0].mustRun("key", "add", "-c", c.hosts[0].config)
	for _, h := range c.hosts[1:3] {
		c.hosts[0].copyKeys(h)
	}
	for _, h := range c.hosts[:3] {
		h.mustRun("key", "activate", "-c", h.config, "1")
	}
	c.rounds(20)
	log := c.hosts[3].stderr.String()
	if n := strings.Count(log, `msg="another node signs with a key that is missing here; bounces with its number are not refused"`); n < 1 || n > 2 { // one node signed first
		t.Errorf("logged %d times\n%s", n, log)
	}
}

// unreachable is a store that does not answer while down is set.
type unreachable struct {
	store.Store
	down *atomic.Bool
}

func (u unreachable) Nodes(ctx context.Context) ([]store.Node, error) {
	if u.down.Load() {
		return nil, store.ErrUnavailable
	}
	return u.Store.Nodes(ctx)
}

func (u unreachable) Heartbeat(ctx context.Context, n store.Node) error {
	if u.down.Load() {
		return store.ErrUnavailable
	}
	return u.Store.Heartbeat(ctx, n)
}

// No node has waited for a host that the store does not know.
func TestAHostThatIsCutOffFromItsStartRefusesNoUnknownKey(t *testing.T) {
	c := newCluster(t, 2, "mode = \"enforce\"\n")
	signs, judges := c.hosts[0], c.hosts[1]
	judges.stop()
	var down atomic.Bool
	down.Store(true)
	judges.store = unreachable{c.store, &down}
	signs.mustRun("key", "rotate", "-c", signs.config)
	signs.running.rounds(settleRounds + 1)
	tag := signs.tag()
	if !strings.HasPrefix(tag, "prvs=1") {
		t.Fatalf("it signs %s", tag)
	}
	judges.running = judges.start("-c", judges.config)
	check := func(when string, want map[string]string) {
		t.Helper()
		for address, reply := range want {
			if got := rcpt(t, judges.running, address); !strings.HasPrefix(got, reply) || reply == "" && got != "" {
				t.Errorf("%s: %s: %q", when, address, got)
			}
		}
	}
	const forged, unknown = "prvs=0787000000=user@example.com", "prvs=2787000000=user@example.com"
	check("cut off", map[string]string{tag: "", forged: "550", unknown: ""})
	contains(t, "log", judges.stderr.String(), `msg="the store does not say with which keys other nodes sign; until it does, bounces with a key number that is missing here are not refused"`)
	down.Store(false)
	judges.running.rounds(1)
	check("connected", map[string]string{tag: "", forged: "550", unknown: "550"})
	down.Store(true)
	judges.running.rounds(1)
	check("cut off for a moment", map[string]string{tag: "", forged: "550", unknown: "550"})
	judges.world.pass(8)
	judges.running.rounds(1)
	check("cut off for longer than others wait for it", map[string]string{tag: "", unknown: ""})
}
