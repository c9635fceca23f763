package main

import (
	"strings"
	"testing"
)

// Commands that are given no configuration read the usual one, if it is there, and print commands that need not be told.
func TestUsualConfiguration(t *testing.T) {
	w := newWorld(t)
	run := func(args ...string) result {
		var stdout, stderr lockedBuffer
		a := w.app(&stdout, &stderr)
		a.usualConfig = w.path("bouncefilter.toml")
		status := a.run(t.Context(), args)
		return result{status, stdout.String(), stderr.String()}
	}
	if r := run("check", "--mta", "none"); !strings.Contains(r.stderr+r.stdout, "no domain is named") {
		t.Errorf("without a file: %+v", r)
	}
	path := w.config("")
	w.mustRun("key", "add", "-c", path)
	if r := run("check", "--mta", "none"); r.status != 0 || !strings.Contains(r.stdout, path) {
		t.Errorf("with the file: %+v", r)
	}
	other := w.file("other.toml", "domains = [\"example.org\"]\nstate_dir = \""+w.path("other")+"\"\n", 0o600)
	w.mustRun("key", "add", "-c", other)
	if r := run("check", "--mta", "none", "-c", other); r.status != 0 || !strings.Contains(r.stdout, "example.org") {
		t.Errorf("with another one: %+v", r)
	}
	d := w.start("-c", path)
	d.sign("user@example.com")
	for _, args := range [][]string{{"report", "--next"}, {"report", "--next", "-c", path}} {
		if r := run(args...); r.status != 0 || !strings.Contains(r.stdout, "bouncefilter ") || strings.Contains(r.stdout, " -c ") {
			t.Errorf("%v: %+v", args, r)
		}
	}
	if r := w.run("report", "--next", "-c", path); !strings.Contains(r.stdout, "bouncefilter check --live -c "+path) {
		t.Errorf("with one that is not usual: %+v", r)
	}
}
