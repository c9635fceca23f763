package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestMain lets the test binary become the null milter, as the program does.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == nullCommand {
		main()
	}
	os.Exit(m.Run())
}

// mustRun runs the program, which must succeed, and returns what it printed.
func mustRun(t *testing.T, args ...string) string {
	t.Helper()
	var stdout, stderr strings.Builder
	if code := run(t.Context(), args, &stdout, &stderr); code != exitOK {
		t.Fatalf("exit status %d\n%s", code, stderr.String())
	}
	return stdout.String()
}

// roundTrips are how often the MTA waits for the milter in one session with one message. They do not depend on the
// machine, so they are held here; speed is not.
func roundTrips(target, scenario string) float64 {
	if target == targetNull {
		return 21 // negotiation, connect, helo, mail, rcpt, data, 12 headers, their end, body, end of message
	}
	return map[string]float64{
		"a": 4, // negotiation, data, body (to be spared the rest of it), end of message
		"b": 4, // the same
		"c": 4, // the same
		"d": 2, // negotiation, and accept at data
	}[scenario]
}

// TestTheProgram lets the program start real milters and send them little mail, in all the ways it has.
func TestTheProgram(t *testing.T) {
	if testing.Short() {
		t.Skip("not with -short: it starts milters and Redis")
	}
	targets := targetNull + "," + targetBolt
	switch _, err := exec.LookPath("redis-server"); {
	case err == nil:
		targets += "," + targetRedis
	case os.Getenv("BOUNCEFILTER_REQUIRE_SERVERS") != "":
		t.Fatal("redis-server is not installed, and BOUNCEFILTER_REQUIRE_SERVERS asks for it")
	default:
		t.Log("without Redis: redis-server is not installed; deploy/test installs it")
	}
	binary := filepath.Join(t.TempDir(), "bouncefilter")
	if err := buildDaemon(t.Context(), binary); err != nil {
		t.Fatal(err)
	}
	for name, extra := range map[string][]string{"unix sockets": nil, "TCP": {"-tcp"}} {
		t.Run("every answer is right and round trips are few over "+name, func(t *testing.T) {
			const messages = 200
			file := filepath.Join(t.TempDir(), "bench.json")
			table := mustRun(t, append(extra, "-binary", binary, "-targets", targets, "-conns", "4", "-n", fmt.Sprint(messages),
				"-rounds", "1", "-senders", "20", "-json", file)...)
			var report struct{ Runs []result }
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(b, &report); err != nil {
				t.Fatal(err)
			}
			if want := len(scenarios()) * len(strings.Split(targets, ",")); len(report.Runs) != want {
				t.Errorf("%d runs, want %d", len(report.Runs), want)
			}
			for _, r := range report.Runs {
				if r.Messages != messages {
					t.Errorf("%s, scenario %s: %d messages, want %d", r.Target, r.Scenario, r.Messages, messages)
				}
				if want := roundTrips(r.Target, r.Scenario); r.RoundTrips != want {
					t.Errorf("%s, scenario %s: %v round trips a message, want %v", r.Target, r.Scenario, r.RoundTrips, want)
				}
				if r.Stalls != 0 {
					t.Errorf("%s, scenario %s: %d stalls on TCP", r.Target, r.Scenario, r.Stalls)
				}
				if row := fmt.Sprintf("| %s | 4 | %s | ", r.Scenario, r.Target); !strings.Contains(table, row) {
					t.Errorf("no row %q in\n%s", row, table)
				}
			}
		})
	}
	t.Run("several messages in one session", func(t *testing.T) {
		table := mustRun(t, "-binary", binary, "-targets", "bolt", "-conns", "2", "-n", "60", "-per-session", "7", "-rounds", "1", "-senders", "10")
		if !strings.Contains(table, "60 messages a run, 7 a session") {
			t.Errorf("conditions are missing:\n%s", table)
		}
	})
	for name, want := range map[string]string{"-churn": "opened and closed", "-announced": "announce 1 MiB"} {
		t.Run("connections with "+name, func(t *testing.T) {
			table := mustRun(t, "-binary", binary, "-targets", "bolt", name, "50")
			for _, row := range []string{"| bolt | 50 | before | ", "| bolt | 50 | " + want + " | "} {
				if !strings.Contains(table, row) {
					t.Errorf("no row %q in\n%s", row, table)
				}
			}
			if strings.Contains(table, "messages a run") {
				t.Errorf("conditions of messages are told:\n%s", table)
			}
		})
	}
	t.Run("idle connections", func(t *testing.T) {
		table := mustRun(t, "-binary", binary, "-targets", "null,bolt", "-idle", "50")
		for _, row := range []string{"| null | 50 | ", "| bolt | 50 | "} {
			if !strings.Contains(table, row) {
				t.Errorf("no row %q in\n%s", row, table)
			}
		}
	})
}

// startPeer starts a null milter that the benchmark takes for one that should sign and refuse.
func startPeer(t *testing.T) (extra string) {
	t.Helper()
	l, err := newLab(options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.close(); err != nil {
			t.Error(err)
		}
	})
	peer, err := l.start(t.Context(), targetNull, "peer")
	if err != nil {
		t.Fatal(err)
	}
	pidFile := filepath.Join(l.dir, "peer.pid")
	if err := os.WriteFile(pidFile, fmt.Appendln(nil, peer.pid), 0o600); err != nil {
		t.Fatal(err)
	}
	return "peer=unix:" + peer.address + "@" + pidFile
}

func TestAMilterThatDoesNotSignFailsTheBenchmark(t *testing.T) {
	var stdout, stderr strings.Builder
	args := []string{"-targets", "null", "-extra", startPeer(t), "-n", "10", "-senders", "5"}
	if code := run(t.Context(), args, &stdout, &stderr); code != exitWrong {
		t.Errorf("exit status %d, want %d", code, exitWrong)
	}
	if want := "want one new envelope sender"; !strings.Contains(stderr.String(), want) {
		t.Errorf("standard error %q, want it to contain %q", stderr.String(), want)
	}
	if strings.Contains(stdout.String(), "| peer |") {
		t.Errorf("a milter that failed has rows in the table:\n%s", stdout.String())
	}
}

func TestWithoutRedisTheRestIsMeasuredAndTheStatusIs1(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	var stdout, stderr strings.Builder
	args := []string{"-targets", "null,redis", "-conns", "2", "-n", "20", "-rounds", "1", "-senders", "5", "-scenarios", "d"}
	if code := run(t.Context(), args, &stdout, &stderr); code != exitWrong {
		t.Errorf("exit status %d, want %d", code, exitWrong)
	}
	if !strings.Contains(stderr.String(), "redis-server is not installed") {
		t.Errorf("standard error does not name what is missing: %q", stderr.String())
	}
	if !strings.Contains(stdout.String(), "| d | 2 | null |") {
		t.Errorf("null milter was not measured:\n%s", stdout.String())
	}
}

func TestASoakWithoutRedisSaysWhatToDo(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	var stdout, stderr strings.Builder
	if code := run(t.Context(), []string{"-soak", "5s", "-faults", "none"}, &stdout, &stderr); code != exitWrong || !strings.Contains(stderr.String(), "-store bolt") {
		t.Errorf("exit status %d, standard error %q", code, stderr.String())
	}
}

func TestALabLeavesNothingBehind(t *testing.T) {
	l, err := newLab(options{})
	if err != nil {
		t.Fatal(err)
	}
	null, err := l.start(t.Context(), targetNull, "null")
	if err != nil {
		t.Fatal(err)
	}
	if kB, err := memoryOf(null.pid, anonymous); err != nil || kB <= 0 {
		t.Errorf("memory %d kB, %v", kB, err)
	}
	if err := l.close(); err != nil {
		t.Errorf("closing: %v", err)
	}
	if _, err := os.Stat(fmt.Sprintf("/proc/%d", null.pid)); !os.IsNotExist(err) {
		t.Errorf("the null milter still runs: %v", err)
	}
	if _, err := os.Stat(l.dir); !os.IsNotExist(err) {
		t.Errorf("%s is still there: %v", l.dir, err)
	}
}

func TestAProcessThatFailsToStartIsToldWithItsLog(t *testing.T) {
	l, err := newLab(options{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.close()
	if err := os.Mkdir(filepath.Join(l.dir, "taken.sock"), 0o700); err != nil {
		t.Fatal(err)
	}
	_, err = l.start(t.Context(), targetNull, "taken")
	if err == nil || !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("error %v, want the process's own words", err)
	}
}

func TestCPUTimeIsThatOfTheProcess(t *testing.T) {
	before, err := cpuTime(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	const work = 100 * time.Millisecond
	for {
		now, err := cpuTime(os.Getpid())
		if err != nil {
			t.Fatal(err)
		}
		if now-before >= work {
			break // reading /proc all the while has used it up; where it is not counted, the test runs into its timeout
		}
	}
	if _, err := cpuTime(1 << 30); err == nil {
		t.Error("no error for a process that does not exist")
	}
}
