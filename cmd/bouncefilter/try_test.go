package main

import (
	"runtime"
	"strings"
	"testing"
	"time"
)

func TestTry(t *testing.T) {
	w := newWorld(t)
	before := runtime.NumGoroutine()
	r := w.run("try")
	if r.status != 0 || r.stderr != "" {
		t.Fatalf("got %+v", r)
	}
	scenes := strings.Split(strings.TrimSpace(r.stdout), "\n\n") // title, dialogue, title, ...
	want := []struct {
		title, last string
		log         string
	}{
		{"A user of yours sends a message.", "the envelope sender becomes <prvs=1787", "reason=signed action=sign tag_key=1 tag_expires=2026-11-30"},
		{"It cannot be delivered.", "the recipient becomes <user@example.com>", "reason=valid action=accept"},
		{"A spammer has forged", "S: 550 5.7.1 Invalid tag: this bounce to an invalid tag", "reason=bad-signature action=reject"},
		{"Another one has not.", "S: 550 5.7.1 No tag: this bounce to an address without a tag", "reason=untagged action=reject"},
		{"A read receipt goes to", "batv=pass reason=valid-message method=message-id", "reason=valid-message action=accept"},
		{"A forged receipt does not.", "S: 550 5.7.1 No tag: this bounce to an address without a tag", "reason=untagged action=reject"},
		{"Programs use the null sender as well.", "batv=none reason=no-bounce", "reason=no-bounce action=accept report=none"},
	}
	if len(scenes) != 2*len(want) {
		t.Fatalf("%d paragraphs:\n%s", len(scenes), r.stdout)
	}
	for i, s := range want {
		title, dialogue := scenes[2*i], scenes[2*i+1]
		if !strings.HasPrefix(title, s.title) {
			t.Errorf("scene %d is %q", i, title)
		}
		contains(t, title, dialogue, s.last, s.log)
		lines := 1
		if i == len(want)-1 {
			lines = 2 // the log names the sender, too
			contains(t, title, dialogue, `msg="this source sends mail with the null sender that is no bounce" test=true source=example.net `)
		}
		if n := strings.Count(dialogue, "log: "); n != lines || strings.Count(dialogue, " test=true ") != lines {
			t.Errorf("scene %d has %d log lines, or not all are marked as a test", i, n)
		}
	}
	for end := time.Now().Add(2 * time.Minute); runtime.NumGoroutine() > before && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	if n := runtime.NumGoroutine(); n > before {
		t.Errorf("%d goroutines are left, there were %d", n, before)
	}
}
