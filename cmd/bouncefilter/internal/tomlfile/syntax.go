package tomlfile

import (
	"bytes"
	"errors"
	"regexp"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// unquoted matches a line with a value that must be in quotes, alone or the first of a list, and gives its key.
var unquoted = regexp.MustCompile(`^\s*([A-Za-z0-9_.-]+)\s*=[\s\[]*([^\s"'\[\]{#0-9+-][^\s,\]#]*)`)

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
	switch m := unquoted.FindSubmatch(lines[p.Line-1]); {
	case strings.Contains(err.Error(), "too large to fit"):
		p.What, p.Remedy = "a number is too large", "write fewer digits"
	case m != nil && string(m[2]) != "true" && string(m[2]) != "false":
		// The key by itself is TOML, and so are the lines above, by which its table is known.
		above := bytes.Join(lines[:p.Line-1], nil)
		for key, line := range indexLines(append(above, string(m[1])+" = 0\n"...)) {
			if line == p.Line {
				p.Key = key
			}
		}
		p.What, p.Remedy = "the value has no quotes", `write it in quotes: "..."`
	}
	return p
}
