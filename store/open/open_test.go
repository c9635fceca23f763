package open_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bouncefilter/bouncefilter/store"
	"github.com/bouncefilter/bouncefilter/store/bolt"
	"github.com/bouncefilter/bouncefilter/store/memory"
	"github.com/bouncefilter/bouncefilter/store/open"
	"github.com/bouncefilter/bouncefilter/store/redis"
)

func TestSchemeChooses(t *testing.T) {
	t.Chdir(t.TempDir())
	dir := t.TempDir()
	for _, test := range []struct {
		url  string
		is   func(store.Store) bool
		file string
	}{
		{"memory:", is[*memory.Store], ""},
		{"bolt:state.db", is[*bolt.Store], "state.db"},
		{"bolt:" + dir + "/new/state.db", is[*bolt.Store], dir + "/new/state.db"},
		{"bolt://" + dir + "/b.db", is[*bolt.Store], dir + "/b.db"},
		{"bolt:a%20%25.db", is[*bolt.Store], "a %.db"},
		{"redis://127.0.0.1:1/0", is[*redis.Store], ""},
		{"rediss://u:p@127.0.0.1:1", is[*redis.Store], ""},
		{"unix:/does/not/exist", is[*redis.Store], ""},
	} {
		s, err := open.Open(t.Context(), test.url, open.Hasher(store.NewHasher([]byte("secret"))))
		if err != nil {
			t.Errorf("%s: %v", test.url, err)
			continue
		}
		if !test.is(s) {
			t.Errorf("%s opened a %T", test.url, s)
		}
		if test.file != "" {
			if info, err := os.Stat(test.file); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("%s: file %v, %v; want mode 0600", test.url, info, err)
			}
		}
		if err := s.Close(); err != nil {
			t.Errorf("%s: Close: %v", test.url, err)
		}
	}
}

func is[T store.Store](s store.Store) bool { _, ok := s.(T); return ok }

func TestErrors(t *testing.T) {
	dir := t.TempDir()
	for url, want := range map[string]string{
		"":                           "not a URL",
		"state.db":                   "not a URL",
		"/var/lib/state.db":          "not a URL",
		"sqlite:x":                   "unknown kind",
		"memory:x":                   "nothing behind",
		"bolt:":                      "takes a path",
		"bolt://host/path":           "not a host",
		"bolt:" + dir:                "folder",
		"redis://u:hunter2@h:1/zero": "not a number",
		"redis://u:hunt/er2@h":       "not a URL",
		"Redis://u:hunter2@h":        "unknown kind",
	} {
		s, err := open.Open(t.Context(), url, open.Hasher(store.NewHasher([]byte("secret"))))
		if err == nil || s != nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, %v; want %q", url, s, err, want)
		} else if strings.Contains(err.Error(), "hunt") || strings.Contains(err.Error(), "er2") {
			t.Errorf("%s: the error shows the password: %v", url, err)
		}
	}
}

func TestWarnSaysThatAFileWasMovedAside(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	if err := os.WriteFile(path, make([]byte, 100), 0o600); err != nil {
		t.Fatal(err)
	}
	var warnings []string
	s, err := open.Open(t.Context(), "bolt:"+path, open.Warn(func(m string) { warnings = append(warnings, m) }))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if len(warnings) != 1 || !strings.Contains(warnings[0], path+".damaged-") {
		t.Errorf("warnings %q, want one that names the damaged file", warnings)
	}
}

func TestRedacted(t *testing.T) {
	for url, want := range map[string]string{
		"memory:":                             "memory:",
		"bolt:/var/lib/state@1.db":            "bolt:/var/lib/state@1.db",
		"redis://h:6379/0?prefix=x":           "redis://h:6379/0?prefix=x",
		"redis://user:hunter2@h:6379/0":       "redis://user:xxxxx@h:6379/0",
		"redis://:hunter2@h":                  "redis://:xxxxx@h",
		"redis://hunter2@h":                   "redis://xxxxx@h",
		"rediss://u:hunter2@h/1?ca=%2Fca.pem": "rediss://u:xxxxx@h/1?ca=/ca.pem",
		"unix://u:hunter2@/run/r.sock?db=1":   "unix://u:xxxxx@/run/r.sock?db=1",
		"unix:/run/r.sock?db=1":               "unix:/run/r.sock?db=1",
		"redis://u:hunt/er2@h:1/0":            "redis://xxxxx@h:1/0",
		"redis://u:1/hunter2@h/0":             "redis://xxxxx@h/0",
		"redis://u:1?hunter2@h/0":             "redis://xxxxx@h/0",
		"redis://u:1#hunter2@h/0":             "redis://xxxxx@h/0",
		"redis://u:1#hunter2":                 "redis://u:1",
		"redis://h?password=hunter2":          "redis://h",
		"redis://u:hunter2%zz":                "redis:xxxxx",
		"sqlite://u:hunter2@h":                "xxxxx",
		"hunter2":                             "xxxxx",
	} {
		if got := open.Redacted(url); got != want {
			t.Errorf("Redacted(%q) = %q, want %q", url, got, want)
		}
	}
}
