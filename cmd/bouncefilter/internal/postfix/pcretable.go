package postfix

import (
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
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

// parsePcre reads a table. It fails on what it does not know to mean the same to Postfix: patterns that Go's regexp does not have (such as
// look-ahead), flags other than "i", and lines of which Postfix itself would complain. Two differences remain that no table for addresses
// needs: Postfix sees octets where Go sees characters, and repeats of what may be empty, such as (a*)*, end with the empty one in PCRE.
func parsePcre(text string) (pcreTable, bool) {
	var table pcreTable
	depth := 0
	for _, line := range logicalLines(text) {
		if strings.EqualFold(line, "endif") {
			if depth--; depth < 0 {
				return nil, false
			}
			table = append(table, pcreRule{})
			continue
		}
		rule, ok := parsePcreRule(line)
		if !ok {
			return nil, false
		}
		if rule.block {
			depth++
		}
		table = append(table, rule)
	}
	return table, depth == 0
}

// parsePcreRule reads "/pattern/i replacement" or "if /pattern/i", both also with "!" before the pattern.
func parsePcreRule(line string) (rule pcreRule, ok bool) {
	if len(line) > 2 && strings.EqualFold(line[:2], "if") && !isNameByte(line[2]) {
		rule.block, line = true, strings.TrimLeft(line[2:], " \t")
	}
	if rest, not := strings.CutPrefix(line, "!"); not {
		rule.not, line = true, strings.TrimLeft(rest, " \t")
	}
	if line == "" || isNameByte(line[0]) || strings.ContainsRune(" \t!\\", rune(line[0])) || line[0] >= utf8.RuneSelf { // no delimiter
		return rule, false
	}
	pattern, rest, closed := cutPattern(line[1:], line[0])
	flags, replacement := rest, ""
	if i := strings.IndexAny(rest, " \t"); i >= 0 {
		flags, replacement = rest[:i], strings.TrimLeft(rest[i:], " \t")
	}
	fold := map[string]string{"": "(?is)", "i": "(?s)"}[flags]
	if !closed || fold == "" || rule.block && replacement != "" {
		return rule, false
	}
	var err error
	if rule.pattern, err = regexp.Compile(fold + pattern); err != nil {
		return rule, false
	}
	rule.replacement = replacement
	return rule, rule.expandable()
}

// cutPattern cuts a pattern at its delimiter, unless there is a backslash before it.
func cutPattern(s string, delimiter byte) (pattern, rest string, closed bool) {
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case delimiter:
			return s[:i], s[i+1:], true
		}
	}
	return "", "", false
}

// logicalLines joins lines that go on with white space, which stays, and leaves comments out.
func logicalLines(text string) []string {
	var lines []string
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		switch trimmed := strings.TrimSpace(line); {
		case trimmed == "" || trimmed[0] == '#':
		case (line[0] == ' ' || line[0] == '\t') && len(lines) > 0:
			lines[len(lines)-1] += line
		default:
			lines = append(lines, line)
		}
	}
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " \t\r")
	}
	return lines
}

// reference is "$$", or what matched a group of the pattern: "$1", "${1}" or "$(1)". The name behind a bare "$" ends where no name goes on.
var reference = regexp.MustCompile(`\$(?:\$|(\w+)|\{(\w+)\}|\((\w+)\))`)

// expandable says whether all dollars of the replacement are references to what the pattern matches.
func (r *pcreRule) expandable() bool {
	for _, m := range reference.FindAllStringSubmatch(r.replacement, -1) {
		if m[0] == "$$" {
			continue
		}
		if n, err := strconv.Atoi(m[1] + m[2] + m[3]); err != nil || n < 1 || r.not || n > r.pattern.NumSubexp() {
			return false
		}
	}
	return !strings.Contains(reference.ReplaceAllString(r.replacement, ""), "$")
}

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
				if r == "$$" {
					return "$"
				}
				n, _ := strconv.Atoi(strings.Trim(r, "${}()")) // expandable has seen it
				return match[n]
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
