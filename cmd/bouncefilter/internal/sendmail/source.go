package sendmail

import (
	"regexp"
	"slices"
	"strings"
)

// The lines around the block in sendmail.mc.
const (
	beginLine = `dnl bouncefilter begin (made by "bouncefilter setup sendmail", which also takes it out again)`
	endLine   = "dnl bouncefilter end"
)

// replacedMark is put before lines that the block replaces.
const replacedMark = "dnl replaced by bouncefilter: "

// withoutBlock takes the block out, and gives back the lines that it replaced.
func withoutBlock(mc string) string {
	var b strings.Builder
	inside := false
	for line := range strings.Lines(mc) {
		switch {
		case strings.HasPrefix(line, "dnl bouncefilter begin"):
			inside = true
		case strings.HasPrefix(line, endLine):
			inside = false
		case !inside:
			b.WriteString(strings.TrimPrefix(line, replacedMark))
		}
	}
	if inside {
		return mc // an operator removed the end: what belongs to the block is not known
	}
	return b.String()
}

// diverting is a line from which on the text of sendmail.mc goes elsewhere than to the beginning of sendmail.cf. Our rules
// must come before other local rules, which may give an address to a mailer at once.
var diverting = regexp.MustCompile(`^(LOCAL_[A-Z_0-9]+|MAILER_DEFINITIONS|MAILER\(|divert\((-1|[1-9]))`)

// beginning matches what must come first: in the copyright notice at the beginning, m4 goes to divert(-1) and back.
var beginning = regexp.MustCompile(`^(include\(|VERSIONID\(|OSTYPE\()`)

// withBlock puts a block in, and makes comments of the lines that define the milters named.
func withBlock(mc string, lines, replaced []string) string {
	text := strings.SplitAfter(mc, "\n")
	begun := false
	at := len(text)
	for i, line := range text {
		if beginning.MatchString(line) {
			begun = true
		} else if begun && diverting.MatchString(line) {
			at = i
			break
		}
	}
	for i, line := range text {
		if slices.Contains(replaced, definedMilter(line)) {
			text[i] = replacedMark + line
		}
	}
	before := strings.Join(text[:at], "")
	if before != "" && !strings.HasSuffix(before, "\n") {
		before += "\n"
	}
	return before + beginLine + "\n" + strings.Join(lines, "\n") + "\n" + endLine + "\n" + strings.Join(text[at:], "")
}

var milterDefinition = regexp.MustCompile("^(?:INPUT_)?MAIL_FILTER\\(`?([^',` ]+)'?.*\\)")

// definedMilter returns the name of the milter that a line of sendmail.mc defines, "" if it defines none, or not in one line.
func definedMilter(line string) string {
	if m := milterDefinition.FindStringSubmatch(line); m != nil {
		return m[1]
	}
	return ""
}

var includesCF = regexp.MustCompile("(?m)^[ \t]*include\\(`?([^'`)]*m4/cf\\.m4)'?\\)")

// included returns the cf.m4 that sendmail.mc includes, "" if it leaves that to m4's command line.
func included(mc string) string {
	if m := includesCF.FindStringSubmatch(mc); m != nil {
		return m[1]
	}
	return ""
}
