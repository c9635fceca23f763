// Package deploy holds the documents of the project to what they describe. None of its tests needs a server.
package deploy

import (
	"bufio"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// root is the project's folder.
const root = ".."

// read returns the text of a file, whose path is relative to the project.
func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// files returns the paths of the project's files with an extension, relative to the project, without those of testdata folders and
// of folders whose names begin with a dot.
func files(t *testing.T, extension string) (paths []string) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != root && (d.Name() == "testdata" || strings.HasPrefix(d.Name(), ".")):
			return fs.SkipDir
		case !d.IsDir() && filepath.Ext(path) == extension:
			paths = append(paths, strings.TrimPrefix(path, root+"/"))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

var (
	codeBlock = regexp.MustCompile("(?ms)^ *```.*?^ *```$")
	codeSpan  = regexp.MustCompile("`[^`]+`")
	heading   = regexp.MustCompile(`(?m)^#+ (.*)$`)
	link      = regexp.MustCompile(`\]\(([^)]+)\)`)
)

// anchors returns the anchors of the headings of a document, as GitHub makes them.
func anchors(text string) (as []string) {
	for _, m := range heading.FindAllStringSubmatch(codeBlock.ReplaceAllString(text, ""), -1) {
		a := strings.ToLower(strings.ReplaceAll(m[1], " ", "-"))
		as = append(as, regexp.MustCompile(`[^\p{L}\p{N}_-]`).ReplaceAllString(a, ""))
	}
	return as
}

// Links between documents lead to files and headings that exist.
func TestLinks(t *testing.T) {
	n := 0
	for _, document := range files(t, ".md") {
		for _, m := range link.FindAllStringSubmatch(codeBlock.ReplaceAllString(read(t, document), ""), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			n++
			target, anchor, _ := strings.Cut(m[1], "#")
			path := document
			if target != "" {
				path = filepath.Join(filepath.Dir(document), target)
			}
			if _, err := os.Stat(filepath.Join(root, path)); err != nil {
				t.Errorf("%s: %v", document, err)
				continue
			}
			if anchor != "" && !slices.Contains(anchors(read(t, path)), anchor) {
				t.Errorf("%s: %s has no heading for #%s", document, path, anchor)
			}
		}
	}
	if n < 50 {
		t.Errorf("only %d links seen", n)
	}
}

// A postmaster reads the README in ten minutes.
func TestReadmeIsShort(t *testing.T) {
	if n := len(strings.Fields(read(t, "README.md"))); n >= 1500 {
		t.Errorf("README.md has %d words", n)
	}
}

// The documents name the actor: the operator, the sender, the client, the MTA, the attacker.
func TestActorsAreNamed(t *testing.T) {
	nameless := regexp.MustCompile(`(?i)\b(some|any|every)(body|one)\b|\b(nobody|no one|whoever)\b`)
	for _, document := range files(t, ".md") {
		text := codeSpan.ReplaceAllString(codeBlock.ReplaceAllString(read(t, document), ""), "")
		for _, word := range nameless.FindAllString(text, -1) {
			t.Errorf("%s says %q", document, word)
		}
	}
}

// manual is the reference.
const manual = "deploy/manual.md"

// The table of contents has all chapters of the manual, in their order.
func TestContentsOfTheManual(t *testing.T) {
	text := read(t, manual)
	var chapters, contents []string
	for _, m := range regexp.MustCompile(`(?m)^## (.*)$`).FindAllStringSubmatch(text, -1) {
		chapters = append(chapters, m[1])
	}
	for _, m := range regexp.MustCompile(`(?m)^- \[(.*)\]\(#.*\)$`).FindAllStringSubmatch(text, -1) {
		contents = append(contents, m[1])
	}
	if len(chapters) < 10 || !slices.Equal(chapters, contents) {
		t.Errorf("chapters\n%q\ncontents\n%q", chapters, contents)
	}
}

// table returns the cells of the rows of the table of a document that begins after a marker.
func table(t *testing.T, document, marker string) (rows [][]string) {
	t.Helper()
	_, body, found := strings.Cut(read(t, document), "<!-- "+marker+": held by a test -->\n")
	if !found {
		t.Fatalf("%s has no table of %s", document, marker)
	}
	body, _, _ = strings.Cut(body, "\n\n")
	for _, line := range strings.Split(body, "\n")[2:] {
		var cells []string
		for _, cell := range strings.Split(strings.Trim(line, "|"), "|") {
			cells = append(cells, strings.TrimSpace(cell))
		}
		rows = append(rows, cells)
	}
	return rows
}

// words returns the words in code of cells, in which a cell may have several.
func words(cells ...string) (all []string) {
	for _, cell := range cells {
		for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(cell, -1) {
			all = append(all, m[1])
		}
	}
	return all
}

// same compares what the manual has with what there is.
func same(t *testing.T, what string, documented, existing []string, atLeast int) {
	t.Helper()
	slices.Sort(documented)
	slices.Sort(existing)
	existing = slices.Compact(existing)
	for _, word := range existing {
		if !slices.Contains(documented, word) {
			t.Errorf("%s lacks the %s %q", manual, what, word)
		}
	}
	for i, word := range documented {
		if !slices.Contains(existing, word) {
			t.Errorf("%s has the %s %q, which does not exist", manual, what, word)
		}
		if i > 0 && documented[i-1] == word {
			t.Errorf("%s has the %s %q twice", manual, what, word)
		}
	}
	if len(existing) < atLeast {
		t.Errorf("only %d %ss found", len(existing), what)
	}
}

// The manual has the options of the configuration that we ship, with their defaults. A test of the configuration holds those to the
// program's.
func TestManualHasTheOptions(t *testing.T) {
	var documented, existing []string
	for _, row := range table(t, manual, "options") {
		documented = append(documented, strings.Join(append(words(row[0]), words(row[1])...), " = "))
	}
	var (
		section = regexp.MustCompile(`^#?\[([a-z_]+)\]$`)
		option  = regexp.MustCompile(`^#?([a-z][a-z_-]*) = (.*)$`)
		block   = regexp.MustCompile(`^#   \[\[([a-z_]+)\]\]$`)
		example = regexp.MustCompile(`^#   ([a-z_]+) = `)
	)
	prefix, repeated := "", ""
	for line := range strings.Lines(read(t, "deploy/bouncefilter.toml")) {
		line = strings.TrimSuffix(line, "\n")
		if m := section.FindStringSubmatch(line); m != nil {
			prefix = "[" + m[1] + "] "
		}
		if m := option.FindStringSubmatch(line); m != nil {
			existing = append(existing, prefix+m[1]+" = "+m[2])
		}
		if m := block.FindStringSubmatch(line); m != nil {
			repeated = "[[" + m[1] + "]] "
		} else if m := example.FindStringSubmatch(line); m == nil {
			repeated = ""
		} else if repeated != "" {
			existing = append(existing, repeated+m[1])
		}
	}
	same(t, "option", documented, existing, 50)
}

// build makes the command and returns its path.
func build(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "bouncefilter")
	compile := exec.Command("go", "build", "-o", path, "./cmd/bouncefilter")
	compile.Dir = root
	if out, err := compile.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return path
}

// The manual has the commands that --help lists.
func TestManualHasTheCommands(t *testing.T) {
	out, err := exec.Command(build(t), "--help").Output()
	if err != nil {
		t.Fatal(err)
	}
	_, list, _ := strings.Cut(string(out), "\nCommands:\n")
	var documented, existing []string
	for _, row := range table(t, manual, "commands") {
		documented = append(documented, words(row[0])...)
	}
	for _, m := range regexp.MustCompile(`(?m)^  ([a-z]+( [a-z]+)?)(  |$)`).FindAllStringSubmatch(list, -1) {
		existing = append(existing, m[1])
	}
	same(t, "command", documented, existing, 15)
}

// sources returns the text of the Go files in and below a folder, without tests.
func sources(t *testing.T, folder string) string {
	t.Helper()
	var text strings.Builder
	for _, path := range files(t, ".go") {
		if strings.HasPrefix(path, folder+"/") && !strings.HasSuffix(path, "_test.go") {
			text.WriteString(read(t, path))
		}
	}
	return text.String()
}

// The manual has the metrics that the sources describe.
func TestManualHasTheMetrics(t *testing.T) {
	var documented, existing []string
	for _, row := range table(t, manual, "metrics") {
		documented = append(documented, words(row[0])...)
	}
	described := regexp.MustCompile(`\bd\("([a-z_]+)",`) // d adds the prefix
	for folder, prefix := range map[string]string{"filter": "bouncefilter_", "filter/limit": "bouncefilter_", "filter/socketmap": "bouncefilter_socketmap_",
		"cmd/bouncefilter/internal/daemon": "bouncefilter_"} {
		for _, path := range files(t, ".go") {
			if filepath.Dir(path) != folder || strings.HasSuffix(path, "_test.go") {
				continue
			}
			for _, m := range described.FindAllStringSubmatch(read(t, path), -1) {
				existing = append(existing, prefix+m[1])
			}
		}
	}
	for _, m := range regexp.MustCompile(`Name: +"(bouncefilter_[a-z_]+)"`).FindAllStringSubmatch(sources(t, "cmd")+sources(t, "filter"), -1) {
		existing = append(existing, m[1])
	}
	same(t, "metric", documented, existing, 25)
}

// The manual has the causes of the policy.
func TestManualHasTheCauses(t *testing.T) {
	var documented, existing []string
	for _, row := range table(t, manual, "causes") {
		documented = append(documented, words(row[0])...)
	}
	for _, m := range regexp.MustCompile(`(?m)^\t\w+: +\{"([a-z-]+)",`).FindAllStringSubmatch(read(t, "filter/policy/cause.go"), -1) {
		existing = append(existing, m[1])
	}
	same(t, "cause", documented, existing, 8)
}

// The manual has the attributes of the lines that the log has about messages.
func TestManualHasTheLogAttributes(t *testing.T) {
	var documented, existing []string
	for _, row := range table(t, manual, "log attributes") {
		documented = append(documented, words(row[0])...)
	}
	for _, m := range regexp.MustCompile(`\b(?:slog\.(?:String|Int|Bool|Duration)|text|address)\("([a-z_]+)",`).FindAllStringSubmatch(read(t, "filter/log.go"), -1) {
		existing = append(existing, m[1])
	}
	same(t, "log attribute", documented, append(existing, "msg"), 15)
}

// The manual has the files that a daemon makes.
func TestManualHasTheFiles(t *testing.T) {
	var documented []string
	for _, row := range table(t, manual, "files") {
		documented = append(documented, words(row[0])...)
	}
	state := t.TempDir()
	serve := exec.CommandContext(t.Context(), build(t), "serve", "--state-dir", state, "--domain", "example.com", "--http", "off",
		"--listen", "unix:"+filepath.Join(t.TempDir(), "milter.sock"))
	log, err := serve.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := serve.Start(); err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(log); lines.Scan() && !strings.Contains(lines.Text(), "listening on"); {
	}
	if err := serve.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, log); err != nil {
		t.Fatal(err)
	}
	if err := serve.Wait(); err != nil {
		t.Fatal(err)
	}
	n := 0
	err = filepath.WalkDir(state, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		n++
		name := regexp.MustCompile(`key-\d`).ReplaceAllString(strings.TrimPrefix(path, state+"/"), "key-N")
		if !slices.Contains(documented, name) {
			t.Errorf("%s lacks the file %s", manual, name)
		}
		return nil
	})
	if err != nil || n < 4 {
		t.Errorf("%d files, %v", n, err)
	}
}
