// Package screen writes for people: numbers and nouns, and text that fits a terminal of [Width] columns. What others wrote goes through
// [Printable] before it is shown.
package screen

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Width is how many columns a terminal has at least. A column has one character.
const Width = 80

// whole are the types of numbers that are counted.
type whole interface{ ~int | ~int64 | ~uint64 }

// Number writes a number with commas between thousands: 1,234,567.
func Number[N whole](n N) string {
	s := strconv.FormatInt(int64(n), 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// Short writes a number as [Number] does, and one of nine digits or more in millions: 1,234M.
func Short(n int64) string {
	const million = 1_000_000
	if n >= 100*million {
		return Number(n/million) + "M"
	}
	return Number(n)
}

// Count writes a number with its noun: "1 copy", "2,000 copies", "3 mailboxes".
func Count[N whole](n N, noun string) string {
	switch {
	case n == 1:
		return "1 " + noun
	case strings.HasSuffix(noun, "x"):
		return Number(n) + " " + noun + "es"
	case strings.HasSuffix(noun, "py"):
		return Number(n) + " " + strings.TrimSuffix(noun, "y") + "ies"
	}
	return Number(n) + " " + noun + "s"
}

// Printable returns a text with "?" in place of each character that a terminal does not show as it is, such as those that move its cursor
// or turn the direction of writing.
func Printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
}

// Fit cuts a text that has more columns.
func Fit(s string, columns int) string {
	if utf8.RuneCountInString(s) <= columns {
		return s
	}
	rs := []rune(s)
	if columns <= 3 {
		return string(rs[:max(columns, 0)])
	}
	return string(rs[:columns-3]) + "..."
}

// Wrap breaks a text, of which it makes what is [Printable], into lines of at most so many columns. A longer word is cut.
func Wrap(text string, columns int) (lines []string) {
	line := ""
	for _, word := range strings.Fields(text) {
		word = Fit(Printable(word), columns)
		switch {
		case line == "":
			line = word
		case utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) <= columns:
			line += " " + word
		default:
			lines, line = append(lines, line), word
		}
	}
	if line != "" {
		lines = append(lines, line)
	}
	return lines
}

// Paragraph writes a text behind a title, in lines of [Width] columns that begin below each other.
func Paragraph(b *strings.Builder, title, text string) {
	indent := utf8.RuneCountInString(title)
	for i, line := range Wrap(text, Width-indent) {
		if i > 0 {
			title = strings.Repeat(" ", indent)
		}
		b.WriteString(title + line + "\n")
	}
}
