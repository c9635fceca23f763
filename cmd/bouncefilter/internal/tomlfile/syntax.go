package tomlfile

import (
	"bytes"
	"errors"
	"regexp"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// assignment matches a line with a key, and gives it with the rest; unquoted matches the rest if its value must be in quotes, alone or as
// the first of a list.
var (
	assignment = regexp.MustCompile(`^\s*([A-Za-z0-9_.-]+)\s*=(.*)`)
	unquoted   = regexp.MustCompile(`^[\s\[]*([^\s"'\[\]{#0-9+-][^\s,\]#]*)`)
)

// syntaxProblem returns the problem that data is not TOML. It shows no value, which may be a secret.
func syntaxProblem(name string, data []byte, err error) Problem {
	p := Problem{File: name, What: err.Error(), Remedy: "see https://toml.io for the syntax"}
	var de *toml.DecodeError
	if !errors.As(err, &de) {
		return p
	}
	p.Line, _ = de.Position()
	lines := bytes.SplitAfter(data, []byte("\n"))
	if p.Line < 1 || p.Line > len(lines) {
		return p
	}
	m := assignment.FindSubmatch(lines[p.Line-1])
	if m == nil {
		return p
	}
	// The key by itself is TOML, and so are the lines above, by which its table is known.
	above := bytes.Join(lines[:p.Line-1], nil)
	for key, line := range indexLines(append(above, string(m[1])+" = 0\n"...)) {
		if line == p.Line {
			p.Key = max(p.Key, key) // a dotted key is there with each of its parts
		}
	}
	value := unquoted.FindSubmatch(m[2])
	switch {
	case strings.Contains(err.Error(), "too large to fit"):
		p.What, p.Remedy = "is too large", largest
	case value != nil && string(value[1]) != "true" && string(value[1]) != "false":
		p.What, p.Remedy = "the value has no quotes", `write it in quotes: "..."`
	}
	return p
}
