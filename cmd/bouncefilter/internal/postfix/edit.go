package postfix

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// editMain writes the planned parameters into the main.cf of dir: postconf edits those that the file has, in their places; new
// ones are appended, in the order of the manual, in which postconf does not keep them.
func (p *plan) editMain(ctx context.Context, dir string) error {
	if len(p.main) == 0 {
		return nil
	}
	path := filepath.Join(dir, "main.cf")
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	args := []string{"-c", dir, "-e"}
	added := ""
	for _, m := range p.main {
		if edited, ok := replaceInPlace(string(text), m.name, p.inPlace[m.name]); ok {
			text = []byte(edited)
		} else if regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(m.name) + `[ \t]*=`).Match(text) {
			args = append(args, m.name+" = "+m.value)
		} else {
			added += m.name + " = " + m.value + "\n"
		}
	}
	if len(args) > 3 {
		if err := writeSettled(path, text); err != nil {
			return err
		}
		if _, err := run(ctx, "postconf", args...); err != nil {
			return err
		}
		if text, err = os.ReadFile(path); err != nil {
			return err
		}
	}
	if len(text) > 0 && text[len(text)-1] != '\n' {
		added = "\n" + added
	}
	if err := writeSettled(path, append(text, added...)); err != nil {
		return err
	}
	out, err := run(ctx, "postconf", "-c", dir, "-n")
	if err != nil {
		return err
	}
	now := parseParameters(out)
	for _, m := range p.main {
		if now[m.name] != m.value {
			return fmt.Errorf("postconf reads %s as %q, not as %q", m.name, now[m.name], m.value)
		}
	}
	return nil
}

// editMaster gives services in the master.cf of dir options, each written SERVICE/TYPE/PARAMETER=VALUE as for postconf -P.
//
// QUIRK: postconf -P writes the service anew behind the comments that follow it, which in Debian's file are forty lines
// about other services. New options are therefore inserted below their services, and postconf is asked whether it sees them
// there. Options that exist are left to postconf.
func editMaster(ctx context.Context, dir string, edits []string) error {
	if len(edits) == 0 {
		return nil
	}
	path := filepath.Join(dir, "master.cf")
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	before, err := run(ctx, "postconf", "-c", dir, "-P")
	if err != nil {
		return err
	}
	have := parseParameters(before)
	edited, inserted, left := string(text), map[string]string{}, []string(nil)
	for _, edit := range edits {
		name, value, _ := strings.Cut(edit, "=")
		id, parameter := cutLast(name, "/")
		_, exists := have[name]
		with, ok := insertOption(edited, id, parameter+"="+value)
		if exists || !ok {
			left = append(left, edit)
			continue
		}
		edited, inserted[name] = with, value
	}
	if len(inserted) > 0 {
		if err := os.WriteFile(path, []byte(edited), 0o600); err != nil {
			return err
		}
		if after, err := run(ctx, "postconf", "-c", dir, "-P"); err != nil || !showsNew(before, after, inserted) {
			if err := os.WriteFile(path, text, 0o600); err != nil {
				return err
			}
			left = edits
		}
	}
	if len(left) == 0 {
		return nil
	}
	_, err = run(ctx, "postconf", append([]string{"-c", dir, "-P"}, left...)...)
	return err
}

// showsNew says whether what postconf -P prints has got these options, and no others.
func showsNew(before, after string, options map[string]string) bool {
	now := parseParameters(after)
	for name, value := range options {
		if now[name] != value {
			return false
		}
	}
	return strings.Count(after, "\n") == strings.Count(before, "\n")+len(options)
}

// insertOption inserts an option below the line of a service, indented as its first one is. It does not if there is no such
// line, or more than one.
func insertOption(text, id, option string) (string, bool) {
	lines := strings.SplitAfter(text, "\n")
	at := -1
	for i, line := range lines {
		f := strings.Fields(line)
		if len(f) < 8 || strings.HasPrefix(f[0], "#") || line[0] == ' ' || line[0] == '\t' || f[0]+"/"+f[1] != id {
			continue
		}
		if at >= 0 {
			return "", false
		}
		at = i
	}
	if at < 0 || !strings.HasSuffix(lines[at], "\n") {
		return "", false
	}
	indent := "  "
	if next := strings.TrimLeft(lines[at+1], " \t"); strings.HasPrefix(next, "-o") && next != lines[at+1] {
		indent = lines[at+1][:len(lines[at+1])-len(next)]
	}
	lines[at] += indent + "-o " + option + "\n"
	return strings.Join(lines, ""), true
}

// replaceInPlace replaces elements of a list in the text of main.cf by their index, and keeps its lines and the comments between them,
// which postconf -e would not. It does not if the parameter is there more than once.
func replaceInPlace(text, name string, elements map[int]string) (string, bool) {
	at := regexp.MustCompile(`(?m)^`+regexp.QuoteMeta(name)+`[ \t]*=`).FindAllStringIndex(text, -1)
	if len(elements) == 0 || len(at) != 1 {
		return "", false
	}
	begin := at[0][1]
	end := begin
	masked := "" // the value, with blanks in place of its comments
	for i, line := range strings.SplitAfter(text[begin:], "\n") {
		trimmed := strings.TrimSpace(line)
		comment := i > 0 && (trimmed == "" || trimmed[0] == '#')
		if i > 0 && !comment && line[0] != ' ' && line[0] != '\t' {
			break
		}
		if comment {
			masked += strings.Repeat(" ", len(line))
		} else {
			masked += line
		}
		end += len(line)
	}
	return text[:begin] + replaceElements(text[begin:end], masked, elements) + text[end:], true
}
