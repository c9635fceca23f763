package mta

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestSpellings(t *testing.T) {
	for name, want := range map[string]string{
		"Example.com":         "example.com",
		"exämple.com":         "xn--exmple-cua.com exämple.com",
		"XN--Exmple-cua.com":  "xn--exmple-cua.com exämple.com",
		"*.bücher.example":    "*.xn--bcher-kva.example *.bücher.example",
		"xn--nonsense--.com":  "xn--nonsense--.com",
		"under_score.example": "under_score.example",
	} {
		if got := Spellings(name); !slices.Equal(got, strings.Fields(want)) {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func TestNameSet(t *testing.T) {
	s := NewNameSet([]string{"Example.com", "exämple.com", "example.edu"}, []string{".example.net"})
	for name, want := range map[string]bool{
		"example.COM": true, "xn--exmple-cua.com": true, "sub.example.com": false, "*.example.edu": true, "*.example.net": true, "*.example.org": false,
	} {
		if got := s.Has(name); got != want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestNames(t *testing.T) {
	var list []string
	for i := range 11 {
		list = append(list, fmt.Sprintf("d%d", i))
	}
	if got := Names(list); got != "d0, d1, d2, d3, d4, d5, d6, d7, d8, d9, d10" {
		t.Errorf("eleven: %s", got)
	}
	if got := Names(append(list, "d11")); got != "d0, d1, d2, d3, d4, d5, d6, d7, d8, d9 and 2 others" {
		t.Errorf("twelve: %s", got)
	}
}

func TestIndexOfASite(t *testing.T) {
	index := Site{Domains: []string{"example.com", "*.example.edu"}}.Index()
	for name, want := range map[string]bool{"EXAMPLE.com": true, "a.b.example.edu": true, "example.edu": false} {
		if got := index.Find(name) != nil; got != want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
