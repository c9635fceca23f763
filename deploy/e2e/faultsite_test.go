package e2e

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/bouncefilter/bouncefilter/store/redistest"
)

// pair is a site of two hosts, each with a daemon and a Postfix: mail goes out through one, what comes back comes to both. They
// share keys, hash secret and Redis.
type pair struct {
	out, in *site
	world   *sink
	store   faultStore
	link    *slowLink // between both daemons and Redis, if asked for
	island  *island   // of the daemon that can be cut off, if asked for
	load    *load
	rest    map[*daemon]usage
}

// faultStore is a Redis of some kind.
type faultStore struct {
	single    *redistest.Server
	sentinels *redistest.Sentinels
	cluster   *redistest.Cluster
}

func startSingle(t *testing.T) faultStore  { return faultStore{single: redistest.Start(t)} }
func startWatched(t *testing.T) faultStore { return faultStore{sentinels: redistest.StartSentinels(t)} }
func startCluster(t *testing.T) faultStore { return faultStore{cluster: redistest.StartCluster(t)} }

// url is the store in bouncefilter's configuration.
func (s faultStore) url() string {
	switch {
	case s.sentinels != nil:
		return s.sentinels.URL("")
	case s.cluster != nil:
		return s.cluster.URL("")
	}
	return "redis://" + s.single.Addr
}

// ports are those of all servers.
func (s faultStore) ports() map[int]bool {
	var servers []*redistest.Server
	switch {
	case s.sentinels != nil:
		servers = append(append(servers, s.sentinels.Data...), s.sentinels.Watchers...)
	case s.cluster != nil:
		servers = s.cluster.Servers
	default:
		servers = append(servers, s.single)
	}
	ports := map[int]bool{}
	for _, s := range servers {
		ports[portOf(s.Addr)] = true
	}
	return ports
}

func portOf(addr string) int {
	_, port, _ := net.SplitHostPort(addr)
	n, _ := strconv.Atoi(port)
	return n
}

// age lets the record of a domain reach back for two months. Before, every bounce that is not on record would be in the time of
// grace that a young store has.
// The daemons must not run: they would not believe it, and neither would they with what they remember on disk.
func (s faultStore) age(t *testing.T, domain string, states ...string) {
	t.Helper()
	var c goredis.UniversalClient
	prefixes := []string{"bouncefilter:"}
	switch {
	case s.sentinels != nil:
		c = s.sentinels.Current(t).Client(t)
	case s.cluster != nil:
		c = goredis.NewClusterClient(&goredis.ClusterOptions{Addrs: []string{s.cluster.Servers[0].Addr}})
		defer c.Close()
		prefixes = prefixes[:0]
		for shard := range 256 {
			prefixes = append(prefixes, fmt.Sprintf("bouncefilter:{%02x}:", shard))
		}
	default:
		c = s.single.Client(t)
	}
	then := time.Now().AddDate(0, 0, -60)
	for _, prefix := range prefixes {
		for _, field := range []struct{ key, name, value string }{
			{"state", "start", strconv.FormatInt(then.UnixMilli(), 10)},
			{"domains", "first:" + domain, strconv.FormatInt(then.Unix()/86400, 10)},
		} {
			value := redistest.Sign(t, filepath.Join(states[0], "hash.secret"), prefix+field.key, field.name, field.value)
			if err := c.HSet(t.Context(), prefix+field.key, field.name, value).Err(); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, state := range states {
		forget(t, state)
	}
}

// forget lets the daemon of a state directory remember nothing of the record.
func forget(t *testing.T, state string) {
	t.Helper()
	if err := os.Remove(filepath.Join(state, "history.json")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
}

// storeTimeout is that of the daemons unless a fault needs another one: much longer than a store takes that is well, also on a busy
// machine.
const storeTimeout = 2 * time.Second

// pairOptions says what a fault needs.
type pairOptions struct {
	store   func(t *testing.T) faultStore // startSingle if nil
	slow    bool                          // Redis is reached over a slow link
	cut     string                        // "out" or "in": can be cut off from Redis
	ahead   string                        // likewise: has a clock that is a day ahead
	tmpfs   bool                          // the state of the daemon that signs is on a small file system
	timeout time.Duration                 // store_timeout, if not storeTimeout
}

// newPair starts a pair whose record is two months old. It ends with the test.
func newPair(t *testing.T, o pairOptions) *pair {
	t.Helper()
	dir := newFolder(t, "pair")
	p := &pair{world: newSink(t, "world.example"), rest: map[*daemon]usage{}}
	if o.store == nil {
		o.store = startSingle
	}
	p.store = o.store(t)
	url := p.store.url()
	if o.slow {
		p.link = newSlowLink(t, "127.0.0.1:0", p.store.single.Addr, net.Dial)
		url = "redis://" + p.link.addr
	}
	inner := newSink(t, "inner.example")
	p.out, p.in = p.newNode(t, filepath.Join(dir, "out"), url, o, inner), p.newNode(t, filepath.Join(dir, "in"), url, o, inner)
	if o.tmpfs {
		state := p.out.state()
		if err := os.MkdirAll(state, 0o700); err != nil {
			t.Fatal(err)
		}
		privileged(t, "mount", "-t", "tmpfs", "-o", "size=1m,mode=700", "bouncefilter-e2e", state)
		t.Cleanup(func() { execute(t, "umount", state) })
	}
	p.out.daemon.start(t)
	if err := os.MkdirAll(p.in.state(), 0o700); err != nil {
		t.Fatal(err)
	}
	p.copyState(t, "keys", "hash.secret") // and no more: the rest changes while the daemon runs
	p.out.daemon.process.end(t, os.Interrupt)
	p.store.age(t, "virt.example", p.out.state(), p.in.state())
	p.out.daemon.start(t)
	p.in.daemon.start(t)
	p.out.postfix.start(t)
	p.in.postfix.start(t)
	return p
}

// newNode makes one host. Every address of virt.example is a mailbox there, all of them the same.
func (p *pair) newNode(t *testing.T, dir, url string, o pairOptions, inner *sink) *site {
	t.Helper()
	name := filepath.Base(dir)
	s := &site{dir: dir, world: p.world, inner: inner, tags: map[string]string{}}
	var is *island
	if o.cut == name {
		is = newIsland(t)
		p.island = is
		url = "redis://" + newSlowLink(t, is.store+":0", p.store.single.Addr, net.Dial).addr
	}
	s.daemon = newDaemon(t, filepath.Join(dir, "bouncefilter"), url, true,
		fmt.Sprintf("node = %q\nstore_timeout = %q\nbad_tags_per_day = 1000000\n", name, cmp.Or(o.timeout, storeTimeout)), "")
	if o.ahead == name {
		s.daemon.program = ahead(t, 24*time.Hour)
	}
	if is != nil { // metrics are served on a loopback address, which is another one there
		s.daemon.http, s.daemon.within = is.reach(t, s.daemon.http), []string{"ip", "netns", "exec", is.name}
	}
	s.postfix = newPostfix(t, filepath.Join(dir, "postfix"), p.world, inner)
	s.mta = s.postfix
	s.postfix.configure(t, taggedRecipients, s.daemon.milter)
	s.postfix.configure(t, theMilter, s.daemon.milter)
	// A name server that is slow to answer, about addresses of the loopback network, would be a fault of its own.
	execute(t, "postconf", "-c", s.postfix.conf, "-e", "smtpd_peername_lookup = no", "maximal_queue_lifetime = 5m", "bounce_queue_lifetime = 5m",
		"virtual_mailbox_maps = inline:{ {@virt.example=virt.example/all/} }")
	return s
}

// state is the folder of the daemon's keys and journal.
func (s *site) state() string { return filepath.Join(s.daemon.dir, "state") }

func (p *pair) nodes() []*site { return []*site{p.out, p.in} }

// storePorts are those under which the daemons reach the store.
func (p *pair) storePorts(t *testing.T) map[int]bool {
	ports := p.store.ports()
	for _, s := range p.nodes() {
		for field := range strings.FieldsFuncSeq(s.daemon.read(t), func(r rune) bool { return r == '"' }) {
			if addr, ok := strings.CutPrefix(field, "redis://"); ok {
				ports[portOf(addr)] = true
			}
		}
	}
	return ports
}
