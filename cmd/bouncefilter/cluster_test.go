package main

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/probe"
	"github.com/bouncefilter/bouncefilter/store"
	"github.com/bouncefilter/bouncefilter/store/memory"
)

const (
	// keyTopic is the topic of broadcasts of new keys, which are sealed for it and their name.
	keyTopic = "keys"
	// settleRounds is in how many rounds every node must have a new key before it signs: a round is 2 s, a node is silent after 15 s.
	settleRounds = 8
	// rotationPatience is how long a new key may wait for nodes before the log warns of it.
	rotationPatience = time.Minute
)

// cluster is several hosts that share a store, each with a daemon. They begin with the same key and the same hash secret.
type cluster struct {
	t     *testing.T
	store store.Store
	hosts []*host
}

type host struct {
	*world
	*running
	config string
}

// newCluster starts a daemon on each of n hosts, with more lines of configuration.
func newCluster(t *testing.T, n int, lines string) *cluster {
	c := &cluster{t: t}
	for range n {
		c.join(lines)
	}
	return c
}

// join starts one more host, with copies of the first one's secrets.
func (c *cluster) join(lines string) *host {
	c.t.Helper()
	h := &host{world: newWorld(c.t)}
	if len(c.hosts) == 0 {
		c.store = memory.NewWithClock(h.clock)
	} else {
		c.hosts[0].copyKeys(h)
		h.file("state/hash.secret", mustRead(c.t, c.hosts[0].path("state/hash.secret")), 0o600)
	}
	h.store = c.store
	h.config = h.world.config(fmt.Sprintf("node = \"mx%d\"\nstore = \"redis://127.0.0.1:1/0\"\n%s", len(c.hosts)+1, lines))
	c.hosts = append(c.hosts, h)
	h.running = h.start("-c", h.config)
	return h
}

// copyKeys copies the folder of keys, as an operator does.
func (h *host) copyKeys(to *host) {
	h.t.Helper()
	files, err := filepath.Glob(h.path("state/keys/*"))
	if err != nil || len(files) == 0 {
		h.t.Fatalf("%v, %v", files, err)
	}
	for _, f := range files {
		to.file("state/keys/"+filepath.Base(f), mustRead(h.t, f), 0o600)
	}
}

// tag signs as the daemon of this host does with its files.
func (h *host) tag() string {
	h.t.Helper()
	r := h.run("sign", "-c", h.config, "user@example.com")
	if r.status != 0 {
		h.t.Fatal(r)
	}
	return strings.TrimSpace(r.stdout)
}

// keys returns what the daemon of the host says about its keys, as the others see it: "0 signs, 1 next".
func (h *host) keys(c *cluster) string {
	h.t.Helper()
	nodes, err := c.store.Nodes(h.t.Context())
	if err != nil {
		h.t.Fatal(err)
	}
	var keys []string
	for _, n := range nodes {
		if !strings.Contains(mustRead(h.t, h.config), fmt.Sprintf("node = %q", n.Name)) {
			continue
		}
		for _, k := range n.Keys {
			s := fmt.Sprint(k.Number)
			switch {
			case k.Signs:
				s += " signs"
			case k.Next:
				s += " next"
			}
			keys = append(keys, s)
		}
	}
	return strings.Join(keys, ", ")
}

// rounds lets every daemon look after its keys n times, in turn.
func (c *cluster) rounds(n int) {
	c.t.Helper()
	for range n {
		for _, h := range c.hosts {
			h.running.rounds(1)
		}
	}
}

// pass lets days pass. The daemons go on sending heartbeats.
func (c *cluster) pass(days int) {
	c.t.Helper()
	for ; days > 0; days -= 4 {
		for _, h := range c.hosts {
			h.world.pass(min(days, 4))
		}
		c.rounds(1)
	}
	c.rounds(1)
}

// want checks what all nodes say about their keys.
func (c *cluster) want(what, keys string) {
	c.t.Helper()
	for i, h := range c.hosts {
		if got := h.keys(c); got != keys {
			c.t.Errorf("%s: mx%d has %q, want %q", what, i+1, got, keys)
		}
	}
}

// accepts checks that every host verifies a tag, with the keys in its files.
func (c *cluster) accepts(what, tag string) {
	c.t.Helper()
	for i, h := range c.hosts {
		if r := h.run("verify", "-c", h.config, tag); r.status != 0 {
			c.t.Errorf("%s: mx%d: %+v", what, i+1, r)
		}
	}
}

// untouched checks that no secret is in the store or in a log in plain text.
func (c *cluster) untouched() {
	c.t.Helper()
	broadcasts, err := c.store.Broadcasts(c.t.Context(), keyTopic, 0)
	if err != nil {
		c.t.Fatal(err)
	}
	for _, h := range c.hosts {
		files, _ := filepath.Glob(h.path("state/keys/*.secret"))
		for _, f := range files {
			secret := strings.TrimSpace(mustRead(c.t, f))
			if info, err := os.Stat(f); err != nil || info.Mode().Perm() != 0o600 {
				c.t.Errorf("%s: %v, %v", f, info, err)
			}
			for _, b := range broadcasts {
				if strings.Contains(string(b.Value)+b.Name, secret) {
					c.t.Errorf("broadcast %s shows %s", b.Name, f)
				}
			}
			for _, o := range c.hosts {
				if strings.Contains(o.stderr.String()+o.stdout.String(), secret) {
					c.t.Errorf("a log shows %s", f)
				}
			}
		}
	}
}

// rcpt hands a bounce for an address to the milter of a daemon, and returns the reply if it is refused.
func rcpt(t *testing.T, d *running, address string) string {
	t.Helper()
	return refusal(t, d, probe.Client{Name: "mx.example.net", Address: netip.MustParseAddr("192.0.2.1")}, "", address)
}

// send hands a message of a user to the milter of a daemon, and returns the reply if it is refused.
func send(t *testing.T, d *running, sender string) string {
	t.Helper()
	return refusal(t, d, probe.Client{Name: "pc", Address: netip.MustParseAddr("192.0.2.2"), Login: "user"}, sender, "friend@example.net")
}

// refusal hands over a message, or, with the null sender, a bounce, that proves nothing.
func refusal(t *testing.T, d *running, client probe.Client, from, to string) string {
	t.Helper()
	text := "Subject: test\nMessage-ID: <x@example.com>\n\ntest\n"
	if from == "" {
		text = namelessBounce
	}
	o := hand(t, d, client, from, to, text)
	if !o.Refused {
		return ""
	}
	return o.Reply
}
