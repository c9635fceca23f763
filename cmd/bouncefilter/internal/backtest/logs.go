package backtest

import (
	"context"
	"slices"
	"strings"
	"time"
)

// readLogs reads the logs in the order of their first lines, so that a message is followed from one file to the next.
func (s *survey) readLogs(ctx context.Context, logs []file) {
	if len(logs) == 0 {
		return
	}
	s.counts.Logs = len(logs)
	for i := range logs {
		if logs[i].path != Stdin {
			_ = s.lines(logs[i].path, func(l line) bool { logs[i].time = l.time; return false }) // said when it is read
		}
	}
	slices.SortStableFunc(logs, func(a, b file) int { return a.time.Compare(b.time) })
	r := newLogReader(s.loggedMessage, func(at time.Time) {
		if !at.Before(s.o.Since) {
			s.counts.Rejected++
		}
	}, func(host string) { s.logHosts = append(s.logHosts, strings.ToLower(strings.Clone(host))) })
	for _, fl := range logs {
		err := s.lines(fl.path, func(l line) bool {
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

// lines reads the lines of a log.
func (s *survey) lines(path string, yield func(line) bool) error {
	if path == Stdin {
		return readLog(s.o.Stdin, s.o.Now, yield)
	}
	f, err := open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	r, err := uncompressed(f)
	if err != nil {
		return err
	}
	return readLog(r, s.o.Now, yield)
}

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
