package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestUnusableOptionsAreRefusedWithStatus2(t *testing.T) {
	noPID := filepath.Join(t.TempDir(), "pid")
	if err := os.WriteFile(noPID, []byte("none\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ args, want string }{
		{"-conns 1,x", "conns"},
		{"-conns 0", "-conns: must be 1 or more"},
		{"-n 0", "-n: must be 1 or more"},
		{"-rounds 0", "-rounds: must be 1 or more"},
		{"-senders -1", "-senders: must be 1 or more"},
		{"-per-session 0", "-per-session: must be 1 or more"},
		{"-idle -1", "-idle: must be 0 or more"},
		{"-scenarios e", "none of a, b, c, d"},
		{"-targets sqlite", "none of null, bolt, redis"},
		{"-extra peer", "want name=unix:/path@pidfile"},
		{"-extra bolt=unix:/x@" + noPID, "the program starts itself"},
		{"-extra peer=udp:/x@" + noPID, "want unix:/path or tcp:host:port"},
		{"-extra peer=unix:/x@" + noPID, "no process ID"},
		{"-extra peer=unix:/x@" + noPID + ".gone", "no such file"},
		{"-soak 1s", "-soak: must be 5s or more"},
		{"-soak 1m -share 0", "-share: must be more than 0"},
		{"-soak 1m -store sqlite", "none of redis, bolt"},
		{"-soak 1m -faults flood", "none of freeze, reload"},
		{"-soak 1m -store bolt -faults restart", "none of freeze, reload"},
		{"-soak 1m -idle 5", "does not go with -idle"},
		{"surplus", "unexpected argument"},
	} {
		t.Run(tt.args, func(t *testing.T) {
			var stdout, stderr strings.Builder
			if code := run(t.Context(), strings.Fields(tt.args), &stdout, &stderr); code != exitUsage {
				t.Errorf("exit status %d, want %d", code, exitUsage)
			}
			if !strings.Contains(stderr.String(), tt.want) {
				t.Errorf("standard error %q, want it to contain %q", stderr.String(), tt.want)
			}
			if stdout.Len() > 0 {
				t.Errorf("standard output %q, want none", stdout.String())
			}
		})
	}
}

func TestIdleDoesNotGoWithMiltersThatAlreadyRun(t *testing.T) {
	pid := filepath.Join(t.TempDir(), "pid")
	if err := os.WriteFile(pid, []byte("1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := parseOptions([]string{"-idle", "5", "-extra", "peer=unix:/x@" + pid}, os.Stderr)
	if err == nil || !strings.Contains(err.Error(), "-extra") {
		t.Errorf("error %v, want one that names -extra", err)
	}
}

func TestDefaultsMeasureEverything(t *testing.T) {
	o, err := parseOptions(nil, os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(o.sessions, []int{1, 16, 128}) || !slices.Equal(o.names(), []string{"null", "bolt", "redis"}) ||
		len(o.scenarios) != 4 || o.perSession != 1 {
		t.Errorf("defaults %+v", o)
	}
}

func TestTooManyIdleConnectionsAreRefusedBeforeAnythingStarts(t *testing.T) {
	err := checkFileLimit(1 << 40)
	if err == nil || !strings.Contains(err.Error(), "ulimit") {
		t.Errorf("error %v, want one that names ulimit", err)
	}
	if err := checkFileLimit(1); err != nil {
		t.Errorf("one connection: %v", err)
	}
}
