package postfix

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// Our reading of the tables is Postfix' own.
func TestTablesAreReadAsPostfixReadsThem(t *testing.T) {
	needPostfix(t)
	keys := map[string][]string{} // by table
	for _, l := range lookups {
		keys[l.table] = append(keys[l.table], l.key)
	}
	found := map[string]map[string]string{}
	for table, keys := range keys {
		path, err := filepath.Abs(filepath.Join("tables", table))
		if err != nil {
			t.Fatal(err)
		}
		if found[table], err = query(t.Context(), "/etc/postfix", "pcre:"+path, keys); err != nil {
			t.Fatal(err)
		}
	}
	for _, l := range lookups {
		if got := found[l.table][l.key]; got != l.value {
			t.Errorf("postmap -q finds %q for %s in %s, expected %q", got, l.key, l.table, l.value)
		}
	}
}

func TestLocate(t *testing.T) {
	dir := t.TempDir()
	if got := Locate(dir, ""); got != "" {
		t.Errorf("an empty folder is the configuration %q", got)
	}
	if got := Locate("", dir); got != "" {
		t.Errorf("without postconf there is the configuration %q", got)
	}
	if err := os.WriteFile(filepath.Join(dir, "main.cf"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	postconf := filepath.Join(dir, "postconf")
	if err := os.WriteFile(postconf, []byte("#!/bin/sh\necho "+dir+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, got := range []string{Locate(dir, ""), Locate(filepath.Join(dir, "main.cf"), ""), Locate("", "/nonexistent:"+dir)} {
		if got != dir {
			t.Errorf("got %q", got)
		}
	}
}

func TestLookupOfDomains(t *testing.T) {
	needPostfix(t)
	dir := t.TempDir()
	list := filepath.Join(dir, "list")
	if err := os.WriteFile(list, []byte("in.list.example\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := &Config{Dir: "/etc/postfix", Main: map[string]string{"mydestination": "a.example, inline:{b.example=x} inline:{c.example=x} " + list + ", bogus:/table"}}
	got := c.lookup(t.Context(), "mydestination", []string{"b.example"})
	// The last table cannot be asked.
	if strings.Join(got, " ") != "b.example in.list.example b.example" {
		t.Errorf("got %v", got)
	}
}

func TestProbe(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, whom nothing keeps from looking")
	}
	dir := t.TempDir() // whose parents only their owner may enter
	c := &Config{Main: map[string]string{"mail_owner": "nobody"}}
	path := filepath.Join(dir, "milter.sock")
	probe := func() Socket { return c.probe(t.Context(), "unix:"+path) }
	if s := probe(); s.Exists {
		t.Errorf("nothing is there: %+v", s)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range []string{dir, filepath.Dir(dir)} { // both were made for this test
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		mode   os.FileMode
		closed string
	}{{0o660, "mode 0660, owner root and group root, which gives nobody (as others) no access"}, {0o662, ""}} {
		if err := os.Chmod(path, tt.mode); err != nil {
			t.Fatal(err)
		}
		if s := probe(); !s.Exists || !s.IsSocket || s.Dead || !strings.Contains(s.Closed, tt.closed) || s.Closed != "" && tt.closed == "" {
			t.Errorf("mode %o: %+v", tt.mode, s)
		}
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if s := probe(); !strings.Contains(s.Closed, dir+" has mode 0700") {
		t.Errorf("a folder that cannot be entered: %+v", s)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	// What a killed process leaves behind.
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if s := probe(); !s.Dead {
		t.Errorf("no process listens: %+v", s)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(path, 0o666); err != nil {
		t.Fatal(err)
	}
	if s := probe(); !s.Exists || s.IsSocket {
		t.Errorf("a pipe: %+v", s)
	}
}

func TestProbeOfATCPPort(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := "inet:" + l.Addr().String()
	c := &Config{}
	if s := c.probe(t.Context(), address); s.Dead {
		t.Errorf("a process listens: %+v", s)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if s := c.probe(t.Context(), address); !s.Dead {
		t.Errorf("no process listens: %+v", s)
	}
}
