package tomlfile

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"
)

// indexLines returns the line of every key, table and list element of a document that has been found to be TOML.
func indexLines(data []byte) map[string]int {
	x := lineIndex{lines: map[string]int{}, elements: map[string]int{}}
	for i, c := range data {
		if c == '\n' {
			x.ends = append(x.ends, i)
		}
	}
	x.parser.Reset(data)
	table := ""
	for x.parser.NextExpression() {
		switch e := x.parser.Expression(); e.Kind {
		case unstable.Table:
			table = x.enter("", e.Key())
		case unstable.ArrayTable:
			table = x.element(e.Key())
		case unstable.KeyValue:
			x.keyValue(table, e)
		}
	}
	return x.lines
}

type lineIndex struct {
	parser   unstable.Parser
	lines    map[string]int
	elements map[string]int // how many [[tables]] a path has had so far
	ends     []int          // offsets of the ends of lines
}

// enter follows a dotted key from a table and records the line of what it names. Where the way leads through a list of
// tables, it is the last one's.
func (x *lineIndex) enter(path string, key unstable.Iterator) string {
	for key.Next() {
		n := key.Node()
		path = join(path, string(n.Data))
		x.set(path, n)
		if i := x.elements[path]; i > 0 && !key.IsLast() {
			path = fmt.Sprintf("%s[%d]", path, i-1)
		}
	}
	return path
}

// element opens the next table of the list that key names.
func (x *lineIndex) element(key unstable.Iterator) string {
	list := x.enter("", key)
	path := fmt.Sprintf("%s[%d]", list, x.elements[list])
	x.elements[list]++
	for key.Next() {
		x.set(path, key.Node()) // the last part wins
	}
	return path
}

func (x *lineIndex) keyValue(table string, e *unstable.Node) {
	path := x.enter(table, e.Key())
	x.value(path, e.Value(), x.lines[path])
}

// value records the lines of what a list or an inline table holds. line is where the value itself begins, for elements
// whose place the parser does not give.
func (x *lineIndex) value(path string, n *unstable.Node, line int) {
	switch n.Kind {
	case unstable.Array:
		i := 0
		for c := n.Children(); c.Next(); i++ {
			child := fmt.Sprintf("%s[%d]", path, i)
			if c.Node().Raw.Length > 0 {
				line = x.line(c.Node())
			}
			x.lines[child] = line
			x.value(child, c.Node(), line)
		}
	case unstable.InlineTable:
		for c := n.Children(); c.Next(); {
			x.keyValue(path, c.Node())
		}
	}
}

// set sets the line of path unless it has one: a table that was opened by one of its members begins there.
func (x *lineIndex) set(path string, n *unstable.Node) {
	if x.lines[path] == 0 {
		x.lines[path] = x.line(n)
	}
}

// line returns the line of a node. The parser would count the lines from the beginning of the document, for each node anew.
func (x *lineIndex) line(n *unstable.Node) int {
	before, _ := slices.BinarySearch(x.ends, int(n.Raw.Offset))
	return before + 1
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// parent returns the path without its last part: a.b[1] has the parent a.b, that has a.
func parent(path string) string {
	i := strings.LastIndexAny(path, ".[")
	if i < 0 {
		return ""
	}
	return path[:i]
}
