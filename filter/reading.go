package filter

import (
	"runtime"
	"time"

	"github.com/bouncefilter/bouncefilter/filter/bounce"
	"github.com/bouncefilter/bouncefilter/filter/limit"
)

// maxReadingWait is how long a bounce waits for others to be read. At the end of a message Postfix and Sendmail wait 300 s for a milter
// (milter_content_timeout; the timeout E), of which the store and other nodes may take some.
const maxReadingWait = 30 * time.Second

// readers bounds how many bounces are read at the same time. Reading needs nothing but a processor, so that more than there are
// processors would only take more memory and, all of them, longer.
//
// A bounce whose turn does not come in time is deferred. It could be judged without its content, as one is that cannot be read, but
// then who keeps the readers busy could have any bounce delivered. A bounce that is deferred comes again.
type readers struct {
	places chan struct{}
	wait   time.Duration
}

func newReaders() readers {
	return readers{make(chan struct{}, runtime.GOMAXPROCS(0)), maxReadingWait}
}

// begin waits for a place, and says whether there is one. It is given back by end.
func (r *readers) begin() bool {
	select {
	case r.places <- struct{}{}:
		return true
	default:
	}
	timeout := time.NewTimer(r.wait)
	defer timeout.Stop()
	select {
	case r.places <- struct{}{}:
		return true
	case <-timeout.C:
		return false
	}
}

func (r *readers) end() { <-r.places }

// readContent finds out what a bounce says. It returns false if the bounce is to be deferred, because too many are read.
func (s *session) readContent() bool {
	c := s.msg.content
	if c == nil {
		return true
	}
	s.event.Store(0) // A bounce that waits for others shows no fault: these are watched themselves.
	turn := s.server.readers.begin()
	began := s.server.now()
	s.watch(began)
	if !turn {
		return false
	}
	defer s.server.readers.end()
	s.msg.content = nil
	defer s.readingDone(began)
	s.readBounce(func() *bounce.Report { return readReport(c) })
	return true
}

// readBounce reads a bounce. Should that fail, which is a fault of this program, it cannot be known what the bounce would have proven.
func (s *session) readBounce(read func() *bounce.Report) {
	c := &s.msg.judged
	defer func() {
		if p := recover(); p != nil {
			c.Report, c.Unread = nil, true
			s.server.panicked("a bounce cannot be read, it is judged by its tag alone", p)
		}
	}()
	if c.Read(read()); c.Unread {
		s.Reached(limit.Work, bounce.StepsPerOctet)
	}
}
