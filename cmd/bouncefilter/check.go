package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/config"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/keyring"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/mta"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/tomlfile"
	"github.com/bouncefilter/bouncefilter/filter"
	"github.com/bouncefilter/bouncefilter/prvs"
	"github.com/bouncefilter/bouncefilter/store"
	"github.com/bouncefilter/bouncefilter/store/bolt"
	"github.com/bouncefilter/bouncefilter/store/open"
)

// checkCmd finds out whether serve would run, and how, and whether the mail server is set up for it.
type checkCmd struct {
	siteFlags
	mtaFlags
	liveFlags
	JSON bool `name:"json" help:"Print a JSON object."`
}

// Help is shown by check --help.
func (checkCmd) Help() string {
	return `Every problem is printed as file:line: option: problem; remedy. What is missing or dangerous in the live configuration of the
mail server is printed with the lines to add. The exit status is 0 if there is no problem and no error, 1 otherwise. What a
first serve would make (state directory, key, store) may be missing. Nothing is changed. A damaged embedded store is a
problem; serve moves it aside and begins a new one.

With --live the running daemon is asked, as an MTA would, about bounces of which it has to refuse some; and the mail server, as
another site would, about recipients. Nothing is delivered to anybody. The daemon logs, counts and records what it is asked, from
the client 192.0.2.1.`
}

// checked is everything that check finds, and what --json prints.
type checked struct {
	Configuration string        `json:"configuration"` // path; "" if there is none
	Problems      []problemJSON `json:"problems"`
	Status        *status       `json:"status"` // null if there are problems
	MTA           *mtaJSON      `json:"mta"`    // null if there is none
	Findings      []mta.Finding `json:"findings"`
	Live          []liveStep    `json:"live"` // null unless asked for

	problems tomlfile.Problems
	site     *site
	note     string
	ofMTA    []mta.Finding // of the findings, those about the mail server
}

// problemJSON is a problem of the configuration, of keys or of the store.
type problemJSON struct {
	File   string `json:"file"`
	Line   int    `json:"line"` // 0 if it has no place in the file
	Key    string `json:"key"`
	Value  string `json:"value"`
	What   string `json:"what"`
	Remedy string `json:"remedy"`
}

// mtaJSON says whose configuration the findings are about.
type mtaJSON struct {
	Name          string `json:"name"`
	Configuration string `json:"configuration"`
}

// Run implements the command.
func (cmd *checkCmd) Run(ctx context.Context, a *app) error {
	server, err := cmd.locate(a)
	if err != nil {
		return err
	}
	r, err := cmd.check(ctx, a, server)
	if err != nil {
		return err
	}
	if cmd.JSON {
		err = json.NewEncoder(a.stdout).Encode(r)
	} else {
		err = r.print(a.stdout, server)
	}
	if err == nil && (len(r.problems) > 0 || mta.Errors(r.Findings) || failed(r.Live)) {
		err = errNo
	}
	return err
}

// check looks at everything. The mail server is compared only with a configuration that can be used.
func (cmd *checkCmd) check(ctx context.Context, a *app, server *located) (*checked, error) {
	c, problems := cmd.load(a)
	r := &checked{Configuration: c.Path, Problems: []problemJSON{}, Findings: []mta.Finding{}}
	if unread(c, problems) {
		r.add(problems)
		return r, nil
	}
	problems = append(problems, c.NeedDomain()...)
	usable := len(problems) == 0
	r.site, r.Status, r.note, problems = inspect(ctx, a, c, problems)
	r.add(problems)
	var err error
	if r.Status != nil {
		if r.Live, err = cmd.ask(ctx, a, r.site); err != nil {
			return nil, err
		}
		r.Findings = append(r.Findings, passwordFindings(c)...)
		r.Findings = append(r.Findings, r.Status.memoryFindings()...)
		r.Findings = append(r.Findings, r.site.compareNodes(r.Status.Nodes, a.now())...)
		r.Findings = append(r.Findings, routeFindings(r.Status.OtherRoutes, r.site.config.Settings.Exempt.Recipients)...)
	}
	if server == nil {
		return r, nil
	}
	r.MTA = &mtaJSON{server.name, server.configuration}
	if usable {
		if r.ofMTA, err = server.find(ctx, server.configuration, mtaSite(c)); err != nil {
			return nil, fmt.Errorf("read the configuration of %s: %w", server.title, err)
		}
		r.Findings = append(r.Findings, r.ofMTA...)
	}
	return r, nil
}

// passwordFindings reports a file with a password that is open to everybody.
func passwordFindings(c *config.Config) []mta.Finding {
	if !holdsPassword(c.Store) || !readByAll(c.Path) {
		return nil
	}
	return []mta.Finding{{Level: mta.LevelError, Name: "config-readable", Where: c.Path,
		What: "It holds the password of the store, and every user of this host can read it.", Cure: []string{"chmod o-r " + c.Path}}}
}

// holdsPassword says whether the URL of a store has something to hide.
func holdsPassword(url string) bool { return strings.Contains(url, "@") && open.Redacted(url) != url }

// readByAll says whether everybody may read a file.
func readByAll(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().Perm()&0o004 != 0
}

func (r *checked) add(problems tomlfile.Problems) {
	r.problems = problems.Sorted()
	for _, p := range r.problems {
		r.Problems = append(r.Problems, problemJSON(p))
	}
	if len(problems) > 0 {
		r.Status = nil
	}
}

// print shows problems, or what is in effect, and findings.
func (r *checked) print(out io.Writer, server *located) error {
	for _, p := range r.problems {
		fmt.Fprintln(out, p)
	}
	if len(r.problems) == 0 {
		if err := r.site.print(out, r.Status, r.note, server, r.ofMTA); err != nil {
			return err
		}
	}
	printFindings(out, r.Findings)
	printLive(out, r.Live)
	if mta.Errors(r.ofMTA) {
		fmt.Fprintf(out, "\n\"bouncefilter setup %s\" shows a change that puts right what a program can.\n", server.name)
	}
	return nil
}

// inspect adds what is wrong with keys, hash secret and store to the problems of a configuration, and learns from the
// store what it says about the domains.
func inspect(ctx context.Context, a *app, c *config.Config, problems tomlfile.Problems) (*site, *status, string, tomlfile.Problems) {
	s, found := checkKeys(c)
	problems = append(problems, found...)
	if exists(c.HashSecret) || c.HashSecretChosen {
		_, found := readHashSecret(c)
		problems = append(problems, found...)
	}
	if len(problems) == 0 {
		if err := s.makePolicy(); err != nil {
			problems = append(problems, tomlfile.AsProblems(c.Path, err)...)
		}
	}
	st, note, found := s.checkStore(ctx, a)
	return s, st, note, append(problems, found...)
}

// checkKeys loads the keys. Where serve would make the first one, there is one in memory.
func checkKeys(c *config.Config) (*site, tomlfile.Problems) {
	s := &site{config: c}
	if problems := lostIndex(c); !exists(c.Keys) && len(problems) > 0 {
		return s, problems
	}
	if !exists(c.Keys) && !c.KeysChosen {
		s.keys = &keyring.Keyring{Path: c.Keys, Keys: []keyring.Key{
			{Key: prvs.Key{State: prvs.StateSign, Secret: keyring.NewSecret()}},
		}}
		return s, nil
	}
	var problems tomlfile.Problems
	s.keys, problems = keyring.Load(c.Keys)
	if problems = withKeyHint(c, problems); len(problems) > 0 {
		return s, problems
	}
	return s, s.unsignedDomains()
}

// checkStore contacts the store. The status is nil if the policy could not be made, the note says what is to be known
// about a store that could not be asked.
func (s *site) checkStore(ctx context.Context, a *app) (st *status, note string, problems tomlfile.Problems) {
	c := s.config
	path, embedded := strings.CutPrefix(c.Store, "bolt:")
	if embedded && path != "" && !exists(path) {
		// Opening it would make it, for the wrong user perhaps.
		return s.statusOf(ctx, nil, a.now(), "not there yet; serve makes it")
	}
	opened, err := a.openStore(ctx, c.Store, open.LeaveDamaged(), open.Clock(a.now))
	switch {
	case errors.Is(err, bolt.ErrInUse):
		return s.statusOfDaemon(ctx, a.now())
	case err != nil:
		return nil, "", storeProblem(c, err)
	}
	ctx, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	if err := opened.Ping(ctx); err != nil {
		problems = append(problems, storeProblem(c, err)...)
	} else {
		var found tomlfile.Problems
		if st, note, found = s.statusOf(ctx, opened, a.now(), ""); st != nil {
			st.OtherRoutes = s.otherRoutes(ctx)
		}
		problems = append(problems, found...)
	}
	if err := opened.Close(); err != nil {
		problems = append(problems, storeProblem(c, err)...)
	}
	return st, note, problems
}

func (s *site) statusOf(ctx context.Context, st store.Store, now time.Time, note string) (*status, string, tomlfile.Problems) {
	if s.policy == nil {
		return nil, note, nil
	}
	answer, err := newStatus(ctx, s.policy, st, s.past(), now)
	if err != nil {
		return nil, note, storeProblem(s.config, err)
	}
	return answer, note, nil
}

// statusOfDaemon asks the daemon that has the embedded store open.
func (s *site) statusOfDaemon(ctx context.Context, now time.Time) (*status, string, tomlfile.Problems) {
	const inUse = "in use by a running daemon"
	if s.config.HTTP != "" && s.policy != nil {
		if st, err := askStatus(ctx, s.config.HTTP); err == nil {
			return st, inUse, nil
		}
	}
	return s.statusOf(ctx, nil, now, inUse+", which could not be asked: its http option is off or differs")
}

// print shows what is in effect.
func (s *site) print(out io.Writer, st *status, note string, server *located, findings []mta.Finding) error {
	c := s.config
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	row := func(what, value string) { fmt.Fprintf(w, "%s\t%s\n", what, value) }
	row("configuration", orDash(c.Path, "(none)"))
	for _, d := range st.Domains {
		row("domain", d.Name+": "+d.String())
	}
	for _, k := range s.keys.Keys {
		if k.File == "" {
			row("key", "none yet; serve makes one")
			continue
		}
		l := listed(k)
		next := ""
		if k.Next {
			next = ", signs as soon as every node has it"
		}
		row("key", fmt.Sprintf("%v%s, created %s, fingerprint %s", k.Key, next, orDash(l.Created, "(unknown)"), orDash(l.Fingerprint, "-")))
	}
	for _, l := range c.Listeners {
		remark := ""
		if l.Role != filter.RoleBoth {
			remark = ", only to " + l.Role.String()
		}
		if !l.Address.Loopback() {
			remark += " (not loopback: whoever can connect can have any address signed)"
		}
		row("listen", l.Address.String()+remark)
	}
	if !c.Socketmap.IsZero() {
		row("socketmap", c.Socketmap.String())
	}
	row("http", orDash(c.HTTP, "off"))
	row("store", storeLine(c, st, note))
	if n := st.Revocations; n > 0 {
		row("revocations", fmt.Sprintf("%d in effect, see bouncefilter revoke list", n))
	}
	if server != nil {
		row(server.name, server.configuration+": "+counted(findings))
	}
	return w.Flush()
}

func storeLine(c *config.Config, st *status, note string) string {
	line := open.Redacted(c.Store)
	if note != "" {
		line += ": " + note
	}
	if !st.Since.IsZero() {
		line += ": complete since " + st.Since.UTC().Format(time.RFC3339)
	} else if note == "" {
		line += ": nothing recorded yet, or it cannot vouch for its record"
	}
	return line
}
