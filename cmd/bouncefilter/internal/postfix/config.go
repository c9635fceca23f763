// Package postfix checks a Postfix for what bouncefilter needs, and sets it up.
//
// [Read] reads the live configuration with Postfix' own postconf(1) and looks at what it leads to: tables, sockets,
// ports. [Check] says what is missing or dangerous in it; it is a pure function. [Setup] works out the change that sets
// this very configuration up, by letting postconf edit copies of its files, so that everything else in them stays as it
// is. Nothing here changes a file: see [mta.Change].
//
// Known limits: tables other than pcre and regexp are asked only whether they know a domain; what a policy service, an
// access map or smtpd_milter_maps decides is not looked into.
package postfix

import (
	"slices"
	"strings"
)

// Config is a configuration of Postfix as it is in effect, with what it leads to.
type Config struct {
	Dir      string            // config_directory
	Main     map[string]string // as written in main.cf, not expanded
	Defaults map[string]string // of all other parameters
	Services []Service

	Types     []string          // of tables that this Postfix can read
	Instances []string          // other configuration directories on this host
	Tables    map[string]string // text of the pcre and regexp tables in use, by path; missing files are not in it
	Local     []string          // domains of ours in tables that mydestination names
	Hosted    []string          // domains of ours in tables of the other classes: virtual mailboxes, virtual aliases, relayed
	Sockets   map[string]Socket // by address as in smtpd_milters, with full path
}

// Service is a line of master.cf.
type Service struct {
	Name      string            // "smtp", "127.0.0.1:10025"
	Type      string            // "inet", "unix", "pass", "fifo"
	Chroot    string            // "y", "n", "-" for the default
	Command   string            // "smtpd"
	Arguments string            // all that follows the command
	Options   map[string]string // its -o
}

// Socket is what was found where a milter should listen.
type Socket struct {
	Exists   bool   `json:"exists"`
	IsSocket bool   `json:"is_socket"`
	Closed   string `json:"closed,omitempty"` // why the user of Postfix cannot reach the file, such as "mode 0600, owner root"
	Dead     bool   `json:"dead,omitempty"`   // no process listens
}

// ID is how postconf -P calls the service.
func (s *Service) ID() string { return s.Name + "/" + s.Type }

// option returns a parameter as it is in effect for a service, with what it refers to. A nil service is any that has no
// option of its own for it.
func (c *Config) option(s *Service, name string) string { return c.expand(s, c.raw(s, name)) }

// raw returns a parameter as it is written.
func (c *Config) raw(s *Service, name string) string {
	if s != nil {
		if v, ok := s.Options[name]; ok {
			return v
		}
	}
	if v, ok := c.Main[name]; ok {
		return v
	}
	return c.Defaults[name]
}

// written says whether main.cf has a parameter.
func (c *Config) written(name string) bool {
	_, ok := c.Main[name]
	return ok
}

// list returns the elements of a parameter.
func (c *Config) list(s *Service, name string) []string { return splitList(c.option(s, name)) }

// service returns a line of master.cf, nil if there is none.
func (c *Config) service(id string) *Service {
	if i := slices.IndexFunc(c.Services, func(s Service) bool { return s.ID() == id }); i >= 0 {
		return &c.Services[i]
	}
	return nil
}

// Bounds of one expansion. Postfix itself gives up at a hundred parameters that refer to one another, and no site needs ten; without the
// second bound, parameters that refer to others several times would take forever.
const (
	maxDepth      = 20
	maxReferences = 10_000
)

// expand replaces $name, ${name}, $(name), ${name?text}, ${name:text} and ${name?{text}:{text}} as postconf(5) has it. What is behind the
// bounds of an expansion stays as it is written.
func (c *Config) expand(s *Service, text string) string {
	e := expansion{c: c, s: s}
	return e.expand(text, 0)
}

// expansion is the expansion of one text.
type expansion struct {
	c          *Config
	s          *Service
	references int // so far
}

func (e *expansion) expand(text string, depth int) string {
	if depth > maxDepth || !strings.Contains(text, "$") {
		return text
	}
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(text, "$")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		if e.references++; e.references > maxReferences {
			b.WriteString("$" + rest)
			return b.String()
		}
		switch {
		case strings.HasPrefix(rest, "$"):
			b.WriteByte('$')
			text = rest[1:]
		case strings.HasPrefix(rest, "{"), strings.HasPrefix(rest, "("):
			inner, after := bracketed(rest)
			b.WriteString(e.conditional(inner, depth+1))
			text = after
		default:
			n := 0
			for n < len(rest) && isNameByte(rest[n]) {
				n++
			}
			b.WriteString(e.expand(e.c.raw(e.s, rest[:n]), depth+1))
			text = rest[n:]
		}
	}
}

// conditional expands the inside of ${...}. Comparisons (${{a}=={b}?...}) count as empty: sites do not write them in the parameters
// that are read here.
func (e *expansion) conditional(inner string, depth int) string {
	n := 0
	for n < len(inner) && isNameByte(inner[n]) {
		n++
	}
	if n == 0 {
		return ""
	}
	value := e.expand(e.c.raw(e.s, inner[:n]), depth)
	rest := strings.TrimSpace(inner[n:])
	if rest == "" {
		return value
	}
	var yes, no string
	isYes := rest[0] == '?'
	arm := strings.TrimSpace(rest[1:])
	text, after := arm, ""
	if strings.HasPrefix(arm, "{") {
		text, after = bracketed(arm)
	}
	if isYes {
		yes = text
		if after = strings.TrimSpace(after); strings.HasPrefix(after, ":") {
			if no = strings.TrimSpace(after[1:]); strings.HasPrefix(no, "{") {
				no, _ = bracketed(no)
			}
		}
	} else {
		yes, no = "", text
	}
	if value != "" {
		return e.expand(yes, depth)
	}
	return e.expand(no, depth)
}

func isNameByte(b byte) bool {
	return b == '_' || b >= '0' && b <= '9' || b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z'
}

// bracketed returns the text between the bracket that text begins with and the one that closes it, and what follows.
// Without a closing one everything is inside.
func bracketed(text string) (inner, after string) {
	opening, closing := text[0], byte('}')
	if opening == '(' {
		closing = ')'
	}
	depth := 0
	for i := range len(text) {
		switch text[i] {
		case opening:
			depth++
		case closing:
			if depth--; depth == 0 {
				return text[1:i], text[i+1:]
			}
		}
	}
	return text[1:], ""
}

// splitList splits a list at white space and commas outside of braces.
func splitList(text string) []string {
	var list []string
	for _, s := range spans(text) {
		list = append(list, text[s.from:s.to])
	}
	return list
}

// span is where an element of a list is.
type span struct{ from, to int }

// spans returns where the elements of a list are.
func spans(text string) []span {
	var list []span
	depth, start := 0, -1
	for i := 0; i <= len(text); i++ {
		end := i == len(text)
		if !end {
			switch text[i] {
			case '{':
				depth++
			case '}':
				depth--
			}
		}
		if end || depth <= 0 && strings.IndexByte(" \t\r\n,", text[i]) >= 0 {
			if start >= 0 {
				list = append(list, span{start, i})
				start = -1
			}
		} else if start < 0 {
			start = i
		}
	}
	return list
}

// replaceElements replaces elements of a list by their index. What is between them stays. like is the text, or has blanks in place of
// what is no part of the list.
func replaceElements(text, like string, elements map[int]string) string {
	var b strings.Builder
	end := 0
	for i, s := range spans(like) {
		if e, ok := elements[i]; ok {
			b.WriteString(text[end:s.from] + e)
			end = s.to
		}
	}
	return b.String() + text[end:]
}
