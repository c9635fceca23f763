package deploy

import (
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// maxPicture is how large a picture of the manual may be, in octets: documents are read in a checkout, too.
const maxPicture = 150_000

// Every picture is small and shown in a document, with a text in its place; those that documents show, TestLinks holds.
func TestPicturesAreShown(t *testing.T) {
	documents := read(t, manual) + read(t, "README.md")
	files, err := filepath.Glob("images/*.png")
	if err != nil || len(files) < 4 {
		t.Fatalf("%d pictures, %v", len(files), err)
	}
	for _, file := range files {
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		if info.Size() > maxPicture {
			t.Errorf("%s has %d octets, at most %d are wanted", file, info.Size(), maxPicture)
		}
		f, err := os.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		_, err = png.DecodeConfig(f)
		f.Close()
		if err != nil {
			t.Errorf("%s: %v", file, err)
		}
		shown := false
		for _, text := range strings.Split(documents, "![")[1:] {
			alt, rest, _ := strings.Cut(text, "](")
			path, _, _ := strings.Cut(rest, ")")
			shown = shown || len(alt) > 20 && filepath.Base(path) == filepath.Base(file)
		}
		if !shown {
			t.Errorf("%s is shown nowhere with a text of its own", file)
		}
	}
}
