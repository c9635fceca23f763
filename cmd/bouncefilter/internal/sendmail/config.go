// Package sendmail checks a Sendmail for what bouncefilter needs, and sets it up.
//
// [Read] reads sendmail.cf, and submit.cf beside it, and looks at what they lead to: class files, sockets, and what the
// sendmail command itself makes of a tagged address. [Check] says what is missing or dangerous; it is a pure function.
// [Setup] works out the change: a block of a few lines in sendmail.mc, and the sendmail.cf that m4 makes of it. Nothing
// here changes a file: see [mta.Change].
//
// Known limits: where there is no sendmail command to ask, the access table is not looked into, so a domain that is relayed
// only because of it counts as one that this Sendmail does not know, and rule sets are not run but searched for rules that
// remove tags. A local part that has to be quoted ("first last"@example.com) keeps its tag.
package sendmail

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/mta"
)

// Config is a configuration of Sendmail, with what it leads to.
type Config struct {
	Path     string // of sendmail.cf
	Options  []Option
	Macros   map[string]string
	Classes  map[string][]Class
	Maps     map[string]string // type and arguments, by name
	Milters  []Milter
	Mailers  map[string]string // flags, by name
	Rulesets map[string][]Rule // by name, or number if it has none

	Source  string              // sendmail.mc beside it; "" if there is none
	Stale   bool                // the source is newer
	Submit  *Config             // submit.cf, nil if there is none
	Program string              // version of the sendmail command; "" if it could not be asked
	Fault   string              // what the command finds wrong with the configuration
	Host    string              // the name of this host
	Files   map[string][]string // words of class files, by path; one that cannot be read is not in it
	Sockets map[string]Socket   // by address, as bouncefilter writes it
	Untags  map[string]bool     // by domain: the sendmail command takes a tag off; nothing is in it if it could not be asked
	Takes   map[string]bool     // by domain: it takes mail for it; likewise

	collected map[string]words // by class, see words
}

// Option is an O line.
type Option struct {
	Name, Value string
	Line        int
}

// Class is a C or F line.
type Class struct {
	Words []string // of a C line; one like "$=w" means another class
	File  string   // of an F line: "/etc/mail/local-host-names", "@ldap"
	Line  int
}

// Rule is an R line.
type Rule struct {
	Left, Right string
	Line        int
}

// Socket is what was found where a milter should listen.
type Socket struct {
	Exists   bool   `json:"exists"`
	IsSocket bool   `json:"is_socket"`
	Unsafe   string `json:"unsafe,omitempty"` // why Sendmail refuses the path
	Closed   string `json:"closed,omitempty"` // why the user that Sendmail runs as may not connect
	Dead     bool   `json:"dead,omitempty"`   // no process listens
}

// option returns the last O line of a name; its line is 0 if there is none. Names fold case, as Sendmail's do.
func (c *Config) option(name string) Option {
	for _, o := range slices.Backward(c.Options) {
		if strings.EqualFold(o.Name, name) {
			return o
		}
	}
	return Option{Name: name}
}

var versionNumber = regexp.MustCompile(`^8\.(\d+)`)

// release returns 14 for Sendmail 8.14.3, and its version in full; 0 if it is not known.
func (c *Config) release() (int, string) {
	for _, v := range []string{c.Program, c.Macros["Z"]} {
		if m := versionNumber.FindStringSubmatch(v); m != nil {
			n, _ := strconv.Atoi(m[1]) // digits
			return n, v
		}
	}
	return 0, ""
}

// answer is yes, no, or perhaps where the files do not decide.
type answer int

const (
	no answer = iota
	perhaps
	yes
)

// words is what is in a class.
type words struct {
	set     map[string]bool // in lower case
	unknown bool            // there may be more, in files that cannot be read
}

// has says whether a class contains a domain.
func (c *Config) has(class, domain string) answer {
	w := c.words(class)
	switch {
	case w.set[strings.ToLower(domain)]:
		return yes
	case w.unknown:
		return perhaps
	}
	return no
}

// words returns what is in a class. It is collected once: a class may have very many words.
func (c *Config) words(class string) words {
	if w, known := c.collected[class]; known {
		return w
	}
	w := words{set: map[string]bool{}}
	c.collect(class, &w, 0)
	if c.collected == nil {
		c.collected = map[string]words{}
	}
	c.collected[class] = w
	return w
}

// maxClasses bounds classes that refer to classes.
const maxClasses = 10

func (c *Config) collect(class string, w *words, depth int) {
	if depth > maxClasses {
		return
	}
	if class == "w" {
		w.set[strings.ToLower(c.Host)], w.set[strings.ToLower(c.Macros["j"])] = true, true
		delete(w.set, "")
	}
	for _, part := range c.Classes[class] {
		list := part.Words
		if part.File != "" {
			text, read := c.Files[part.File]
			if list = text; !read {
				w.unknown = true
			}
		}
		for _, word := range list {
			if other, ok := strings.CutPrefix(word, "$="); ok {
				c.collect(strings.Trim(other, "{}"), w, depth+1)
			} else {
				w.set[strings.ToLower(word)] = true
			}
		}
	}
}

// knows is has for a domain that may be a name with "*.": of that, some names below the domain are enough.
func (c *Config) knows(class, domain string) answer {
	parent, below := mta.Below(domain)
	if !below {
		return c.has(class, domain)
	}
	w := c.words(class)
	for word := range w.set {
		if strings.HasSuffix(word, "."+parent) || class == relayed && word == parent { // class R means subdomains, too
			return yes
		}
	}
	if w.unknown {
		return perhaps
	}
	return no
}

// The classes of domains for which Sendmail takes mail.
const (
	local   = "w"
	virtual = "VirtHost"
	relayed = "R"
)

// local says whether mail for a domain ends here, hosts whether it is taken at all. The answer of the sendmail command
// comes first.
func (c *Config) local(domain string) answer {
	return max(c.knows(local, domain), c.knows(virtual, domain))
}

func (c *Config) hosts(domain string) answer {
	if taken, asked := c.Takes[domain]; asked {
		if taken {
			return yes
		}
		return no
	}
	return max(c.local(domain), c.knows(relayed, domain))
}
