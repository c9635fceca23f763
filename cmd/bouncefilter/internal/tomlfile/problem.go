package tomlfile

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Problem is one thing that is wrong with a configuration, in words by which an operator can put it right without a manual.
// Value is what is shown of the value that was found; it must never be a secret.
type Problem struct {
	File   string
	Line   int    // counted from 1; 0 if the problem has no place in the file, such as an option that is missing
	Key    string // dotted, list elements counted from 0: domain[1].mode
	Value  string
	What   string
	Remedy string
}

// String returns the problem as FILE:LINE: KEY: VALUE WHAT; REMEDY, without the parts that are empty.
func (p Problem) String() string {
	var b strings.Builder
	if p.File != "" {
		b.WriteString(p.File)
		if p.Line > 0 {
			b.WriteString(":" + strconv.Itoa(p.Line))
		}
		b.WriteString(": ")
	}
	if p.Key != "" {
		b.WriteString(p.Key + ": ")
	}
	if p.Value != "" {
		b.WriteString(p.Value + " ")
	}
	b.WriteString(p.What)
	if p.Remedy != "" {
		b.WriteString("; " + p.Remedy)
	}
	return b.String()
}

// Error makes a Problem an error.
func (p Problem) Error() string { return p.String() }

// Problems are all problems of one configuration. As an error it has one line for each.
type Problems []Problem

// Error returns one line for each problem.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// Sorted returns the problems in the order of their files' first mention and, within a file, of their lines.
func (ps Problems) Sorted() Problems {
	order := map[string]int{}
	for _, p := range ps {
		if _, known := order[p.File]; !known {
			order[p.File] = len(order)
		}
	}
	sorted := slices.Clone(ps)
	slices.SortStableFunc(sorted, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(order[a.File], order[b.File]), cmp.Compare(a.Line, b.Line))
	})
	return sorted
}

// Err returns ps as an error, nil if there are none.
func (ps Problems) Err() error {
	if len(ps) == 0 {
		return nil
	}
	return ps
}

// AsProblems returns the problems that err consists of; any other error becomes one problem of the file named.
func AsProblems(file string, err error) Problems {
	var ps Problems
	var p Problem
	switch {
	case err == nil:
		return nil
	case errors.As(err, &ps):
		return ps
	case errors.As(err, &p):
		return Problems{p}
	}
	return Problems{{File: file, What: err.Error()}}
}

// Quote returns s as it is shown in a problem: quoted, and cut when it is long.
func Quote(s string) string {
	const most = 80 // octets; more says nothing that the line number does not
	if len(s) > most {
		return fmt.Sprintf("%q...", s[:most])
	}
	return strconv.Quote(s)
}
