package sendmail

import (
	"regexp"
	"strings"
)

// parse reads the text of a sendmail.cf. It ignores what it does not understand: Sendmail itself reports
// errors.
func parse(path, text string) *Config {
	c := &Config{Path: path, Macros: map[string]string{}, Classes: map[string][]Class{}, Maps: map[string]string{},
		Mailers: map[string]string{}, Rulesets: map[string][]Rule{}}
	ruleset := ""
	for _, l := range logicalLines(text) {
		kind, rest := l.text[0], l.text[1:]
		switch kind {
		case 'O':
			if strings.HasPrefix(rest, " ") {
				name, value, _ := strings.Cut(rest, "=")
				c.Options = append(c.Options, Option{strings.TrimSpace(name), strings.TrimSpace(value), l.number})
			}
		case 'D':
			name, value := named(rest)
			c.Macros[name] = value
		case 'C':
			name, words := named(rest)
			c.Classes[name] = append(c.Classes[name], Class{Words: strings.Fields(words), Line: l.number})
		case 'F':
			name, where := named(rest)
			c.Classes[name] = append(c.Classes[name], Class{File: classFile(where), Line: l.number})
		case 'K':
			name, what, _ := strings.Cut(strings.TrimSpace(rest), " ")
			c.Maps[name] = strings.TrimSpace(what)
		case 'X':
			c.Milters = append(c.Milters, parseMilter(rest, l.number))
		case 'M':
			name, equates, _ := strings.Cut(rest, ",")
			c.Mailers[strings.TrimSpace(name)] = equate(equates, 'F')
		case 'S':
			ruleset = rulesetName(rest)
		case 'R':
			left, right, _ := strings.Cut(rest, "\t")
			right, _, _ = strings.Cut(strings.TrimLeft(right, "\t"), "\t")
			c.Rulesets[ruleset] = append(c.Rulesets[ruleset], Rule{squeezed(left), squeezed(right), l.number})
		}
	}
	return c
}

type logicalLine struct {
	text   string // not empty
	number int    // of its first line
}

// logicalLines joins continuation lines, which begin with white space, and leaves comments and empty lines out.
func logicalLines(text string) []logicalLine {
	var lines []logicalLine
	number := 0
	for l := range strings.Lines(text) {
		number++
		l = strings.TrimRight(l, "\r\n")
		switch {
		case l == "" || l[0] == '#':
		case l[0] != ' ' && l[0] != '\t':
			lines = append(lines, logicalLine{l, number})
		case len(lines) > 0:
			last := &lines[len(lines)-1]
			last.text += " " + strings.TrimSpace(l)
		}
	}
	return lines
}

// named splits "{VirtHost}example.com" and "wexample.com".
func named(s string) (name, rest string) {
	if inner, found := strings.CutPrefix(s, "{"); found {
		name, rest, _ = strings.Cut(inner, "}")
		return name, strings.TrimSpace(rest)
	}
	if s == "" {
		return "", ""
	}
	return s[:1], strings.TrimSpace(s[1:])
}

// classFile takes the flag -o, for a file that may be missing, and the format of scanf(3) off.
func classFile(where string) string {
	where = strings.TrimSpace(strings.TrimPrefix(where, "-o"))
	if !strings.HasPrefix(where, "/") {
		return where // a map or a program
	}
	where, _, _ = strings.Cut(where, " ")
	return where
}

// classWords returns what Sendmail takes from a class file: the words of each line up to a comment.
func classWords(text string) []string {
	words := []string{}
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		words = append(words, strings.Fields(line)...)
	}
	return words
}

// equate returns a field of an M or X line: "T" of "S=local:/run/x, F=T".
func equate(fields string, name byte) string {
	for field := range strings.SplitSeq(fields, ",") {
		if field = strings.TrimSpace(field); field != "" && field[0] == name {
			if value, found := strings.CutPrefix(strings.TrimSpace(field[1:]), "="); found {
				return strings.TrimSpace(value)
			}
		}
	}
	return ""
}

// rulesetNames are the names of rule sets that older files give by number alone.
var rulesetNames = map[string]string{"0": "parse", "1": "sender", "2": "recipient", "3": "canonify", "4": "final", "5": "localaddr",
	"93": "MasqHdr", "94": "MasqEnv", "95": "MailerToTriple", "96": "Canonify2", "98": "ParseLocal"}

func rulesetName(rest string) string {
	name, _, _ := strings.Cut(rest, "=")
	if name = strings.TrimSpace(name); rulesetNames[name] != "" {
		return rulesetNames[name]
	}
	return name
}

var blanks = regexp.MustCompile(`[ \t]+`)

func squeezed(s string) string { return strings.TrimSpace(blanks.ReplaceAllString(s, " ")) }
