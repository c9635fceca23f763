package main

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/config"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/keyring"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/site"
	"github.com/bouncefilter/bouncefilter/filter/policy"
	"github.com/bouncefilter/bouncefilter/prvs"
)

// keyCmd holds the steps of a key's life.
type keyCmd struct {
	Add      keyAddCmd      `cmd:"" help:"Make a key, or import one. The first one signs; later ones verify until they are activated."`
	List     keyListCmd     `cmd:"" help:"List the keys, without their secrets."`
	Rotate   keyRotateCmd   `cmd:"" help:"Replace the key that signs by a new one, which signs as soon as every node of the store has it."`
	Activate keyActivateCmd `cmd:"" help:"Let a key sign at once; the one that signed until now goes on verifying."`
	Retire   keyRetireCmd   `cmd:"" help:"Take a key out of use once no bounce to its tags can be proven any more. Daemons do so by themselves."`
}

const (
	reloadHint   = `a running daemon loads it within seconds, or at once: systemctl reload bouncefilter, or SIGHUP`
	activateHint = reloadHint + `; activate the key once every host has it`
)

// index returns the configuration, of which the key commands use the path of the index and the life of tags. Domains are
// not needed to make a key for them.
func (f *siteFlags) index(a *app) (*config.Config, error) {
	c, problems := f.load(a)
	return c, problems.Err()
}

type keyAddCmd struct {
	siteFlags
	Number *int   `placeholder:"K" help:"Key number, 0 to 9 (default: the lowest that is free)."`
	Domain string `placeholder:"D" help:"Use the key for this domain only."`
	File   string `type:"path" placeholder:"FILE" help:"Import the secret in this file instead of making one."`
}

// Run implements the command.
func (cmd *keyAddCmd) Run(a *app) error {
	c, err := cmd.index(a)
	if err != nil {
		return err
	}
	if problems := site.MissingIndex(c); cmd.File == "" && len(problems) > 0 {
		return problems
	}
	secret := keyring.NewSecret()
	if cmd.File != "" {
		if secret, err = keyring.ReadSecret(cmd.File); err != nil {
			return err
		}
	}
	number := keyring.AnyNumber
	if cmd.Number != nil {
		if number = *cmd.Number; number < 0 || number > 9 {
			return usageError{fmt.Errorf("--number: %d is not a digit from 0 to 9", number)}
		}
	}
	if cmd.Domain != "" && !config.IsDomainOrBelow(cmd.Domain) {
		return usageError{fmt.Errorf("--domain: %q is not a domain name", cut(cmd.Domain))}
	}
	if err := site.MakeKeyFolder(c); err != nil {
		return err
	}
	var key keyring.Key
	err = keyring.Update(c.Keys, func(k *keyring.Keyring) (err error) {
		key, err = k.Add(number, cmd.Domain, secret, a.now())
		return err
	})
	if err != nil {
		return err
	}
	hint := activateHint
	if key.State == prvs.StateSign {
		hint = reloadHint
	}
	if why := unusedKey(c, cmd.Domain); why != "" {
		fmt.Fprintf(a.stderr, "hint: %s\n", why)
	}
	a.report(hint, "added %v, secret in %s", key.Key, filepath.Join(filepath.Dir(c.Keys), key.File))
	return nil
}

// unusedKey says why no mail is signed with a key of the domain, if so. Without a configuration it is not known.
func unusedKey(c *config.Config, domain string) string {
	if domain == "" || len(c.Settings.Domains) == 0 {
		return ""
	}
	if main := c.Domains().Main(domain); main != domain {
		return fmt.Sprintf("%q is an alias of %s, whose keys sign its mail; add the key with --domain %s", domain, main, main)
	}
	suffix, below := strings.CutPrefix(prvs.FoldDomain(domain), "*")
	covered := func(d policy.Domain) bool { return below && strings.HasSuffix(prvs.FoldDomain(d.Name), suffix) }
	if _, ours := c.Domain(domain); !ours && !slices.ContainsFunc(c.Settings.Domains, covered) {
		return fmt.Sprintf("%q is not one of the domains configured; serve does not use the key until it is", domain)
	}
	return ""
}

type keyActivateCmd struct {
	siteFlags
	keyArgument
}

// keyArgument names a key that exists.
type keyArgument struct {
	Domain *string `placeholder:"D" help:"Domain of the key, \"\" for all domains, if several keys have the number."`
	Number int     `arg:"" name:"number" help:"Key number."`
}

// Run implements the command.
func (cmd *keyActivateCmd) Run(a *app) error {
	c, err := cmd.index(a)
	if err != nil {
		return err
	}
	var active keyring.Key
	var former *keyring.Key
	err = updateIndex(c, func(k *keyring.Keyring) (err error) {
		active, former, err = k.Activate(cmd.Number, cmd.keyArgument.Domain, a.now())
		return err
	})
	if err != nil {
		return err
	}
	a.report(reloadHint, "activated %v", active.Key)
	if former != nil {
		fmt.Fprintf(a.stdout, "%v may be retired after %s\n", former.Key, a.now().Add(c.KeyRest()).UTC().Format(time.DateOnly))
	}
	return nil
}

type keyRetireCmd struct {
	siteFlags
	keyArgument
	Force bool `help:"Also if bounces to tags made with the key may come."`
}

// Run implements the command.
func (cmd *keyRetireCmd) Run(a *app) error {
	c, err := cmd.index(a)
	if err != nil {
		return err
	}
	var key keyring.Key
	err = updateIndex(c, func(k *keyring.Keyring) (err error) {
		key, err = k.Retire(cmd.Number, cmd.keyArgument.Domain, c.KeyRest(), cmd.Force, a.now())
		return err
	})
	if err != nil {
		return err
	}
	a.report(reloadHint, "retired %v; its secret in %s may be removed", key.Key, filepath.Join(filepath.Dir(c.Keys), key.File))
	return nil
}

// updateIndex changes an index that exists.
func updateIndex(c *config.Config, change func(*keyring.Keyring) error) error {
	if !site.Exists(c.Keys) {
		return site.IndexProblems(c, nil)
	}
	return keyring.Update(c.Keys, change)
}

// report prints what was done, and a hint beside it.
func (a *app) report(hint, format string, args ...any) {
	fmt.Fprintf(a.stdout, format+"\n", args...)
	fmt.Fprintf(a.stderr, "hint: %s\n", hint)
}

type keyListCmd struct {
	siteFlags
	JSON bool `name:"json" help:"Print a JSON array."`
}

// listedKey is what may be shown of a key.
type listedKey struct {
	Number      uint8  `json:"number"`
	Domain      string `json:"domain"`
	State       string `json:"state"`
	Next        bool   `json:"next"`
	Unreadable  bool   `json:"unreadable"`
	Created     string `json:"created"`
	SignedUntil string `json:"signed_until"`
	File        string `json:"file"`
	Fingerprint string `json:"fingerprint"`
}

// Run implements the command.
func (cmd *keyListCmd) Run(a *app) error {
	c, err := cmd.index(a)
	if err != nil {
		return err
	}
	ring, problems := keyring.LoadUsable(c.Keys)
	if problems = site.IndexProblems(c, problems); len(problems) > 0 {
		return problems
	}
	for _, p := range ring.Unreadable {
		fmt.Fprintf(a.stderr, "bouncefilter: warning: %s\n", p)
	}
	list := make([]listedKey, 0, len(ring.Keys))
	for _, k := range ring.Keys {
		list = append(list, listed(k))
	}
	if cmd.JSON {
		return json.NewEncoder(a.stdout).Encode(list)
	}
	w := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NUMBER\tDOMAIN\tSTATE\tCREATED\tSIGNED UNTIL\tFINGERPRINT\tFILE")
	for _, k := range list {
		state := k.State
		if k.Next {
			state += ", signs next"
		}
		if k.Unreadable {
			state += ", unreadable"
		}
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\t%s\n", k.Number, orDash(k.Domain, "(all)"), state, orDash(k.Created, "-"),
			orDash(k.SignedUntil, "-"), orDash(k.Fingerprint, "-"), k.File)
	}
	return w.Flush()
}

func listed(k keyring.Key) listedKey {
	l := listedKey{Number: k.Number, Domain: k.Domain, State: k.State.String(), Next: k.Next, Unreadable: k.Absent, File: k.File}
	if len(k.Secret) > 0 {
		l.Fingerprint = keyring.Fingerprint(k.Secret)
	}
	if !k.Created.IsZero() {
		l.Created = k.Created.UTC().Format(time.RFC3339)
	}
	if !k.SignedUntil.IsZero() {
		l.SignedUntil = k.SignedUntil.UTC().Format(time.DateOnly)
	}
	return l
}

// orDash returns s, or another text for nothing.
func orDash(s, nothing string) string {
	if s == "" {
		return nothing
	}
	return s
}
