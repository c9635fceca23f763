package postfix

import (
	"os"
	"path/filepath"
	"testing"
)

// The tables stand in two places: the manual's readers copy one, setup writes the other.
func TestTablesAreThoseOfTheManual(t *testing.T) {
	for _, name := range []string{untagFile, localFile, extensionFile} {
		manual, err := os.ReadFile(filepath.Join("../../../../deploy/postfix", name))
		if err != nil {
			t.Fatal(err)
		}
		if string(manual) != table(name) {
			t.Errorf("%s differs from deploy/postfix/%s", name, name)
		}
	}
}
