package main

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/keyring"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/tomlfile"
	"github.com/bouncefilter/bouncefilter/prvs"
	"github.com/bouncefilter/bouncefilter/store"
)

// keeper looks after the daemon's keys in the background: every few seconds it loads what has changed in the index, takes in what
// other nodes have published, tells the store which keys it has, lets a new key sign that every node has, and retires old ones.
// It writes the index and nothing else; the rest of the daemon learns of keys by a site that takes the place of the former one.
//
// It belongs to one goroutine.
type keeper struct {
	*milterDaemon
	told    map[string]told      // by subject
	waiting map[string]time.Time // since when a new key waits for nodes, by the name of the key
	settled map[string]int       // in how many rounds in a row every node had a new key
	met     time.Time            // when the store told last which nodes there are; zero if it never did
	twins   int                  // in how many rounds another daemon had announced itself under this one's name
}

// told is what was said about a subject last, so that it is not said every few seconds.
type told struct {
	text string
	at   time.Time
}

func newKeeper(d *milterDaemon) *keeper {
	return &keeper{milterDaemon: d, told: map[string]told{}, waiting: map[string]time.Time{}, settled: map[string]int{}}
}

// run has a round whenever ticks says so, until ctx is done.
func (k *keeper) run(ctx context.Context, ticks <-chan time.Time) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticks:
			k.round(ctx)
		}
	}
}

// round does once what the keeper does. The order matters: what the store is told about this node are the keys that it has loaded,
// and only what all nodes have told by then lets a key sign.
func (k *keeper) round(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	k.load()
	if k.current.Load().config.KeysInStore {
		k.share(ctx)
	}
	k.lookForTwin(ctx)
	k.announce(ctx)
	nodes, err := k.guard.Store().Nodes(ctx)
	if err != nil {
		k.log.Debug("the nodes of the store are not known", "error", err)
		k.trustUnseen()
		return // nothing is done to keys without knowing what the others have
	}
	if len(nodes) == 0 {
		return // not even this one: the store has just lost them
	}
	k.met = k.app.now()
	slices.SortFunc(nodes, func(a, b store.Node) int { return strings.Compare(a.Name, b.Name) }) // else what is told changes with their order
	k.trust(nodes)
	if !k.clockIsRight(nodes) {
		return
	}
	before := k.current.Load()
	k.noteSigners(nodes)
	k.begin(ctx, nodes)
	if k.current.Load() != before {
		return // the others hear of it first, and this node of itself
	}
	k.activate(nodes)
	k.retire(nodes)
	if k.current.Load() != before {
		k.announce(ctx)
	}
}

// lookForTwin finds out whether another daemon has announced itself under this one's name since this one did. Then each hides the
// other: nobody waits for its keys, and nobody notices when it is cut off. Once may be a daemon whose place this one takes.
func (k *keeper) lookForTwin(ctx context.Context) {
	nodes, err := k.guard.Store().Nodes(ctx)
	if err != nil || !k.announced.Load() {
		return
	}
	name := k.current.Load().config.Node
	i := slices.IndexFunc(nodes, func(n store.Node) bool { return n.Name == name })
	if i < 0 || nodes[i].Instance == k.instance {
		return
	}
	if k.twins++; k.twins > 1 {
		k.say(slog.LevelError, "twin", "another daemon uses the store under this one's name", "node", name, "remedy", "give each host a name of its own with the option node, and restart")
	}
}

// clockIsRight says whether this host has the store's day, by which keys get old. Whoever is ahead would retire them too early.
func (k *keeper) clockIsRight(nodes []store.Node) bool {
	i := slices.IndexFunc(nodes, func(n store.Node) bool { return n.Name == k.current.Load().config.Node })
	if i < 0 || nodes[i].Skew().Abs() < clockFault {
		return true
	}
	k.say(slog.LevelError, "clock", "keys are not looked after: the clock of this host is not that of the store", "off_by", nodes[i].Skew().Round(time.Hour))
	return false
}

// say logs once a day, or when there is something new to say about the subject.
func (k *keeper) say(level slog.Level, subject, message string, args ...any) {
	now := k.app.now()
	var text strings.Builder
	slog.New(slog.NewTextHandler(&text, &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: withoutTime})).Log(context.Background(), level, message, args...)
	if last := k.told[subject]; last.text == text.String() && now.Sub(last.at) < 24*time.Hour {
		return
	}
	k.told[subject] = told{text.String(), now}
	k.log.Log(context.Background(), level, message, args...)
}

// version tells apart what has stood at the path of an index.
type version struct {
	path string
	info fs.FileInfo // nil if there was nothing
}

func versionOf(path string) version {
	info, err := os.Stat(path)
	if err != nil {
		return version{path: path}
	}
	return version{path, info}
}

// same says whether nothing has changed. The index is written anew under another name, so that even two changes within one tick of
// the file system's clock differ.
func (v version) same(o version) bool {
	if v.path != o.path || v.info == nil || o.info == nil {
		return v.path == o.path && v.info == o.info
	}
	return os.SameFile(v.info, o.info) && v.info.ModTime().Equal(o.info.ModTime()) && v.info.Size() == o.info.Size()
}

// load takes keys into effect that have changed in the index, with the configuration as it is. A secret that could not be read
// before is tried again.
func (k *keeper) load() {
	current := k.current.Load()
	if current.index.same(versionOf(current.config.Keys)) && len(current.keys.Unreadable) == 0 {
		return
	}
	k.reloading.Lock()
	defer k.reloading.Unlock()
	current = k.current.Load()
	next, problems := k.nextKeys(current)
	if len(problems) > 0 {
		var text []string
		for _, p := range problems.Sorted() {
			text = append(text, p.String())
		}
		k.say(slog.LevelError, "load", "keys not loaded, the old ones stay in effect", "problem", strings.Join(text, "; "))
		return
	}
	delete(k.told, "load")
	if next.index.same(current.index) && len(next.keys.Unreadable) == len(current.keys.Unreadable) {
		return
	}
	k.replace(next)
	k.log.Info("keys loaded", "keys", len(next.keys.Keys))
	if current.noIndex {
		k.log.Warn("the index of keys is back; as it may not list all keys yet, bounces with a key number that is missing in it are not refused", "remedy", "when all are back: systemctl reload bouncefilter")
	}
}

// nextKeys reads the keys anew. Unlike a reload that somebody asks for, it takes no key out of effect that the index does not call
// retired: whoever copies keys may not have written all of the index yet.
func (k *keeper) nextKeys(current *site) (*site, tomlfile.Problems) {
	next, problems := loadUsableSite(current.config, nil, current)
	if len(problems) == 0 {
		problems = append(k.discontinued(current, next), current.dropped(next)...)
	}
	if len(problems) > 0 {
		return nil, problems
	}
	return next, nil
}

// dropped reports keys of s that verify and are not in next any more, or with another secret.
func (s *site) dropped(next *site) tomlfile.Problems {
	var problems tomlfile.Problems
	for _, key := range s.keys.Keys {
		if key.State == prvs.StateRetired || key.Absent {
			continue
		}
		now, listed := next.keys.Find(key.Number, key.Domain)
		if !listed || now.State != prvs.StateRetired && !now.Absent && string(now.Secret) != string(key.Secret) {
			problems = append(problems, tomlfile.Problem{File: next.keys.Path, What: keyName(key.Number, key.Domain) + " is missing or has another secret than before",
				Remedy: "put it back; or, if this is meant, systemctl reload bouncefilter"})
		}
	}
	return problems
}

// update changes the index and takes the change into effect. A failure is told. An index that has lost keys is not written: they
// would be gone for good.
func (k *keeper) update(subject string, change func(*keyring.Keyring) error) bool {
	current := k.current.Load()
	if current.noIndex {
		k.say(slog.LevelError, subject, "the index of keys was not changed", "wanted", subject, "error", "it is lost, and another one is not begun")
		return false
	}
	err := keyring.Update(current.config.Keys, func(r *keyring.Keyring) error {
		if problems := current.dropped(&site{keys: r}); len(problems) > 0 {
			return problems
		}
		return change(r)
	})
	if errors.Is(err, errNothing) {
		k.load()
		return false
	}
	if err != nil {
		k.say(slog.LevelError, subject, "the index of keys was not changed", "wanted", subject, "error", err)
		return false
	}
	k.load()
	return true
}

// trust keeps bounces from being refused for a key with which another node signs and that is missing here: nobody here can tell
// whether their tags are right.
func (k *keeper) trust(nodes []store.Node) {
	k.reloading.Lock()
	defer k.reloading.Unlock()
	current := k.current.Load()
	own := nodeKeys(current.keys, k.hasher)
	var foreign []prvs.Key
	for _, n := range nodes {
		for _, key := range n.Keys {
			o, known := findKey(own, key)
			slot := prvs.Key{Number: key.Number, Domain: strings.ToLower(key.Domain), Absent: true}
			if !key.Signs || known && o.KeyID == key.KeyID || key.Number > 9 || slices.ContainsFunc(foreign, sameSlot(slot)) {
				continue
			}
			foreign = append(foreign, slot)
			k.say(slog.LevelError, "foreign "+nodeKeyName(key), "another node signs with a key that is missing here; bounces with its number are not refused",
				"node", n.Name, "key", nodeKeyName(key), "remedy", "see bouncefilter check")
		}
	}
	k.allowFor(foreign)
}

// trustUnseen allows for all keys that other nodes may sign with by now, where they did not wait for this one: it has been cut off
// from the store since it was started, or for longer than a node is waited for.
func (k *keeper) trustUnseen() {
	if !k.met.IsZero() && k.app.now().Sub(k.met) <= store.NodeRetention {
		return
	}
	k.reloading.Lock()
	defer k.reloading.Unlock()
	foreign := k.current.Load().unlisted()
	k.say(slog.LevelWarn, "unseen", "the store does not tell with which keys other nodes sign; until it does, bounces with a key number that is missing here are not refused")
	k.allowFor(foreign)
}

// allowFor makes the policy one that refuses no bounces to tags of foreign keys. Reloads must be locked out.
func (k *keeper) allowFor(foreign []prvs.Key) {
	current := k.current.Load()
	slices.SortFunc(foreign, func(a, b prvs.Key) int { return strings.Compare(a.String(), b.String()) })
	if slices.EqualFunc(foreign, current.foreign, func(a, b prvs.Key) bool { return sameSlot(a)(b) }) {
		return
	}
	next := &site{config: current.config, keys: current.keys, index: current.index, foreign: foreign, noIndex: current.noIndex, partial: current.partial}
	if err := next.makePolicy(); err != nil {
		k.say(slog.LevelError, "foreign", "the keys of other nodes cannot be allowed for", "error", err)
		return
	}
	k.current.Store(next) // its tags are those of the former one
	k.server.Reload(next.policy)
}

func sameSlot(a prvs.Key) func(prvs.Key) bool {
	return func(b prvs.Key) bool { return a.Number == b.Number && a.Domain == b.Domain }
}
