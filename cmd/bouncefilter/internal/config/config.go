// Package config reads bouncefilter's configuration: one TOML file, defaults for everything that it leaves out, and the
// flags of the command line, which come before both.
//
// [Load] returns the configuration with every value checked and of its proper type, and all problems at once, each with
// its place and its remedy. Of what the configuration names the package opens only files of domains and the web configuration: neither
// keys nor store nor sockets.
package config

import (
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/events"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/keyring"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/listener"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/tomlfile"
	"github.com/bouncefilter/bouncefilter/filter"
	"github.com/bouncefilter/bouncefilter/filter/policy"
	"github.com/bouncefilter/bouncefilter/prvs"
	"github.com/bouncefilter/bouncefilter/store/open"
)

// Formats of the log.
const (
	FormatLogfmt = "logfmt"
	FormatJSON   = "json"
)

// Values of the options untagged and bad_tag.
const (
	atEnd          = "end-of-message"
	untaggedAtData = "reject"
	badTagAtRcpt   = "rcpt"
)

// Host is what the defaults depend on.
type Host struct {
	Name     string // of this host
	StateDir string
}

// Flags are the options of the command line that come before the file. Empty ones are not set.
type Flags struct {
	Domains   []string
	Listen    []string
	HTTP      string
	Store     string
	Mode      string
	StateDir  string
	LogLevel  string
	LogFormat string
}

// Config is a configuration that has been checked.
type Config struct {
	Path string // of the file; empty if there is none
	Read bool   // the file could be read as TOML

	Listeners   []Listener       // at least one
	Socketmap   listener.Address // the zero Address for none
	SocketMode  fs.FileMode      // of all unix sockets
	SocketGroup int              // group ID, -1 for the process's own
	HTTP        listener.Address // the zero Address for none
	HTTPChosen  bool             // HTTP is not merely the default
	WebConfig   string           // path of who may use HTTP, "" for every client; see webconfig

	StateDir         string
	Store            string // URL, which may hold a password
	StoreTimeout     time.Duration
	Keys             string // path of the index
	KeysChosen       bool   // Keys is not merely the default
	HashSecret       string // path
	HashSecretChosen bool   // HashSecret is not merely the default
	Node             string

	KeysInStore bool          // nodes give each other new keys in the store; otherwise an operator copies files
	KeyRotation time.Duration // age at which a signing key is replaced; 0 for never

	LogLevel        slog.Level
	LogFormat       string
	SummaryInterval time.Duration
	Notes           int // of refusals, that are kept; 0 for none
	Limits          filter.Limits
	Memory          int64 // octets that the process may use; 0 for what the cgroup allows
	Events          events.Sinks

	Ring     prvs.Options
	Settings policy.Settings // without keys

	domains *policy.Domains // of Settings

	misnamed bool // the options that name domains have a problem

	doc   *tomlfile.Document
	raw   file
	flags Flags
}

// Load reads the file at path, "" for none. The Config is complete only if there are no problems. A configuration without
// a domain is enough for some commands; see [Config.NeedDomain].
func Load(path string, flags Flags, h Host) (*Config, tomlfile.Problems) {
	c := &Config{Path: path, domains: policy.NewDomains(nil), doc: &tomlfile.Document{}, raw: defaults(h), flags: flags}
	var problems tomlfile.Problems
	if path != "" {
		c.doc, problems = tomlfile.Read(path, &c.raw)
		if c.Read = c.doc.Parsed(); !c.Read {
			return c, problems // the defaults have no fault of their own
		}
	}
	c.misnamed = slices.ContainsFunc(problems, namesDomains)
	c.raw.apply(flags)
	r := resolver{c: c, problems: problems}
	r.paths()
	r.listeners()
	r.http()
	r.log()
	r.report()
	r.limits()
	r.events()
	r.settings()
	r.keys()
	return c, r.problems
}

// apply lets the flags override the file. --domain replaces the list of domains; a domain that has a table in the file keeps its
// settings. --listen replaces all listeners. --mode is meant for all domains.
func (f *file) apply(o Flags) {
	if len(o.Domains) > 0 {
		f.Domains, f.DomainsFile = nil, nil
		var tables []domainTable
		for _, name := range o.Domains {
			same := func(d domainTable) bool { return prvs.FoldDomain(d.Name) == prvs.FoldDomain(name) }
			if i := slices.IndexFunc(f.Domain, same); i >= 0 {
				tables = append(tables, f.Domain[i])
			} else {
				f.Domains = append(f.Domains, name)
			}
		}
		f.Domain = tables
	}
	if len(o.Listen) > 0 {
		f.Listen, f.Listener = o.Listen, nil
	}
	for _, s := range []struct {
		field *string
		flag  string
	}{{&f.HTTP, o.HTTP}, {&f.Store, o.Store}, {&f.Mode, o.Mode}, {&f.StateDir, o.StateDir}, {&f.Log.Level, o.LogLevel}, {&f.Log.Format, o.LogFormat}} {
		if s.flag != "" {
			*s.field = s.flag
		}
	}
	if o.HTTP == "off" {
		f.HTTP = ""
	}
	if o.Mode != "" {
		for i := range f.Domain {
			f.Domain[i].Mode = ""
		}
	}
}

// Problem returns a problem with an option of the file, or with the flag that came before it.
func (c *Config) Problem(key, value, what, remedy string) tomlfile.Problem {
	if flag := c.flag(key); flag != "" {
		return tomlfile.Problem{Key: flag, Value: value, What: what, Remedy: remedy}
	}
	return c.doc.Problem(key, value, what, remedy)
}

// flag returns the flag that set key, if one did.
func (c *Config) flag(key string) string {
	option, _, _ := strings.Cut(key, "[")
	o := &c.flags
	switch {
	case option == "domains" && len(o.Domains) > 0:
		return "--domain"
	case option == "listen" && len(o.Listen) > 0:
		return "--listen"
	case option == "http" && o.HTTP != "":
		return "--http"
	case option == "store" && o.Store != "":
		return "--store"
	case option == "mode" && o.Mode != "":
		return "--mode"
	case option == "state_dir" && o.StateDir != "":
		return "--state-dir"
	case option == "log.level" && o.LogLevel != "":
		return "--log-level"
	case option == "log.format" && o.LogFormat != "":
		return "--log-format"
	}
	return ""
}

// NeedDomain returns the problem that no domain is named, if so and if it does not follow from one that Load has found.
func (c *Config) NeedDomain() tomlfile.Problems {
	if len(c.raw.Domains) > 0 || len(c.raw.Domain) > 0 || len(c.raw.DomainsFile) > 0 || c.misnamed {
		return nil
	}
	return tomlfile.Problems{c.Problem("domains", "", "no domain is named",
		`add domains = ["example.com"] above the first [table] of the configuration, domains_file or [[domain]], or serve --domain example.com`)}
}

// namesDomains says whether the problem is with an option that names domains, also if that is in the wrong place.
func namesDomains(p tomlfile.Problem) bool {
	last := p.Key[strings.LastIndexByte(p.Key, '.')+1:]
	return slices.Contains([]string{"domains", "domains_file", "domain"}, last)
}

// Unread says whether there is a file that could not be read as TOML, so that the rest of the configuration means nothing.
func (c *Config) Unread() bool { return c.Path != "" && !c.Read }

// Embedded says whether the store is a part of one daemon: there are no other nodes, and no other process can use it while that runs.
func (c *Config) Embedded() bool {
	return open.Embedded(c.Store)
}

// InMemory says whether the store is in the memory of the daemon: no other process has what is in it, and none has it later.
func (c *Config) InMemory() bool { return c.Store == "memory:" }

// StoreProblem returns the problem that the store cannot be opened, or does not answer.
func (c *Config) StoreProblem(err error) tomlfile.Problems {
	what := strings.TrimPrefix(err.Error(), "store ") // the key says it
	return tomlfile.Problems{c.Problem("store", "", what, "see the store option in deploy/bouncefilter.toml")}
}

// Domain returns the settings of a domain in any spelling, if it is one of ours.
func (c *Config) Domain(name string) (policy.Domain, bool) {
	if d := c.domains.Find(name); d != nil {
		return *d, true
	}
	return policy.Domain{}, false
}

// Domains finds the domains of ours, and knows which addresses are one mailbox.
func (c *Config) Domains() *policy.Domains { return c.domains }

// HistoryFile is where the daemon saves since when domains have been signing (see [filter.Options]).
func (c *Config) HistoryFile() string { return filepath.Join(c.StateDir, "history.json") }

// JournalFile is the journal of records while the store does not answer (see [guard.Options]).
func (c *Config) JournalFile() string { return filepath.Join(c.StateDir, "store.journal") }

// ControlSocket is the socket over which other commands reach the daemon.
func (c *Config) ControlSocket() string { return filepath.Join(c.StateDir, "control.sock") }

// Fixed returns the options that differ between two configurations and can only be changed by a restart.
func Fixed(running, next *Config) []string {
	options := []struct {
		key  string
		same bool
	}{
		{"listen", sameListeners(running.Listeners, next.Listeners, false)},
		{"listener", sameListeners(running.Listeners, next.Listeners, true)},
		{"socketmap", running.Socketmap == next.Socketmap},
		{"socket_mode", running.SocketMode == next.SocketMode},
		{"socket_group", running.SocketGroup == next.SocketGroup},
		{"http", running.HTTP == next.HTTP},
		{"web_config", running.WebConfig == next.WebConfig},
		{"state_dir", running.StateDir == next.StateDir},
		{"store", running.Store == next.Store},
		{"store_timeout", running.StoreTimeout == next.StoreTimeout},
		{"hash_secret", running.HashSecret == next.HashSecret},
		{"node", running.Node == next.Node},
		{"log.format", running.LogFormat == next.LogFormat},
		{"log.summary_interval", running.SummaryInterval == next.SummaryInterval},
		{"events", reflect.DeepEqual(running.Events, next.Events)},
		{"report.notes", running.Notes == next.Notes},
		{"limits", running.Limits == next.Limits && running.Memory == next.Memory},
	}
	var keys []string
	for _, o := range options {
		if !o.same {
			keys = append(keys, o.key)
		}
	}
	return keys
}

// String leaves out the store's password.
func (c *Config) String() string { return fmt.Sprintf("configuration %s", c.Path) }

// paths fills in the paths that depend on the state directory. Relative ones start there.
func (r *resolver) paths() {
	c, f := r.c, &r.c.raw
	dir, err := filepath.Abs(f.StateDir)
	if err != nil || f.StateDir == "" {
		r.problem("state_dir", tomlfile.Quote(f.StateDir), "is not a directory", "name an absolute path")
	}
	c.StateDir = dir
	within := func(path, normal string) string {
		if path == "" {
			path = normal
		}
		if filepath.IsAbs(path) {
			return path
		}
		return filepath.Join(dir, path)
	}
	c.Keys, c.KeysChosen = within(f.Keys, filepath.Join("keys", keyring.IndexName)), f.Keys != ""
	if f.WebConfig != "" {
		c.WebConfig = within(f.WebConfig, "")
	}
	c.HashSecret, c.HashSecretChosen = within(f.HashSecret, "hash.secret"), f.HashSecret != ""
	c.Store = f.Store
	if c.Store == "" {
		c.Store = "bolt:" + filepath.Join(dir, "state.db")
	} else if path, ok := strings.CutPrefix(c.Store, "bolt:"); ok && path != "" {
		c.Store = "bolt:" + within(path, "")
	}
	c.StoreTimeout = f.StoreTimeout
	if c.StoreTimeout < time.Millisecond || c.StoreTimeout > time.Minute {
		r.problem("store_timeout", c.StoreTimeout.String(), "is out of range", `use a duration from "1ms" to "1m"`)
	}
	if c.Node = f.Node; strings.TrimSpace(c.Node) == "" {
		r.problem("node", "", "is empty", "name this daemon, such as mx1")
	}
}
