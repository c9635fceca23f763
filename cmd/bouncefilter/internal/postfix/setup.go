package postfix

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

// Setup works out the change that sets up the Postfix whose configuration is in dir. One that is set up already needs none.
func Setup(ctx context.Context, dir string, site mta.Site) (*mta.Change, error) {
	c, err := Read(ctx, dir, site)
	if err != nil {
		return nil, err
	}
	p := &plan{c: c, site: site, tables: map[string]string{}, inPlace: map[string]map[int]string{}}
	if err := p.make(); err != nil {
		return nil, err
	}
	return p.change(ctx)
}

// Verify returns an error if Postfix itself rejects a configuration, or our tables in it. It needs root.
func Verify(ctx context.Context, dir string) error {
	if _, err := run(ctx, "postfix", "-c", dir, "check"); err != nil {
		return err
	}
	return verifyTables(ctx, dir)
}

// verifyTables lets Postfix read our tables: postfix check does not.
func verifyTables(ctx context.Context, dir string) error {
	for _, name := range []string{untagFile, localFile, extensionFile, recipientFile} {
		path := filepath.Join(dir, name)
		if _, err := os.Stat(path); err != nil {
			continue // not in use
		}
		if _, err := query(ctx, dir, "pcre:"+path, []string{"nobody"}); err != nil {
			return err
		}
	}
	return nil
}

// Reload returns the commands that make a change take effect.
func Reload(dir string) []string { return []string{command("postfix", dir) + " reload"} }

// parameter is a line of main.cf.
type parameter struct{ name, value string }

// plan is the edits of a change.
type plan struct {
	c      *Config
	site   mta.Site
	why    []string
	main   []parameter
	master []string          // for postconf -P
	tables map[string]string // by path

	inPlace map[string]map[int]string // elements of lists in main that are replaced where they are in main.cf, by parameter and index
}

func (p *plan) because(format string, args ...any) {
	p.why = append(p.why, fmt.Sprintf(format, args...))
}

// set writes a parameter of main.cf, unless it is written so already. An earlier plan for the parameter is dropped.
func (p *plan) set(name, value string) {
	p.main = slices.DeleteFunc(p.main, func(m parameter) bool { return m.name == name })
	if !p.c.written(name) || p.c.Main[name] != value {
		p.main = append(p.main, parameter{name, value})
	}
}

// override gives a service a list of its own. postconf -P takes no white space, so an element that has some goes into a
// parameter of main.cf.
func (p *plan) override(s *Service, parameter string, elements []string) {
	elements = slices.Clone(elements)
	for i, e := range elements {
		if strings.ContainsAny(e, " \t") {
			name := fmt.Sprintf("%s_%s_%s_%d", ourParameter, plainName(s.Name), parameter, i)
			p.set(name, e)
			elements[i] = "$" + name
		}
	}
	value := strings.Join(elements, ",")
	if now, own := s.Options[parameter]; !own || now != value {
		p.master = append(p.master, s.ID()+"/"+parameter+"="+value)
	}
}

// plainName makes a parameter's name of a service's.
func plainName(service string) string {
	return strings.Map(func(r rune) rune {
		if r < 128 && isNameByte(byte(r)) {
			return r
		}
		return '_'
	}, service)
}

func (p *plan) make() error {
	if p.c.major() < 3 {
		return fmt.Errorf("this is Postfix %s; the set-up needs 3.0 or later", p.c.option(nil, "mail_version"))
	}
	k := newChecker(p.c, p.site)
	if p.site.Verifies() && !p.c.hosts(p.site) {
		p.because("This Postfix receives mail for none of your domains, so it need not know about tagged recipients.")
	} else if p.site.Verifies() && slices.Contains(p.site.Forms, "sub-address") {
		p.delimiter(k.standard())
	}
	if k.standard() {
		if !slices.Contains(p.c.Types, "pcre") && !p.c.byDaemon(p.site) {
			return errors.New("this Postfix cannot read pcre tables; install them: apt-get install postfix-pcre")
		}
		p.recipe(k)
	}
	p.restrictions(k)
	return p.milters()
}

// delimiters returns recipient_delimiter as it will be.
func (p *plan) delimiters() string {
	for _, m := range p.main {
		if m.name == "recipient_delimiter" {
			return p.c.expand(nil, m.value)
		}
	}
	return p.c.option(nil, "recipient_delimiter")
}

// delimiter lets user+prvs=...@ reach user.
func (p *plan) delimiter(alsoStandard bool) {
	now := p.c.option(nil, "recipient_delimiter")
	why := "Tags are made in the sub-address form (user+prvs=...@), which Postfix delivers to user and refuses if there is no such user"
	switch {
	case strings.Contains(now, "+"):
		why += `; recipient_delimiter has a "+", so nothing else is needed for tagged recipients.`
	case now == "":
		p.set("recipient_delimiter", "+")
		why += ` as soon as recipient_delimiter is "+". Nothing else is needed for tagged recipients.`
	default:
		p.set("recipient_delimiter", p.c.raw(nil, "recipient_delimiter")+"+")
		why += fmt.Sprintf(` as soon as recipient_delimiter has a "+" beside %q. Nothing else is needed for tagged recipients.`, now)
	}
	if !alsoStandard {
		p.because("%s", why)
	}
}

// writeSettled writes a copy that looks a minute old.
//
// QUIRK: Postfix waits two seconds before it reads a main.cf that has just been written: an operator may still be editing it.
func writeSettled(path string, text []byte) error {
	if err := os.WriteFile(path, text, 0o600); err != nil {
		return err
	}
	then := time.Now().Add(-time.Minute)
	return os.Chtimes(path, then, then)
}

// change lets postconf edit copies of the files and compares them.
func (p *plan) change(ctx context.Context) (*mta.Change, error) {
	c := &mta.Change{Why: p.why}
	tmp, err := os.MkdirTemp("", "bouncefilter-setup-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(tmp)
	before := map[string][]byte{}
	for _, name := range []string{"main.cf", "master.cf"} {
		if before[name], err = os.ReadFile(filepath.Join(p.c.Dir, name)); err != nil {
			return nil, err
		}
		if err := writeSettled(filepath.Join(tmp, name), before[name]); err != nil {
			return nil, err
		}
	}
	if err := editMaster(ctx, tmp, p.master); err != nil {
		return nil, err
	}
	// After master.cf, because postconf shows parameters of ours only if something refers to them.
	if err := p.editMain(ctx, tmp); err != nil {
		return nil, err
	}
	for _, name := range []string{"main.cf", "master.cf"} {
		after, err := os.ReadFile(filepath.Join(tmp, name))
		if err != nil {
			return nil, err
		}
		c.Add(mta.File{Path: filepath.Join(p.c.Dir, name), Old: before[name], New: after})
	}
	for _, name := range []string{untagFile, localFile, extensionFile, recipientFile} {
		for path, text := range p.tables {
			if filepath.Base(path) != name {
				continue
			}
			f := mta.File{Path: path, New: []byte(text), Mode: 0o644}
			if old, there := p.c.Tables[path]; there {
				f.Old = []byte(old)
			} else if data, err := os.ReadFile(path); err == nil {
				f.Old = data
			}
			c.Add(f)
		}
	}
	if len(c.Files) > 0 {
		c.Then = Reload(p.c.Dir)
	} else {
		c.Why = nil
	}
	return c, nil
}
