package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/mta"
)

// columns is the width for which findings are written.
const columns = 100

// printFindings prints what was found, the worst first. Commands and lines to add stand alone on theirs, so that they can
// be copied.
func printFindings(out io.Writer, findings []mta.Finding) {
	for _, level := range []mta.Level{mta.LevelError, mta.LevelWarning, mta.LevelNote} {
		for _, f := range findings {
			if f.Level != level {
				continue
			}
			fmt.Fprintf(out, "\n%-9s%s\n", f.Level, f.Where)
			for _, line := range wrap(f.What, columns-9) {
				fmt.Fprintf(out, "         %s\n", line)
			}
			for _, line := range f.Cure {
				fmt.Fprintf(out, "           %s\n", line)
			}
		}
	}
}

// counted says how many findings of each level there are.
func counted(findings []mta.Finding) string {
	if len(findings) == 0 {
		return "fine"
	}
	var parts []string
	for _, level := range []mta.Level{mta.LevelError, mta.LevelWarning, mta.LevelNote} {
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

// wrap breaks a text into lines of at most width octets, but for longer words.
func wrap(text string, width int) []string {
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
