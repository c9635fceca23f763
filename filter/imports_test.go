package filter

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// Imports point one way: cmd to filter to store and prvs. The key of each row is a folder of the module; what lies in or
// below it may import, of this module, only what lies in or below the folders named.
var mayImport = map[string][]string{
	"prvs":   {"prvs"},
	"store":  {"store"},
	"filter": {"filter", "store", "prvs"},
	"cmd":    {"cmd", "filter", "store", "prvs"},
	// Tests and benchmarks from outside: they run the command, against servers that tests of the store start as well.
	"deploy": {"deploy", "store/redistest", "store/storetest/pace"},
}

func TestImportsPointOneWay(t *testing.T) {
	const module = "github.com/bouncefilter/bouncefilter/"
	files := 0
	for folder, allowed := range mayImport {
		err := filepath.WalkDir(filepath.Join("..", folder), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") {
				return err
			}
			files++
			f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
			if err != nil {
				return err
			}
			for _, spec := range f.Imports {
				name, err := strconv.Unquote(spec.Path.Value)
				if err != nil {
					return err
				}
				own, ours := strings.CutPrefix(name, module)
				switch {
				case strings.HasPrefix(name, "github.com/emersion/go-message") && filepath.Dir(path) != filepath.Join("..", "filter", "bounce"):
					t.Errorf("%s imports %s: only filter/bounce reads messages", path, name)
				case folder == "prvs" && !ours && strings.Contains(name, ".") && name != "golang.org/x/net/idna":
					t.Errorf("%s imports %s: prvs needs the standard library and the spellings of domains alone", path, name)
				case ours && !within(own, allowed):
					t.Errorf("%s imports %s: %s may import %v", path, own, folder, allowed)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if files < 20 {
		t.Errorf("only %d files seen", files)
	}
}

func within(path string, folders []string) bool {
	for _, f := range folders {
		if path == f || strings.HasPrefix(path, f+"/") {
			return true
		}
	}
	return false
}

// All changes to a message are in apply.go: every deletion before every addition.
func TestChangesAreInOneFile(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	changes := regexp.MustCompile(`\.(AddRecipient|DeleteRecipient|AddHeader|ChangeHeader|InsertHeader|ChangeFrom|ReplaceBody\w*|Quarantine)\(`)
	additions := regexp.MustCompile(`\.(AddRecipient|AddHeader|InsertHeader|ChangeFrom)\(`)
	deletions := regexp.MustCompile(`\.(DeleteRecipient|ChangeHeader)\(`)
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		switch found := changes.FindString(string(text)); {
		case strings.HasSuffix(name, "_test.go"):
		case name != "apply.go" && found != "":
			t.Errorf("%s changes a message: %s", name, found)
		case name == "apply.go":
			first, last := additions.FindIndex(text), deletions.FindAllIndex(text, -1)
			if len(first) == 0 || len(last) == 0 || last[len(last)-1][0] > first[0] {
				t.Errorf("%s: a deletion comes after an addition", name)
			}
		}
	}
}
