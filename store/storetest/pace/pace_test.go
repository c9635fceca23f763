package pace

import (
	"testing"
	"time"
)

// What is allowed grows with the slowest step, and does not shrink again.
func TestAllow(t *testing.T) {
	m := &Meter{begun: time.Now()}
	if d := m.Allow(time.Second, 10); d < time.Second || d > time.Second+10*time.Since(m.begun) {
		t.Errorf("%v on a machine that has not shown that it is slow", d)
	}
	m.begun = time.Now().Add(-time.Minute)
	m.end(10 * time.Second)
	if d := m.Slowest(); d < 50*time.Second || d > 50*time.Second+time.Since(m.begun) {
		t.Errorf("a step that took a minute in place of 10 s makes %v", d)
	}
	m.begin()
	m.end(0)
	if d := m.Allow(time.Second, 2); d < 101*time.Second {
		t.Errorf("after a fast step: %v", d)
	}
}

// A step that does not end counts before it has ended.
func TestStepThatHangs(t *testing.T) {
	m := &Meter{begun: time.Now().Add(-time.Hour)}
	if d := m.Slowest(); d < time.Hour-pause {
		t.Errorf("%v", d)
	}
}

func TestStart(t *testing.T) {
	m := Start(t)
	if m.Slowest() <= 0 {
		t.Error("nothing was measured")
	}
}
