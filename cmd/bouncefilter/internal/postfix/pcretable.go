package postfix

import (
	"regexp"
	"strings"
)

// pcreTable is a table of pcre_table(5), as far as tables like ours need it.
type pcreTable []pcreRule

// pcreRule is a line. A nil pattern is the end of a block.
type pcreRule struct {
	pattern     *regexp.Regexp
	not         bool
	block       bool // "if"
	replacement string
}

// parsePcre reads a table. It fails on patterns that Go's regexp does not have (such as look-ahead): what such a table
// does is not known.
func parsePcre(text string) (pcreTable, bool) {
	var table pcreTable
	for _, line := range logicalLines(text) {
		if line == "endif" {
			table = append(table, pcreRule{})
			continue
		}
		rule := pcreRule{}
		if rest, block := strings.CutPrefix(line, "if "); block {
			rule.block, line = true, strings.TrimSpace(rest)
		}
		if rest, not := strings.CutPrefix(line, "!"); not {
			rule.not, line = true, rest
		}
		if line == "" || isNameByte(line[0]) { // no delimiter
			return nil, false
		}
		delimiter := line[:1]
		pattern, rest := cutPattern(line[1:], delimiter[0])
		flags, replacement, _ := strings.Cut(rest, " ")
		fold := "(?i)"
		for _, f := range flags {
			switch f {
			case 'i':
				fold = ""
			default:
				return nil, false
			}
		}
		var err error
		if rule.pattern, err = regexp.Compile(fold + strings.ReplaceAll(pattern, `\`+delimiter, delimiter)); err != nil {
			return nil, false
		}
		rule.replacement = strings.TrimSpace(replacement)
		table = append(table, rule)
	}
	return table, true
}

// cutPattern cuts a pattern at its delimiter, unless there is a backslash before it.
func cutPattern(s string, delimiter byte) (pattern, rest string) {
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case delimiter:
			return s[:i], strings.ReplaceAll(s[i+1:], "\t", " ")
		}
	}
	return s, ""
}

// logicalLines joins lines that go on with white space, and leaves comments out.
func logicalLines(text string) []string {
	var lines []string
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, " \t\r\n")
		switch trimmed := strings.TrimSpace(line); {
		case trimmed == "" || trimmed[0] == '#':
		case line != trimmed && len(lines) > 0:
			lines[len(lines)-1] += " " + trimmed
		default:
			lines = append(lines, line)
		}
	}
	return lines
}

var reference = regexp.MustCompile(`\$(?:(\d)|\{(\d)\}|\((\d)\))`)

// lookup returns what the table has for a key.
func (t pcreTable) lookup(key string) (string, bool) {
	skip := 0 // depth of blocks that do not apply
	for _, rule := range t {
		switch {
		case rule.pattern == nil:
			skip = max(0, skip-1)
			continue
		case skip > 0:
			if rule.block {
				skip++
			}
			continue
		}
		match := rule.pattern.FindStringSubmatch(key)
		applies := (match != nil) != rule.not
		switch {
		case rule.block && !applies:
			skip = 1
		case !rule.block && applies:
			return reference.ReplaceAllStringFunc(rule.replacement, func(r string) string {
				n := int(strings.Trim(r, "${}()")[0] - '0')
				if n < len(match) {
					return match[n]
				}
				return ""
			}), true
		}
	}
	return "", false
}

// pcre returns a table of the configuration, if it could be read and understood.
func (c *Config) pcre(path string) (pcreTable, bool) {
	text, ok := c.Tables[path]
	if !ok {
		return nil, false
	}
	return parsePcre(text)
}

// pcrePath returns the file of an element of a list that is a table of regular expressions.
func pcrePath(element string) (string, bool) {
	for _, kind := range []string{"pcre:", "regexp:", "proxy:pcre:", "proxy:regexp:"} {
		if path, ok := strings.CutPrefix(element, kind); ok {
			return path, strings.HasPrefix(path, "/") // and not an inline table
		}
	}
	return "", false
}
