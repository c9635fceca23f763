package backtest

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/gunzip"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/logfile"
)

// readLogs reads the logs in the order of their first lines, so that a message is followed from one file to the next.
func (s *survey) readLogs(ctx context.Context, logs []file) {
	if len(logs) == 0 {
		return
	}
	s.counts.Logs = len(logs)
	for i := range logs {
		if logs[i].path != Stdin {
			_ = s.lines(logs[i].path, func(l logfile.Line) bool { logs[i].time = l.Time; return false }) // said when it is read
		}
	}
	slices.SortStableFunc(logs, func(a, b file) int { return a.time.Compare(b.time) })
	r := newLogReader(s.loggedMessage, func(at time.Time) {
		if !at.Before(s.o.Since) {
			s.counts.Rejected++
		}
	}, func(host string) { s.logHosts = append(s.logHosts, strings.ToLower(strings.Clone(host))) })
	for _, fl := range logs {
		err := s.lines(fl.path, func(l logfile.Line) bool {
			if s.counts.Lines++; s.counts.Lines%10_000 == 0 {
				s.o.Progress(Progress{Messages: s.counts.Messages, Lines: s.counts.Lines})
				if ctx.Err() != nil {
					return false
				}
			}
			r.line(l)
			return true
		})
		if err != nil && ctx.Err() == nil {
			s.fail(fl.path, err)
		}
	}
	r.flush()
	s.logSince = r.begin
}

// lines reads the lines of a log that name a program.
func (s *survey) lines(path string, yield func(logfile.Line) bool) error {
	in := s.o.Stdin
	if path != Stdin {
		f, err := open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		if in, err = gunzip.Reader(f); err != nil {
			return err
		}
	}
	clock := logfile.Clock{Now: s.o.Now, Zone: s.o.Now.Location()}
	return logfile.Read(in, clock, func(l logfile.Line) bool { return !isOfProgram(l) || yield(l) })
}

// isOfProgram says whether it is known when a line was written, and by which program.
func isOfProgram(l logfile.Line) bool { return !l.Time.IsZero() && l.Program != "" && l.Text != "" }

// loggedMessage takes a message from a log.
func (s *survey) loggedMessage(m *logged) {
	s.counts.LogInbound++
	switch {
	case m.again:
	case m.sender == "":
		if !m.first.Before(s.o.Since) {
			s.logged = append(s.logged, m)
		}
	case m.origin == here || m.origin == anywhere && slices.ContainsFunc(m.to, func(t loggedRecipient) bool { return t.remote }):
		if m.first.Before(s.keepFrom) {
			return
		}
		s.counts.LogSent++
		s.counts.LogInbound--
		mail := sentMail{time: m.first, sender: m.sender}
		if m.messageID != "" {
			mail.ids = []string{"<" + m.messageID + ">"}
		}
		for _, t := range m.to {
			mail.to = append(mail.to, t.address)
		}
		s.sent = append(s.sent, mail)
	}
}
