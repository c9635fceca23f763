package deploy

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const contributing = "CONTRIBUTING.md"

// chapter returns the text of a chapter of CONTRIBUTING.md.
func chapter(t *testing.T, name string) string {
	t.Helper()
	_, body, found := strings.Cut(read(t, contributing), "\n## "+name+"\n")
	if !found {
		t.Fatalf("%s has no chapter %q", contributing, name)
	}
	body, _, _ = strings.Cut(body, "\n## ")
	return body
}

// path matches what looks like a path: names with a slash between them, or the name of a file.
var path = regexp.MustCompile(`^[\w.-]+(/[\w.-]+)+$|^[\w-]+\.(go|md|toml)$`)

// Every path that CONTRIBUTING.md names exists.
func TestContributingNamesWhatExists(t *testing.T) {
	n := 0
	for _, word := range words(read(t, contributing)) {
		if !path.MatchString(word) {
			continue
		}
		n++
		if _, err := os.Stat(filepath.Join(root, word)); err != nil {
			t.Errorf("%s: %v", contributing, err)
		}
	}
	if n < 60 {
		t.Errorf("only %d paths seen", n)
	}
}

// Every package is in the map, once.
func TestContributingMapHasEveryPackage(t *testing.T) {
	var packages, mapped []string
	for _, file := range files(t, ".go") {
		packages = append(packages, filepath.Dir(file))
	}
	slices.Sort(packages)
	packages = slices.Compact(packages)
	for _, m := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\|").FindAllStringSubmatch(chapter(t, "The map"), -1) {
		mapped = append(mapped, m[1])
	}
	for _, p := range packages {
		if !slices.Contains(mapped, p) {
			t.Errorf("the map lacks %s", p)
		}
	}
	for i, m := range mapped {
		if !slices.Contains(packages, m) || slices.Contains(mapped[:i], m) {
			t.Errorf("the map has %s, which is no package, or twice", m)
		}
	}
}

// declared returns all names that the sources declare: functions, methods, types, fields, variables and constants.
func declared(t *testing.T) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	for _, file := range files(t, ".go") {
		f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, file), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				names[n.Name.Name] = true
			case *ast.TypeSpec:
				names[n.Name.Name] = true
			case *ast.ValueSpec:
				for _, name := range n.Names {
					names[name.Name] = true
				}
			case *ast.Field:
				for _, name := range n.Names {
					names[name.Name] = true
				}
			}
			return true
		})
	}
	return names
}

// Every Go name in CONTRIBUTING.md, an exported one with or without its package or type, is declared.
func TestContributingNamesWhatIsDeclared(t *testing.T) {
	name := regexp.MustCompile(`^(?:\w+\.)?([A-Z][a-z]\w+)$`)
	names, n := declared(t), 0
	for _, word := range words(read(t, contributing)) {
		if m := name.FindStringSubmatch(word); m != nil {
			n++
			if !names[m[1]] {
				t.Errorf("%s names %s, which is not declared", contributing, word)
			}
		}
	}
	if n < 20 {
		t.Errorf("only %d names seen", n)
	}
}
