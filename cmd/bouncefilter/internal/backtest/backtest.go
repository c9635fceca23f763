// Package backtest says what bouncefilter would have done with mail that has come already. [Run] reads saved mail and logs of the MTA,
// and needs neither a daemon nor its store.
//
// There are two passes. The first reads the header of every message and every line of the logs: it collects what was sent, and where
// messages are that may be bounces. The second reads these messages in the order of their arrival, and judges each with the decision of
// the daemon ([judge.Case]) against a record in memory of what was sent before. So the order of files does not matter.
//
// What saved mail cannot tell is not guessed: see [CannotTell]. Files are opened for reading only, and never locked.
package backtest

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/bouncefilter/bouncefilter/filter/policy"
	"github.com/bouncefilter/bouncefilter/prvs"
)

// Options says what is read and how it is judged.
type Options struct {
	Paths []string  // folders, Maildirs, mboxes, messages, logs; see find
	Sent  []string  // of these, or within them: all mail there was sent, whatever the names say
	Stdin io.Reader // a log, named "-" in Paths

	// Domains are those for which bounces are judged, with Settings or without. If Settings has none either, they are those of the authors of
	// what was sent.
	Domains  []string
	Settings policy.Settings // without keys; the zero Settings for the defaults
	Ring     prvs.Options

	// Since is the time from which on bounces are judged. What was sent is read from as long before as it stays on record.
	Since time.Time
	Now   time.Time
	// Progress is told how far the work is, by one goroutine at a time. It may be nil.
	Progress func(Progress)
}

// Progress is how far the work is.
type Progress struct {
	Judging  bool // the second pass
	Messages int  // that were read in this pass
	Of       int  // in the second pass: how many there are
	Lines    int  // of logs
}

// ErrNoDomain says that no domain was named, and that no sent mail was found to take one from.
var ErrNoDomain = errors.New("no domain was named, and no sent mail was found that tells which are yours")

// retention is for how many days a sent message is on record by default.
func (o *Options) retention() time.Duration {
	return time.Duration(o.Settings.Proofs.Retention) * 24 * time.Hour
}

// Run reads and judges. If the context ends, it stops reading and judges what it has: the Result then says that it was interrupted. The
// error is [ErrNoDomain], or that of settings which cannot be used.
func Run(ctx context.Context, o Options) (*Result, error) {
	o.defaults()
	s := newSurvey(&o)
	s.read(ctx)
	j, err := newJudging(&o, s)
	if err != nil {
		return nil, err
	}
	j.all(ctx)
	return j.result(ctx.Err() != nil), nil
}

// defaults completes the settings with what a configuration without options has.
func (o *Options) defaults() {
	s := &o.Settings
	if s.Proofs == (policy.Proofs{}) {
		s.Proofs = policy.DefaultProofs()
	}
	if s.Hostname == "" {
		s.Outbound, s.MailerDaemons = policy.DefaultOutbound(), policy.DefaultMailerDaemons()
		s.Exempt.Recipients = policy.DefaultExemptRecipients()
		s.Hostname = "localhost"
	}
	s.ReadAll = true
	if o.Progress == nil {
		o.Progress = func(Progress) {}
	}
}
