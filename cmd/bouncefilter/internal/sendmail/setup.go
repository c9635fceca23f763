package sendmail

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/mta"
)

// testPatience bounds what setup waits for the sendmail command, which sleeps for a minute on a host without a full name.
const testPatience = 2 * time.Minute

// NoSourceError says that there is a sendmail.cf without its source. No program should edit such a file: the next make would undo
// the edits.
type NoSourceError struct {
	Path  string
	Lines []string // that sendmail.cf lacks
}

// Error implements error.
func (e *NoSourceError) Error() string {
	return fmt.Sprintf("there is no %s from which %s could be made again, so setup changes nothing", strings.TrimSuffix(e.Path, ".cf")+".mc", e.Path)
}

// Remedy says what to do instead.
func (e *NoSourceError) Remedy() string {
	return "add these lines by hand (white space before \"$:\" is a TAB), and then run bouncefilter check:\n  " + strings.Join(e.Lines, "\n  ")
}

// EditedError says that sendmail.cf is not what m4 makes of its source, so that making it again would change more than was
// asked for.
type EditedError struct{ Path, Source, Has, Makes string }

// Error implements error.
func (e *EditedError) Error() string {
	return fmt.Sprintf("%s is not what m4 makes of %s: it has %q where m4 makes %q", e.Path, e.Source, e.Has, e.Makes)
}

// Remedy says what to do about it.
func (e *EditedError) Remedy() string {
	return fmt.Sprintf("write into %s what was edited in %s, or make that file again if it is only old (%s); then try again", e.Source, e.Path, makeCommand(e.Source))
}

// Setup works out the change that sets up the Sendmail whose sendmail.cf is at path. One that is set up already needs none.
// The result is tested with the sendmail command before it is returned.
func Setup(ctx context.Context, path string, site mta.Site) (*mta.Change, error) {
	site = inASCII(site)
	c, err := readFiles(path)
	if err != nil {
		return nil, err
	}
	if c.Host, err = os.Hostname(); err != nil {
		return nil, err
	}
	if release, version := c.release(); release > 0 && release < 14 {
		return nil, fmt.Errorf("this is Sendmail %s; the set-up needs 8.14 or later", version)
	}
	if c.Source == "" {
		if b := (&checker{c: c, site: site}).lacks(); !b.empty() {
			return nil, &NoSourceError{Path: path, Lines: b.cf(splitFilters(c.option("InputMailFilters").Value))}
		}
		return &mta.Change{}, nil
	}
	p := &plan{path: path, source: c.Source, site: site}
	if err := p.ask(ctx); err != nil {
		return nil, err
	}
	change, err := p.make(ctx)
	if err != nil || len(change.Files) == 0 {
		return change, err
	}
	why, err := p.test(ctx)
	if err != nil {
		return nil, err
	}
	change.Why = append(change.Why, why)
	return change, nil
}

// plan is a change in the making.
type plan struct {
	path, source string
	site         mta.Site
	takes        map[string]bool // domains that Sendmail takes mail for; nil if it could not be asked
	cf           string          // as it will be
	untagged     []string
}

// ask asks the sendmail command what it takes mail for now.
func (p *plan) ask(ctx context.Context) error {
	sendmail := program(os.Getenv("PATH"))
	if sendmail == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, testPatience)
	defer cancel()
	t, err := runTest(ctx, sendmail, p.path, testedDomains(p.site.Domains))
	if err != nil {
		return err
	}
	p.takes = t.takes()
	return nil
}

// lacks returns what a configuration needs and does not have.
func (k *checker) lacks() block {
	b := block{}
	for _, d := range k.c.daemons() {
		for _, n := range k.needs(d) {
			if m := k.c.asked(d, k.site, n.does); !d.own && (m == nil || !k.waits(*m)) {
				b.milters = k.ourMilters()
			}
		}
	}
	if k.makes("standard") {
		b.domains = append(k.tagsStay(), k.bypassed()...)
	}
	return b
}

// waits says whether mail waits while a milter does not answer. One that signs nothing may let mail pass.
func (k *checker) waits(m Milter) bool {
	return strings.ContainsAny(m.Flags, "TR4") || !slices.ContainsFunc(k.site.Listeners, func(l mta.Listener) bool { return l.Sign && m.fits(l) })
}

// as reads a configuration that is not in a file yet.
func (p *plan) as(cf string) *Config {
	c := parse(p.path, cf)
	c.readClasses()
	c.Host, _ = os.Hostname() // Setup has asked already
	c.Source, c.Takes = p.source, p.takes
	return c
}

func (p *plan) make(ctx context.Context) (*mta.Change, error) {
	oldMC, err := os.ReadFile(p.source)
	if err != nil {
		return nil, err
	}
	oldCF, err := os.ReadFile(p.path)
	if err != nil {
		return nil, err
	}
	dir := filepath.Dir(p.source)
	now, err := generate(ctx, dir, string(oldMC))
	if err != nil {
		return nil, err
	}
	if has, makes, differ := difference(string(oldCF), now); differ {
		return nil, &EditedError{p.path, p.source, has, makes}
	}
	bare := withoutBlock(string(oldMC))
	bareCF := now
	if bare != string(oldMC) {
		if bareCF, err = generate(ctx, dir, bare); err != nil {
			return nil, err
		}
	}
	k := &checker{c: p.as(bareCF), site: p.site}
	b := k.lacks()
	newMC := bare
	if !b.empty() {
		newMC = withBlock(bare, b.mc(), k.replaced(b))
	}
	if newMC == string(oldMC) {
		return &mta.Change{}, nil
	}
	if p.cf, err = generate(ctx, dir, newMC); err != nil {
		return nil, err
	}
	after := &checker{c: p.as(p.cf), site: p.site}
	if left := after.lacks(); !left.empty() {
		return nil, errors.New("the lines have no effect where setup puts them: a later line of sendmail.mc undoes them, such as a define of confINPUT_MAIL_FILTERS")
	}
	p.cf, p.untagged = made(string(oldCF), p.cf), b.domains
	c := &mta.Change{Why: p.why(after.c, b, k.replaced(b))}
	c.Add(mta.File{Path: p.source, Old: oldMC, New: []byte(newMC)})
	c.Add(mta.File{Path: p.path, Old: oldCF, New: []byte(p.cf)})
	c.Then = []string{reload(after.c)}
	return c, nil
}

// replaced returns the names of milters that the lines of a block replace.
func (k *checker) replaced(b block) []string {
	var names []string
	if len(b.milters) == 0 {
		return nil
	}
	for _, m := range k.c.Milters {
		ours := slices.ContainsFunc(b.milters, func(o Milter) bool { return o.Name == m.Name })
		if ours || slices.ContainsFunc(k.site.Listeners, m.fits) {
			names = append(names, m.Name)
		}
	}
	return names
}

// why says what is changed, and why in this way.
func (p *plan) why(after *Config, b block, replaced []string) []string {
	why := []string{fmt.Sprintf("The block goes into %s, and m4 makes %s of it, as \"%s\" would: the next make keeps it.", p.source, p.path, makeCommand(p.source))}
	if len(b.milters) > 0 {
		why = append(why, "Sendmail asks bouncefilter about all mail. F=T: while bouncefilter does not answer, mail waits, because no mail must leave unsigned.")
		if names := splitFilters(after.option("InputMailFilters").Value); len(names) > len(b.milters) {
			why = append(why, fmt.Sprintf("Milters are asked in the order %s. A milter that signs with DKIM has to come after bouncefilter, which may replace a Message-ID.", strings.Join(names, ", ")))
		}
	}
	if len(replaced) > 0 {
		why = append(why, fmt.Sprintf("Lines that defined %s before become comments.", strings.Join(replaced, ", ")))
	}
	switch {
	case len(b.domains) > 0:
		why = append(why, "Rules remove tags from recipients when Sendmail looks for the mailer, before all other local rules. The milter still sees the tag, "+
			"unknown users are refused as before, and Sendmail's own bounces find their way. The rules are for your domains alone: other sites check the tags that they made.")
	case slices.Contains(p.site.Forms, "sub-address") && !slices.Contains(p.site.Forms, "standard"):
		why = append(why, "Tags are made in the sub-address form (user+prvs=...@), which Sendmail delivers to user and refuses if there is no such user: it needs no rule.")
	}
	return why
}

// test lets the sendmail command resolve addresses with the new configuration.
func (p *plan) test(ctx context.Context) (string, error) {
	sendmail := program(os.Getenv("PATH"))
	if sendmail == "" {
		return "The result was not tested: " + errNoProgram.Error() + ".", nil
	}
	dir, err := os.MkdirTemp("", "bouncefilter-setup-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	config := filepath.Join(dir, "sendmail.cf")
	if err := os.WriteFile(config, []byte(p.cf), 0o600); err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, testPatience)
	defer cancel()
	t, err := runTest(ctx, sendmail, config, testedDomains(p.untagged))
	if err != nil {
		return "", err
	}
	for _, d := range t.domains {
		if err := d.difference(); err != nil {
			return "", fmt.Errorf("the rules do not do what they should: %w", err)
		}
	}
	if len(t.domains) == 0 {
		return fmt.Sprintf("Tested: Sendmail %s reads it without complaint.", t.version), nil
	}
	return fmt.Sprintf("Tested with Sendmail %s: in %s, a user and an unknown user resolve to the same with and without a tag.",
		t.version, mta.Names(testedDomains(p.untagged))), nil
}
