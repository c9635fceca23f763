package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/config"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/keyring"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/tomlfile"
	"github.com/bouncefilter/bouncefilter/filter"
)

// siteFlags say where the configuration is. All commands that need one have them.
type siteFlags struct {
	Config   string `short:"c" type:"path" placeholder:"FILE" env:"BOUNCEFILTER_CONFIG" help:"Configuration file (see deploy/bouncefilter.toml)."`
	StateDir string `type:"path" placeholder:"DIR" help:"Directory of store and keys, before the one in the file."`
}

// site is a configuration with its keys: everything that a reload replaces.
type site struct {
	config *config.Config
	keys   *keyring.Keyring
	policy *filter.Policy
}

// host returns what the defaults depend on.
func (a *app) host() config.Host {
	name, err := os.Hostname()
	if err != nil || name == "" {
		name = "localhost"
	}
	return config.Host{Name: name, StateDir: a.stateDir()}
}

// stateDir returns where a site that configures nothing keeps its state: the system's place for root, the user's data
// directory (XDG Base Directory Specification) for others.
func (a *app) stateDir() string {
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

// loadSite loads the keys that the configuration names and makes the policy. problems are those of the configuration;
// those of the keys are added, so that all are told at once.
func loadSite(c *config.Config, problems tomlfile.Problems) (*site, tomlfile.Problems) {
	s := &site{config: c}
	var found tomlfile.Problems
	s.keys, found = keyring.Load(c.Keys)
	problems = append(problems, withKeyHint(c, found)...)
	if len(found) == 0 {
		problems = append(problems, s.unsignedDomains()...)
	}
	if len(problems) > 0 {
		return nil, problems
	}
	ring, err := s.keys.Ring(c.Ring)
	if err != nil {
		return nil, tomlfile.AsProblems(c.Keys, err)
	}
	settings := c.Settings
	settings.Keys = ring
	if s.policy, err = filter.NewPolicy(settings); err != nil {
		return nil, tomlfile.AsProblems(c.Path, err)
	}
	return s, nil
}

// withKeyHint says how to make an index of keys that does not exist.
func withKeyHint(c *config.Config, problems tomlfile.Problems) tomlfile.Problems {
	if _, err := os.Lstat(c.Keys); !errors.Is(err, fs.ErrNotExist) {
		return problems
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

// makeFolder makes a folder for state that only its owner can enter, also above it what is missing.
func makeFolder(path string) error {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return fmt.Errorf("make the state directory: %w", err)
	}
	return nil
}
