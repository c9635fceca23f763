package main

import (
	"os"
	"testing"
)

func TestStateDirectoryOfAService(t *testing.T) {
	w := newWorld(t)
	w.env["STATE_DIRECTORY"] = "/srv/bouncefilter"
	if got := w.app(nil, nil).stateDir(); got != "/srv/bouncefilter" {
		t.Errorf("got %q", got)
	}
}

func TestStateDirectoryOfAUser(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Log("as root the state directory is the system's")
		if got := newWorld(t).app(nil, nil).stateDir(); got != "/var/lib/bouncefilter" {
			t.Errorf("got %s", got)
		}
		return
	}
	w := newWorld(t)
	for _, tt := range []struct{ home, data, want string }{
		{"/home/u", "", "/home/u/.local/share/bouncefilter"}, {"/home/u", "/data", "/data/bouncefilter"}, {"/home/u", "relative", "/home/u/.local/share/bouncefilter"}, {"", "", ""},
	} {
		w.env["HOME"], w.env["XDG_DATA_HOME"] = tt.home, tt.data
		if got := w.app(nil, nil).stateDir(); got != tt.want {
			t.Errorf("%+v: got %q", tt, got)
		}
	}
}
