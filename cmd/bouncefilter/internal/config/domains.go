package config

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/tomlfile"
	"github.com/bouncefilter/bouncefilter/filter/policy"
	"github.com/bouncefilter/bouncefilter/prvs"
)

// commonDomain returns the settings of domains that have none of their own.
func (r *resolver) commonDomain() policy.Domain {
	f := &r.c.raw
	return r.domain("", domainTable{Mode: f.Mode, TagForm: f.TagForm, Untagged: f.Untagged}, policy.Domain{})
}

// domains resolves the domains of the site. A domain that options name has the settings of the options; what files of domains name besides
// has those of all.
func (r *resolver) domains(all policy.Domain) {
	f := &r.c.raw
	l := domainList{r: r, places: map[string]place{}}
	for i, name := range f.Domains {
		d := all
		d.Name = name
		l.plain(fmt.Sprintf("domains[%d]", i), d)
	}
	for i, t := range f.Domain {
		l.table(fmt.Sprintf("domain[%d].", i), t, all)
	}
	for i, path := range f.DomainsFile {
		r.domainsFile(i, path, func(name string) {
			if folded := prvs.FoldDomain(name); l.places[folded] == (place{}) {
				d := all
				d.Name = name
				l.places[folded] = place{"domains_file", name}
				l.domains = append(l.domains, d)
			}
		})
	}
	r.c.Settings.Domains = l.domains
	r.c.domains = policy.NewDomains(l.domains)
}

// domainList collects the domains that the options name.
type domainList struct {
	r       *resolver
	places  map[string]place // by folded name
	domains []policy.Domain
}

// place is where a domain was named first, and how it was written there.
type place struct{ key, name string }

// take notes a name, unless there is a problem with it. again says that it is the other spelling of a name that is there, which is no
// problem for one without settings.
func (l *domainList) take(key, name string, again func(first place) bool) bool {
	folded := prvs.FoldDomain(name)
	first, twice := l.places[folded]
	spelling := ""
	if twice && !strings.EqualFold(first.name, name) {
		if again(first) {
			return false
		}
		spelling = ", in its other spelling"
	}
	switch {
	case !IsDomainOrBelow(folded):
		l.r.problem(key, tomlfile.Quote(name), "is not a domain name", domainRemedy(name, "use the part behind the @, such as example.com"))
	case twice:
		l.r.problem(key, tomlfile.Quote(name), "is already listed in "+first.key+spelling, "remove one of them")
	default:
		l.places[folded] = place{key, name}
		return true
	}
	return false
}

// plain adds a domain with the settings of all.
func (l *domainList) plain(key string, d policy.Domain) {
	if l.take(key, d.Name, func(place) bool { return true }) {
		l.domains = append(l.domains, d)
	}
}

// table adds a domain with settings of its own, and its aliases.
func (l *domainList) table(key string, t domainTable, all policy.Domain) {
	d := l.r.domain(key, t, all)
	d.Name = t.Name
	ours := false
	if t.Name == "" {
		l.r.problem(strings.TrimSuffix(key, "."), "", "name is missing", `write name = "example.com" below [[domain]]`)
	} else {
		ours = l.take(key+"name", t.Name, func(place) bool { return false })
	}
	for i, alias := range t.Aliases {
		at := fmt.Sprintf("%saliases[%d]", key, i)
		switch {
		case strings.HasPrefix(t.Name, "*."):
			l.r.problem(at, tomlfile.Quote(alias), "is an alias of all domains below one", "name the domains that have aliases one by one")
		case strings.HasPrefix(alias, "*."):
			l.r.problem(at, tomlfile.Quote(alias), "is not one domain", "name each alias by itself")
		case l.take(at, alias, func(first place) bool { return strings.HasPrefix(first.key, key) }):
			d.Aliases = append(d.Aliases, alias)
		}
	}
	if ours {
		l.domains = append(l.domains, d)
	}
}

// domainRemedy is the remedy for what is not a domain name. If it is none of the usual mistakes, it is otherwise.
func domainRemedy(name, otherwise string) string {
	if !IsDomainOrBelow(strings.TrimSuffix(name, ".")) && strings.Contains(name, "*") {
		return `name the domains one by one, or use "*.example.com" for all domains below example.com`
	}
	return dotRemedy(name, otherwise)
}

// dotRemedy is the remedy for a name that is right but for the dot at its end. For others it is otherwise.
func dotRemedy(name, otherwise string) string {
	if short, ok := strings.CutSuffix(name, "."); ok && IsDomainOrBelow(short) {
		return "write it without the dot at its end"
	}
	return otherwise
}

// domain resolves the settings of a domain, or of all of them. What is empty is as in all.
func (r *resolver) domain(place string, t domainTable, all policy.Domain) policy.Domain {
	d := all
	if t.Mode != "" {
		mode, err := policy.ParseMode(t.Mode)
		if err != nil {
			r.problem(place+"mode", tomlfile.Quote(t.Mode), "is not a mode", `use "auto", "monitor" or "enforce"`)
		}
		d.Mode = mode
	}
	if t.TagForm != "" {
		form, err := prvs.ParseForm(t.TagForm)
		if err != nil {
			r.problem(place+"tag_form", tomlfile.Quote(t.TagForm), "is not a form of tags", `use "standard" or "sub-address"`)
		}
		d.Form = form
	}
	switch t.Untagged {
	case "":
	case atEnd, untaggedAtData:
		d.RefuseUntaggedAtData = t.Untagged == untaggedAtData
	default:
		r.problem(place+"untagged", tomlfile.Quote(t.Untagged), "is not a way to treat untagged bounces", `use "end-of-message" or "reject"`)
	}
	return d
}

// maxFileProblems is how many problems of a file of domains are listed: it may have many thousand lines, all wrong in the same way.
const maxFileProblems = 20

// domainsFile calls add for each domain that a file lists: one on a line, "#" begins a comment. A relative path begins where the
// configuration is.
func (r *resolver) domainsFile(i int, path string, add func(name string)) {
	key := fmt.Sprintf("domains_file[%d]", i)
	if !filepath.IsAbs(path) {
		path = filepath.Join(filepath.Dir(r.c.Path), path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		r.problem(key, tomlfile.Quote(path), "cannot be read: "+err.Error(), "name a file that the daemon can read, with one domain on a line")
		return
	}
	domains, problems := 0, 0
	lines := bufio.NewScanner(bytes.NewReader(text))
	for line := 1; lines.Scan(); line++ {
		name, _, _ := strings.Cut(lines.Text(), "#")
		switch name = strings.TrimSpace(name); {
		case name == "":
		case IsDomainOrBelow(name):
			domains++
			add(name)
		default:
			if problems++; problems <= maxFileProblems {
				r.problems = append(r.problems, tomlfile.Problem{File: path, Line: line, Value: tomlfile.Quote(name), What: "is not a domain name",
					Remedy: domainRemedy(name, "write one domain on a line, such as example.com, or *.example.com for all domains below it")})
			}
		}
	}
	switch err := lines.Err(); {
	case err != nil:
		r.problem(key, tomlfile.Quote(path), "cannot be read: "+err.Error(), "write one domain on a line")
	case problems > maxFileProblems:
		r.problems = append(r.problems, tomlfile.Problem{File: path, What: fmt.Sprintf("%d more lines are not domain names", problems-maxFileProblems)})
	case domains == 0 && problems == 0:
		r.problem(key, tomlfile.Quote(path), "names no domain", "write one domain on a line, or take the file out of domains_file")
	}
}
