package keyring

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/tomlfile"
)

// Whatever keys.toml holds: each problem names a line that the file has, none shows a secret, and an index that can be loaded means the
// same after it was written again.
func FuzzIndex(f *testing.F) {
	for _, text := range []string{
		"", "rotate = [\"\", \"example.com\"]\n",
		"[[keys]]\nnumber = 0\nstate = \"sign\"\nfile = \"key-0.secret\"\ncreated = \"2026-11-23T12:00:00Z\"\n",
		"[[keys]]\nnumber = 0\nstate = \"sign\"\nfile = \"key-0.secret\"\n\n[[keys]]\nnumber = 1\ndomain = \"example.com\"\nstate = \"verify\"\nnext = true\n" +
			"file = \"key-1.secret\"\ncreated = \"2026-11-23T12:00:00.5+01:00\"\nsigned_until = \"2026-11-24\"\nfingerprint = \"00000000\"\n",
		"keys = [{number = 9, state = \"retired\", signed_until = \"0001-01-02\", created = \"9999-12-31T23:59:59-23:59\"}]\n",
		"[[keys]]\nnumber = 0\nnumber = 0\n", "[[keys]]\nnumber = 10\nstate = \"x\"\nnext = true\n", "keys = 1\nother = [", "# \xff",
	} {
		f.Add(text)
	}
	const secret = "correct-horse-battery-staple"
	f.Fuzz(func(t *testing.T, text string) {
		dir := t.TempDir()
		path := filepath.Join(dir, IndexName)
		for name, content := range map[string]string{IndexName: text, "key-0.secret": secret + "\n", "key-1.secret": secret + "1\n"} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		k, problems := LoadUsable(path)
		for _, p := range append(problems, k.Unreadable...) {
			if p.File != path || p.Line < 0 || p.Line > 1+strings.Count(text, "\n") || p.What == "" || p.Line == 0 && p.Key != "" {
				t.Errorf("%+v is no place in\n%s", p, text)
			}
			if strings.Contains(p.Error(), secret) && !strings.Contains(text, secret) {
				t.Errorf("a problem shows a secret: %v", p)
			}
		}
		err := Update(path, func(*Keyring) error { return nil })
		var wrong tomlfile.Problems
		if len(problems) > 0 {
			if !errors.As(err, &wrong) {
				t.Errorf("an index with problems is written: %v", err)
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		again, problems := LoadUsable(path)
		if len(problems) > 0 || len(again.Keys) != len(k.Keys) || strings.Join(again.Rotations, "\n") != strings.Join(k.Rotations, "\n") {
			t.Fatalf("%v\n%+v\n%+v\nfrom\n%s", problems, k, again, text)
		}
		for i, a := range k.Keys {
			b := again.Keys[i]
			if a.Number != b.Number || a.Domain != b.Domain || a.State != b.State || a.Next != b.Next || a.File != b.File || a.Absent != b.Absent ||
				string(a.Secret) != string(b.Secret) || format(a.Created, "2006-01-02T15:04:05Z") != format(b.Created, "2006-01-02T15:04:05Z") ||
				!a.SignedUntil.Equal(b.SignedUntil) {
				t.Errorf("%+v\nis then\n%+v", a, b)
			}
		}
	})
}
