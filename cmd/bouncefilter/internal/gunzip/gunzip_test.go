package gunzip

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestReader(t *testing.T) {
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	if _, err := w.Write([]byte("text\n")); err != nil || w.Close() != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, file, want string
		err              error
	}{
		{"plain", "text\n", "text\n", nil}, {"empty", "", "", nil}, {"one octet", "x", "x", nil}, {"gzip", packed.String(), "text\n", nil},
		{"gzip that is cut off", packed.String()[:4], "", io.ErrUnexpectedEOF}, {"xz", "\xfd7zXZ\x00rest", "", ErrOther}, {"zstd", "\x28\xb5\x2f\xfdrest", "", ErrOther}, {"bzip2", "BZh9rest", "", ErrOther},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "file")
			if err := os.WriteFile(path, []byte(tt.file), 0o600); err != nil {
				t.Fatal(err)
			}
			f, err := os.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			r, err := Reader(f)
			var got []byte
			if err == nil {
				got, err = io.ReadAll(r)
			}
			if !errors.Is(err, tt.err) || string(got) != tt.want {
				t.Errorf("got %q, %v", got, err)
			}
			if got, err := io.ReadAll(Stream(strings.NewReader(tt.file))); !errors.Is(err, tt.err) || string(got) != tt.want {
				t.Errorf("of a stream: got %q, %v", got, err)
			}
		})
	}
}

// A pipe has no offset at which it could be looked at.
func TestPipe(t *testing.T) {
	in, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	if _, err := out.WriteString("text"); err != nil || out.Close() != nil {
		t.Fatal(err)
	}
	r, err := Reader(in)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(r); err != nil || string(got) != "text" {
		t.Errorf("got %q, %v", got, err)
	}
}
