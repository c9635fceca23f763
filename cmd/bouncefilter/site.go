package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/config"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/keyring"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/site"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/tomlfile"
	"github.com/bouncefilter/bouncefilter/prvs"
)

// usualConfig is the configuration of commands that are given none, if it is there.
const usualConfig = "/etc/bouncefilter/bouncefilter.toml"

// siteFlags say where the configuration is. All commands that need one have them.
type siteFlags struct {
	Config   string `short:"c" type:"path" placeholder:"FILE" env:"BOUNCEFILTER_CONFIG" help:"Configuration file (default: /etc/bouncefilter/bouncefilter.toml, if it is there)."`
	StateDir string `type:"path" placeholder:"DIR" help:"Directory of store and keys, before the one in the file."`
}

// host returns what the defaults depend on.
func (a *app) host() config.Host {
	name, err := os.Hostname()
	if err != nil || name == "" {
		name = "localhost"
	}
	return config.Host{Name: name, StateDir: a.stateDir()}
}

// stateDir returns the default state directory: what the service manager says (StateDirectory=, systemd.exec(5)), the system's place for
// root, the user's data directory (XDG Base Directory Specification) for others.
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

// path returns the path of the configuration; "" if there is none.
func (f *siteFlags) path(a *app) string {
	if f.Config != "" || a.usualConfig == "" {
		return f.Config
	}
	if _, err := os.Stat(a.usualConfig); errors.Is(err, fs.ErrNotExist) {
		return ""
	}
	return a.usualConfig
}

// unusual returns the path of the configuration that a command must be told; "" for the usual one.
func (f *siteFlags) unusual(a *app) string {
	if f.Config == a.usualConfig {
		return ""
	}
	return f.Config
}

// load reads the configuration that the flags name, or the usual one. It need not name a domain.
func (f *siteFlags) load(a *app) (*config.Config, tomlfile.Problems) {
	return config.Load(f.path(a), config.Flags{StateDir: f.StateDir}, a.host())
}

// loadRing is for commands that need keys and no domains. read reads the index: keyring.Load, or LoadUsable for what can do without
// secrets that cannot be read.
func (f *siteFlags) loadRing(a *app, read func(string) (*keyring.Keyring, tomlfile.Problems)) (*config.Config, *keyring.Keyring, *prvs.Ring, error) {
	c, problems := f.load(a)
	if c.Unread() {
		return nil, nil, nil, problems
	}
	keys, found := read(c.Keys)
	if problems = append(problems, site.IndexProblems(c, found)...); len(problems) > 0 {
		return nil, nil, nil, problems
	}
	ring, err := keys.Ring(c.Ring)
	if err != nil {
		return nil, nil, nil, tomlfile.AsProblems(c.Keys, err)
	}
	return c, keys, ring, nil
}
