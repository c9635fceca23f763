package redistest

import (
	"bytes"
	"os"
	"testing"

	"github.com/bouncefilter/bouncefilter/store"
)

// Sign returns the stored form of a value for the field of a hash, under the hash secret in a file: for tests that let a record be older
// than it is.
func Sign(t testing.TB, secretFile, hash, field, value string) string {
	t.Helper()
	secret, err := os.ReadFile(secretFile)
	if err != nil {
		t.Fatal(err)
	}
	return store.NewHasher(bytes.TrimSuffix(secret, []byte{'\n'})).Sign(value, hash, field)
}
