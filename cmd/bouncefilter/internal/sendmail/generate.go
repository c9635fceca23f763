package sendmail

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// usualMacros are where systems have the files that sendmail.cf is made with.
var usualMacros = []string{"/usr/share/sendmail/cf", "/usr/share/sendmail-cf", "/usr/lib/mail", "/usr/lib/sendmail-cf"}

// generate returns the sendmail.cf that m4 makes of a sendmail.mc which is, or will be, in dir. The first lines of the file decide how:
// most include cf.m4 themselves, others want it before them.
func generate(ctx context.Context, dir, mc string) (string, error) {
	var args []string
	if included(mc) == "" {
		macros, err := macrosFolder()
		if err != nil {
			return "", err
		}
		args = []string{"-D_CF_DIR_=" + macros + "/", filepath.Join(macros, "m4/cf.m4")}
	}
	var stdout, stderr bytes.Buffer
	m4 := exec.CommandContext(ctx, "m4", append(args, "-")...)
	m4.Dir, m4.Stdin, m4.Stdout, m4.Stderr = dir, strings.NewReader(mc), &stdout, &stderr
	if err := m4.Run(); err != nil {
		if errors.Is(err, exec.ErrNotFound) {
			return "", errors.New("sendmail.cf is made with m4, which is not installed; install it: apt-get install m4")
		}
		return "", fmt.Errorf("m4: %w: %s", err, strings.TrimSpace(stderr.String()))
	}
	if len(parse("", stdout.String()).Rulesets) == 0 {
		return "", fmt.Errorf("m4 makes no configuration of sendmail.mc: %s", strings.TrimSpace(stderr.String()))
	}
	return stdout.String(), nil
}

func macrosFolder() (string, error) {
	for _, dir := range usualMacros {
		if _, err := os.Stat(filepath.Join(dir, "m4/cf.m4")); err == nil {
			return dir, nil
		}
	}
	return "", fmt.Errorf("sendmail.cf is made with cf.m4, which is not in %s; install sendmail-cf", strings.Join(usualMacros, " or "))
}

// effective leaves out of a sendmail.cf what has no effect: comments, which also say when and where it was made.
func effective(cf string) []string {
	var lines []string
	for _, l := range logicalLines(cf) {
		lines = append(lines, l.text)
	}
	return lines
}

// difference returns the first lines in which two configurations differ, of which one may be "".
func difference(a, b string) (inA, inB string, differ bool) {
	x, y := effective(a), effective(b)
	for i := range max(len(x), len(y)) {
		inA, inB = "", ""
		if i < len(x) {
			inA = x[i]
		}
		if i < len(y) {
			inB = y[i]
		}
		if inA != inB {
			return inA, inB, true
		}
	}
	return "", "", false
}

// made takes the lines that say when and where from the old file, so that nothing changes that need not.
func made(old, text string) string {
	const prefix = "##### built by "
	stamp := func(s string) (from, to int) {
		if from = strings.Index(s, "\n"+prefix); from < 0 {
			return 0, 0
		}
		to = from + 1
		for range 3 { // by whom and when, in which folder, with which macros
			to += strings.Index(s[to:], "\n") + 1
		}
		return from, to
	}
	from, to := stamp(text)
	oldFrom, oldTo := stamp(old)
	if to == 0 || oldTo == 0 {
		return text
	}
	return text[:from] + old[oldFrom:oldTo] + text[to:]
}
