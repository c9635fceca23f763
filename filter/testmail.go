package filter

import (
	"crypto/rand"
	"errors"
	"strings"
	"sync"
	"time"
)

// Tests of the running daemon, such as those of check --live, are mail like any other to it and to the MTA in front of it, but for a mark:
// the envelope ID (RFC 3461 section 4.4) of their MAIL. They are judged and logged like mail, with test=true in the log, and neither counted
// nor recorded. So a mark must be out of reach of those who send mail: each is made up by the server at random, given to who has the control
// socket alone, good for minutes, and never logged.
type testMarks struct {
	mu   sync.Mutex
	ends map[string]time.Time // by mark
}

const (
	// maxTestMarks is how many tests there are at a time.
	maxTestMarks = 16
	// testMarkLifetime bounds how long a test takes.
	testMarkLifetime = 10 * time.Minute
)

// ErrTooManyTests is the error of [Server.BeginTest] if as many tests as may be are under way.
var ErrTooManyTests = errors.New("too many tests at the same time")

// BeginTest returns a mark: a message whose MAIL has it as ENVID is a test. It is good for ten minutes, or until EndTest.
func (s *Server) BeginTest() (mark string, err error) {
	m, now := &s.testMarks, s.now()
	m.mu.Lock()
	defer m.mu.Unlock()
	for mark, end := range m.ends {
		if !now.Before(end) {
			delete(m.ends, mark)
		}
	}
	if len(m.ends) >= maxTestMarks {
		return "", ErrTooManyTests
	}
	if m.ends == nil {
		m.ends = map[string]time.Time{}
	}
	mark = rand.Text() // at least 128 bits, and xtext as it is
	m.ends[mark] = now.Add(testMarkLifetime)
	return mark, nil
}

// EndTest makes an end of a mark.
func (s *Server) EndTest(mark string) {
	s.testMarks.mu.Lock()
	defer s.testMarks.mu.Unlock()
	delete(s.testMarks.ends, mark)
}

// marks says whether the parameters of MAIL have a mark that is good at a time.
func (m *testMarks) marks(params string, now time.Time) bool {
	const envelopeID = "ENVID="
	if !strings.Contains(params, envelopeID) {
		return false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for param := range strings.FieldsSeq(params) {
		mark, is := strings.CutPrefix(param, envelopeID)
		if end, known := m.ends[mark]; is && known {
			return now.Before(end)
		}
	}
	return false
}
