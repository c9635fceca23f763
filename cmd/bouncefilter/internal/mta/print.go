package mta

import (
	"fmt"
	"io"
	"strings"
)

// Columns is the width for which findings are written.
const Columns = 100

// Print prints findings, the worst first. Each command and each line to add is a line of its own, so that it can be copied.
func Print(out io.Writer, findings []Finding) {
	for _, level := range []Level{LevelError, LevelWarning, LevelNote} {
		for _, f := range findings {
			if f.Level != level {
				continue
			}
			fmt.Fprintf(out, "\n%-9s%s\n", f.Level, f.Where)
			for _, line := range Wrap(f.What, Columns-9) {
				fmt.Fprintf(out, "         %s\n", line)
			}
			for _, line := range f.Cure {
				fmt.Fprintf(out, "           %s\n", line)
			}
		}
	}
}

// Count says how many findings of each level there are: "1 error, 2 warnings", or "fine".
func Count(findings []Finding) string {
	if len(findings) == 0 {
		return "fine"
	}
	var parts []string
	for _, level := range []Level{LevelError, LevelWarning, LevelNote} {
		n := 0
		for _, f := range findings {
			if f.Level == level {
				n++
			}
		}
		switch n {
		case 0:
		case 1:
			parts = append(parts, "1 "+string(level))
		default:
			parts = append(parts, fmt.Sprintf("%d %ss", n, level))
		}
	}
	return strings.Join(parts, ", ")
}

// Wrap breaks a text into lines of at most width octets, but for longer words.
func Wrap(text string, width int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		switch {
		case line == "":
			line = word
		case len(line)+1+len(word) > width:
			lines = append(lines, line)
			line = word
		default:
			line += " " + word
		}
	}
	return append(lines, line)
}
