// Package sendmail knows the configuration of Sendmail: what is missing or dangerous in a live one ([Find]), and the change that
// sets it up for bouncefilter ([Setup]).
//
// It reads sendmail.cf, which is what Sendmail itself reads, and changes sendmail.mc, which is what administrators write; m4
// makes the one from the other. Every statement is a pure function of [Config].
package sendmail

import (
	"slices"
	"strconv"
	"strings"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/mta"
)

// Config is a sendmail.cf, as far as it matters here, and what it leads to.
type Config struct {
	Path       string
	Version    string // of the files it was made from: "8.17.1.9"; "" if unknown
	Milters    []Milter
	Filters    []string // names of milters that are asked (O InputMailFilters)
	Daemons    []Daemon
	Classes    map[string][]string // members in lower case, by name: "w", "VirtHost"
	Masquerade string              // domain that senders get (D macro M), or ""
	Envelope   bool                // it is put into envelope senders, too
	Generics   bool                // there is a genericstable
	Untag      []string            // classes of domains whose tags are taken off in rule set 0
	Submit     bool                // submit.cf stands beside it: the sendmail command hands mail over by SMTP

	// Untagged says for each domain whether Sendmail, when it was asked, took a tag off; nil if it could not be asked.
	Untagged map[string]bool
	Sockets  map[string]Socket // by address, as Sendmail writes it
}

// Milter is an X line.
type Milter struct {
	Line     int
	Name     string
	Socket   string // "local:/path", "inet:port@host"
	Flags    string
	Timeouts map[string]string // by letter: C, S, R, E
}

// Daemon is an O DaemonPortOptions line.
type Daemon struct {
	Line    int
	Options map[string]string // by name in lower case
}

// Socket is what was found at an address.
type Socket struct {
	Dead   bool   // nobody answers
	Unsafe string // why Sendmail would not use it
}

// has says whether a class has a member.
func (c *Config) has(class, member string) bool {
	return slices.Contains(c.Classes[class], strings.ToLower(member))
}

// milter returns the X line for one of our listeners.
func (c *Config) milter(site mta.Site) *Milter {
	for i := range c.Milters {
		for _, l := range site.Listeners {
			if c.Milters[i].Socket == Address(l) {
				return &c.Milters[i]
			}
		}
	}
	return nil
}

// Address returns a listener's address as Sendmail writes it.
func Address(l mta.Listener) string {
	network, address := l.Address.Target()
	if network == "unix" {
		return "local:" + address
	}
	i := strings.LastIndexByte(address, ':')
	return "inet:" + address[i+1:] + "@" + strings.Trim(address[:i], "[]")
}

// parse reads the lines of a sendmail.cf. readClass returns the words of a file that an F line names.
func parse(path, text string, readClass func(path string) []string) *Config {
	c := &Config{Path: path, Classes: map[string][]string{}}
	regexes := map[string]bool{} // maps that find tags
	ruleSet := ""
	for _, l := range join(text) {
		rest := l.text[1:]
		switch l.text[0] {
		case 'D':
			switch name, value := macroName(rest); name {
			case "Z":
				c.Version, _, _ = strings.Cut(value, "/")
			case "M":
				c.Masquerade = strings.ToLower(strings.TrimSpace(value))
			}
		case 'C':
			name, value := macroName(rest)
			c.add(name, strings.Fields(value))
		case 'F':
			name, value := macroName(rest)
			file := strings.TrimPrefix(strings.TrimSpace(value), "-o")
			if f := strings.Fields(file); len(f) > 0 && strings.HasPrefix(f[0], "/") {
				c.add(name, readClass(f[0]))
			}
		case 'K':
			f := strings.Fields(rest)
			if len(f) > 1 && f[1] == "regex" && strings.Contains(strings.ToLower(rest), "prvs=") {
				regexes[f[0]] = true
			}
			if len(f) > 0 && f[0] == "generics" {
				c.Generics = true
			}
		case 'O':
			c.option(l)
		case 'X':
			c.Milters = append(c.Milters, parseMilter(l))
		case 'S':
			ruleSet, _, _ = strings.Cut(strings.Fields(rest + " ")[0], "=")
		case 'R':
			if ruleSet == "MasqEnv" && strings.Contains(rest, "$>MasqHdr") {
				c.Envelope = true
			}
			for name := range regexes {
				if strings.Contains(rest, "$( "+name+" ") || strings.Contains(rest, "$("+name+" ") {
					c.Untag = append(c.Untag, classesIn(rest)...)
				}
			}
		}
	}
	slices.Sort(c.Untag)
	c.Untag = slices.Compact(c.Untag)
	return c
}

func (c *Config) add(class string, members []string) {
	for _, m := range members {
		c.Classes[class] = append(c.Classes[class], strings.ToLower(m))
	}
}

// line is a logical line with the number of its first one.
type line struct {
	number int
	text   string
}

// join puts continuation lines, which begin with white space, behind those that they continue, and leaves out comments.
func join(text string) []line {
	var lines []line
	number := 0
	for s := range strings.Lines(text) {
		number++
		s = strings.TrimRight(s, "\r\n")
		switch {
		case s == "" || s[0] == '#':
		case (s[0] == ' ' || s[0] == '\t') && len(lines) > 0:
			lines[len(lines)-1].text += " " + strings.TrimSpace(s)
		case s[0] != ' ' && s[0] != '\t':
			lines = append(lines, line{number, s})
		}
	}
	return lines
}

// macroName splits what follows D, C or F into the name, a letter or a word in braces, and the value.
func macroName(s string) (name, value string) {
	if rest, ok := strings.CutPrefix(s, "{"); ok {
		name, value, _ = strings.Cut(rest, "}")
		return name, value
	}
	if s == "" {
		return "", ""
	}
	return s[:1], s[1:]
}

func (c *Config) option(l line) {
	name, value, _ := strings.Cut(strings.TrimSpace(l.text[1:]), "=")
	switch strings.ToLower(strings.TrimSpace(name)) {
	case "inputmailfilters":
		c.Filters = append(c.Filters, words(value)...)
	case "daemonportoptions":
		d := Daemon{Line: l.number, Options: map[string]string{}}
		for _, o := range strings.Split(value, ",") {
			k, v, _ := strings.Cut(strings.TrimSpace(o), "=")
			d.Options[strings.ToLower(k)] = v
		}
		c.Daemons = append(c.Daemons, d)
	}
}

func words(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' })
}

// parseMilter reads Xname, S=socket, F=flags, T=C:5m;S:10s;R:10s;E:5m.
func parseMilter(l line) Milter {
	name, rest, _ := strings.Cut(l.text[1:], ",")
	m := Milter{Line: l.number, Name: strings.TrimSpace(name), Timeouts: map[string]string{}}
	for _, field := range strings.Split(rest, ",") {
		k, v, _ := strings.Cut(strings.TrimSpace(field), "=")
		switch v = strings.TrimSpace(v); k {
		case "S":
			m.Socket = strings.Replace(v, "unix:", "local:", 1)
		case "F":
			m.Flags = v
		case "T":
			for _, t := range strings.Split(v, ";") {
				letter, d, _ := strings.Cut(strings.TrimSpace(t), ":")
				m.Timeouts[letter] = d
			}
		}
	}
	return m
}

// classesIn returns the classes that the left side of a rule names.
func classesIn(rule string) []string {
	left, _, _ := strings.Cut(rule, "\t")
	var names []string
	for _, part := range strings.Split(left, "$=")[1:] {
		if name, _ := macroName(part); name != "" {
			names = append(names, name)
		}
	}
	return names
}

// older says whether a version is older than major.minor. An unknown one is not.
func older(version string, major, minor int) bool {
	a, rest, _ := strings.Cut(version, ".")
	b, _, _ := strings.Cut(rest, ".")
	m, err1 := strconv.Atoi(a)
	n, err2 := strconv.Atoi(b)
	return err1 == nil && err2 == nil && (m < major || m == major && n < minor)
}
