package policy

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The package can only decide: it has no way to wait, to log, to read or write anything, or to ask what time it is.
func TestDecisionsArePure(t *testing.T) {
	const module = "github.com/bouncefilter/bouncefilter/"
	forbidden := []string{"context", "crypto", "database", "io", "log", "math/rand", "net", "os", "runtime", "sync", "syscall", "unsafe"}
	ours := []string{"prvs", "filter/bounce"}
	allowed := []string{"net/netip"} // a value type
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	checked := 0
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		checked++
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, spec := range f.Imports {
			path, _ := strconv.Unquote(spec.Path.Value)
			root, _, _ := strings.Cut(path, "/")
			switch local, inModule := strings.CutPrefix(path, module); {
			case inModule && !slices.Contains(ours, local), strings.Contains(root, ".") && !inModule,
				!slices.Contains(allowed, path) && (slices.Contains(forbidden, root) || slices.Contains(forbidden, path)):
				t.Errorf("%s imports %s", name, path)
			}
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if sel, ok := n.(*ast.SelectorExpr); ok {
				if pkg, ok := sel.X.(*ast.Ident); ok && pkg.Name == "time" && slices.Contains(clockReaders, sel.Sel.Name) {
					t.Errorf("%s reads the clock: time.%s", name, sel.Sel.Name)
				}
			}
			if _, ok := n.(*ast.GoStmt); ok {
				t.Errorf("%s starts a goroutine", name)
			}
			return true
		})
	}
	if checked < 5 {
		t.Errorf("only %d files", checked)
	}
}

// clockReaders are the functions of package time that depend on when they are called.
var clockReaders = []string{"Now", "Since", "Until", "After", "AfterFunc", "NewTimer", "NewTicker", "Tick", "Sleep"}
