package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/config"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/keyring"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/tomlfile"
	"github.com/bouncefilter/bouncefilter/filter"
	"github.com/bouncefilter/bouncefilter/prvs"
)

// siteFlags say where the configuration is. All commands that need one have them.
type siteFlags struct {
	Config   string `short:"c" type:"path" placeholder:"FILE" env:"BOUNCEFILTER_CONFIG" help:"Configuration file (see deploy/bouncefilter.toml)."`
	StateDir string `type:"path" placeholder:"DIR" help:"Directory of store and keys, before the one in the file."`
}

// site is a configuration with its keys: everything that a reload replaces.
type site struct {
	config  *config.Config
	keys    *keyring.Keyring
	index   version    // of the index that keys were loaded from
	foreign []prvs.Key // absent ones, with which other nodes sign
	noIndex bool       // the index of keys is gone: what it listed is not known
	partial bool       // it was gone, and may not list again all that it did
	policy  *filter.Policy
}

// host returns what the defaults depend on.
func (a *app) host() config.Host {
	name, err := os.Hostname()
	if err != nil || name == "" {
		name = "localhost"
	}
	return config.Host{Name: name, StateDir: a.stateDir()}
}

// stateDir returns where a site that configures nothing keeps its state: what the service manager says (StateDirectory=,
// systemd.exec(5)), the system's place for root, the user's data directory (XDG Base Directory Specification) for others.
func (a *app) stateDir() string {
	if dir := a.getenv("STATE_DIRECTORY"); filepath.IsAbs(dir) {
		return dir
	}
	if os.Geteuid() == 0 {
		return "/var/lib/bouncefilter"
	}
	if dir := a.getenv("XDG_DATA_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "bouncefilter")
	}
	if home := a.getenv("HOME"); filepath.IsAbs(home) {
		return filepath.Join(home, ".local", "share", "bouncefilter")
	}
	return ""
}

// load reads the configuration that the flags name. It need not name a domain.
func (f *siteFlags) load(a *app) (*config.Config, tomlfile.Problems) {
	return config.Load(f.Config, config.Flags{StateDir: f.StateDir}, a.host())
}

// loadRing is for commands that need keys and no domains. load reads the index: keyring.Load, or LoadUsable for what can do without
// secrets that cannot be read.
func (f *siteFlags) loadRing(a *app, load func(string) (*keyring.Keyring, tomlfile.Problems)) (*config.Config, *keyring.Keyring, *prvs.Ring, error) {
	c, problems := f.load(a)
	if unread(c, problems) {
		return nil, nil, nil, problems
	}
	keys, found := load(c.Keys)
	if problems = append(problems, withKeyHint(c, found)...); len(problems) > 0 {
		return nil, nil, nil, problems
	}
	ring, err := keys.Ring(c.Ring)
	if err != nil {
		return nil, nil, nil, tomlfile.AsProblems(c.Keys, err)
	}
	return c, keys, ring, nil
}

// unread says whether the file could not be read at all, so that the rest of the configuration means nothing.
func unread(c *config.Config, problems tomlfile.Problems) bool {
	return c.Path != "" && len(problems) > 0 && !c.Read
}

// loadSite loads the keys that the configuration names and makes the policy. problems are those of the configuration;
// those of the keys are added, so that all are told at once.
func loadSite(c *config.Config, problems tomlfile.Problems) (*site, tomlfile.Problems) {
	return newSite(c, problems, keyring.Load, nil)
}

// loadUsableSite is loadSite for a daemon, which does without secrets that it cannot read: at its start, when former is nil, and
// later without those that it has not had before.
func loadUsableSite(c *config.Config, problems tomlfile.Problems, former *site) (*site, tomlfile.Problems) {
	if lost := indexLost(c); former == nil && len(problems) == 0 && len(lost) > 0 {
		return siteWithoutIndex(c, lost)
	}
	return newSite(c, problems, func(path string) (*keyring.Keyring, tomlfile.Problems) {
		keys, found := keyring.LoadUsable(path)
		for _, key := range keys.Keys {
			if key.Absent && former != nil && !former.lacks(key) {
				return keys, append(found, keys.Unreadable...)
			}
		}
		return keys, found
	}, former)
}

// siteWithoutIndex is what a daemon starts with that has lost the index of its keys: it has none of them, and any may have been there.
// Nothing can be signed, so outbound mail waits; a tag of any number may be right, so no bounce is refused for it.
func siteWithoutIndex(c *config.Config, lost tomlfile.Problems) (*site, tomlfile.Problems) {
	signs := keyring.Key{Key: prvs.Key{State: prvs.StateSign, Absent: true}} // as far as an absent one does
	s := &site{config: c, index: versionOf(c.Keys), noIndex: true, partial: true,
		keys: &keyring.Keyring{Path: c.Keys, Keys: []keyring.Key{signs}, Unreadable: lost}}
	if err := s.makePolicy(); err != nil {
		return nil, tomlfile.AsProblems(c.Path, err)
	}
	return s, nil
}

// lacks says whether a key is in the index of s, as far as that is known, and its secret could not be read.
func (s *site) lacks(key keyring.Key) bool {
	if s.noIndex {
		return true
	}
	own, listed := s.keys.Find(key.Number, key.Domain)
	return listed && own.Absent
}

func newSite(c *config.Config, problems tomlfile.Problems, load func(string) (*keyring.Keyring, tomlfile.Problems), former *site) (*site, tomlfile.Problems) {
	s := &site{config: c, index: versionOf(c.Keys)} // before it is read: what is written meanwhile is read again
	if former != nil {
		s.foreign, s.partial = former.foreign, former.noIndex || former.partial
	}
	var found tomlfile.Problems
	s.keys, found = load(c.Keys)
	problems = append(problems, withKeyHint(c, found)...)
	if len(found) == 0 {
		problems = append(problems, s.unsignedDomains()...)
	}
	if len(problems) > 0 {
		return nil, problems
	}
	if err := s.makePolicy(); err != nil {
		return nil, tomlfile.AsProblems(c.Path, err)
	}
	return s, nil
}

// makePolicy makes the policy of keys and configuration. Its checks repeat what was checked with places before.
func (s *site) makePolicy() error {
	settings := s.config.Settings
	others := s.foreign
	if s.partial {
		others = slices.Clone(others)
		for _, slot := range s.unlisted() {
			if !slices.ContainsFunc(others, sameSlot(slot)) {
				others = append(others, slot)
			}
		}
	}
	var err error
	if settings.Keys, err = s.keys.Ring(s.config.Ring, others...); err != nil {
		return err
	}
	s.policy, err = filter.NewPolicy(settings)
	return err
}

// unlisted returns an absent key for each number that the index has no key in use for.
func (s *site) unlisted() []prvs.Key {
	var keys []prvs.Key
	for number := range uint8(10) {
		if !slices.ContainsFunc(s.keys.Keys, func(own keyring.Key) bool { return own.State != prvs.StateRetired && own.Number == number }) {
			keys = append(keys, prvs.Key{Number: number, Absent: true})
		}
	}
	return keys
}

// withKeyHint says how to make an index of keys that does not exist.
func withKeyHint(c *config.Config, problems tomlfile.Problems) tomlfile.Problems {
	if exists(c.Keys) {
		return problems
	}
	if lost := lostIndex(c); len(lost) > 0 {
		return lost
	}
	p := tomlfile.Problem{File: c.Keys, What: "no such file", Remedy: "make a key: bouncefilter key add"}
	if c.KeysChosen {
		p = c.Problem("keys", tomlfile.Quote(c.Keys), "does not exist", "make a key: bouncefilter key add")
	}
	return tomlfile.Problems{p}
}

// unsignedDomains reports domains that no key signs for.
func (s *site) unsignedDomains() tomlfile.Problems {
	var problems tomlfile.Problems
	for _, d := range s.config.Settings.Domains {
		if _, ok := s.keys.Signer(d.Name); !ok {
			problems = append(problems, tomlfile.Problem{File: s.keys.Path, Value: tomlfile.Quote(d.Name), What: "has no signing key",
				Remedy: "see bouncefilter key list; then key activate, or key add"})
		}
	}
	return problems
}

// exists says whether something stands at path, even if it cannot be used.
func exists(path string) bool {
	_, err := os.Lstat(path)
	return !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR)
}

// makeFolder makes a folder for state that only its owner can enter, with what is missing above it. If root makes it in
// somebody's folder it becomes his, because the daemon that runs as him must be able to use it.
func makeFolder(path string) error {
	if exists(path) {
		return nil
	}
	above := filepath.Dir(path)
	if err := makeFolder(above); err != nil {
		return err
	}
	err := os.Mkdir(path, 0o700)
	switch {
	case errors.Is(err, fs.ErrExist):
		return nil // another process was first
	case err == nil && os.Geteuid() == 0:
		var info fs.FileInfo
		if info, err = os.Stat(above); err == nil {
			owner := info.Sys().(*syscall.Stat_t)
			err = os.Chown(path, int(owner.Uid), int(owner.Gid))
		}
	}
	return err
}
