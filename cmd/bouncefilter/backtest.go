package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/backtest"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/config"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/inspect"
)

// backtestCmd says what the milter would have done with mail that has come already.
type backtestCmd struct {
	Config  string   `short:"c" type:"path" placeholder:"FILE" env:"BOUNCEFILTER_CONFIG" help:"Configuration file, for domains, exemptions and limits. Modes are taken for enforce."`
	Domain  []string `short:"d" placeholder:"NAME" help:"A domain of yours (default: those of the configuration, or else of the authors of sent mail)."`
	Sent    []string `placeholder:"PATH" help:"A folder, Maildir or mbox of sent mail whose name does not say so."`
	Since   ago      `default:"28d" placeholder:"TIME" help:"Judge what came since then: 28d, 8w, 2026-11-01 (default: ${default})."`
	Samples int      `placeholder:"N" help:"Name N messages of each class, the latest."`
	List    string   `placeholder:"CLASS" enum:",genuine,reply,no-bounce,unproven,backscatter,cannot-tell" default:"" help:"Print nothing but the messages of a class, one a line: genuine, reply, no-bounce, unproven, backscatter, cannot-tell."`
	JSON    bool     `name:"json" help:"Print a JSON object, with each message that may be a bounce."`
	Paths   []string `arg:"" name:"path" help:"Folders, Maildirs, mboxes, messages and logs of the mail server; - for a log on the standard input."`
}

// Help is shown by backtest --help.
func (backtestCmd) Help() string {
	return `Folders are read with all folders within them. Maildirs, also those within Maildirs, mboxes, files of one message, and logs of Postfix
and Sendmail (syslog, journalctl, also compressed with gzip) are told by their contents. Nothing is changed, locked or moved.

What was sent is known from the folders of sent mail (Sent, Sent Items, Gesendet and the like; --sent names others) and from the logs.
Bounces are judged against it in the order in which they came, as the daemon would have done. It would have known all that was sent; saved
mail may lack some. So what may be genuine for that reason is not counted as backscatter: it is "cannot tell". The more logs of the time
and folders of sent mail are named, the more can be told.

A message that cannot be read is left out and named on the standard error; the exit status is then 2. If it is interrupted (Ctrl-C) it
prints what it found until then; the exit status is then 1.`
}

// Run implements the command.
func (cmd *backtestCmd) Run(ctx context.Context, a *app) error {
	o := backtest.Options{Paths: cmd.Paths, Sent: cmd.Sent, Domains: cmd.Domain, Now: a.now()}
	o.Since = cmd.Since.before(o.Now)
	if cmd.Samples < 0 {
		return usageError{errors.New("--samples must be 0 or more")}
	}
	for _, d := range cmd.Domain {
		if !config.IsDomainOrBelow(d) {
			return usageError{fmt.Errorf("--domain: %q is not a domain; use a name such as example.com", cut(d))}
		}
	}
	if cmd.Config != "" {
		c, problems := config.Load(cmd.Config, config.Flags{}, a.host())
		if len(problems) > 0 {
			return problems
		}
		o.Settings, o.Ring = c.Settings, c.Ring
	}
	if slices.Contains(cmd.Paths, backtest.Stdin) {
		stdin, done := a.interruptibleInput(ctx)
		defer done()
		o.Stdin = stdin
	}
	line := progressLine{w: a.stderr, now: a.now}
	if isTerminal(a.stderr) {
		o.Progress = line.show
	}
	r, err := backtest.Run(ctx, o)
	line.clear()
	if errors.Is(err, backtest.ErrNoDomain) {
		return usageError{fmt.Errorf("%w; name it: --domain example.com", err)}
	}
	if err != nil {
		return err
	}
	for _, u := range r.Unread {
		fmt.Fprintf(a.stderr, "bouncefilter: error: %s: %s\n", inspect.OneLine(u.Path), inspect.OneLine(u.Error))
	}
	if n := r.Read.Unread - len(r.Unread); n > 0 {
		fmt.Fprintf(a.stderr, "bouncefilter: error: %d more could not be read\n", n)
	}
	if err := cmd.print(a.stdout, r); err != nil {
		return err
	}
	switch {
	case r.Interrupted:
		return errNo
	case r.Read.Unread > 0:
		return errUnread
	}
	return nil
}

// print writes the result in the form that was asked for.
func (cmd *backtestCmd) print(w io.Writer, r *backtest.Result) error {
	switch {
	case cmd.JSON:
		return printJSON(w, r)
	case cmd.List != "":
		var b strings.Builder
		for i := range r.Messages {
			if string(r.Messages[i].Class) == cmd.List {
				b.WriteString(r.Messages[i].Line() + "\n")
			}
		}
		_, err := io.WriteString(w, b.String())
		return err
	}
	return backtest.Print(w, r, cmd.Samples)
}

// progressLine shows on a terminal how far the work is, on one line that it writes again and again.
type progressLine struct {
	w     io.Writer
	now   func() time.Time
	last  time.Time
	shown bool
}

// progressInterval is how often the line changes at most.
const progressInterval = 200 * time.Millisecond

func (p *progressLine) show(s backtest.Progress) {
	if now := p.now(); now.Sub(p.last) >= progressInterval {
		p.last, p.shown = now, true
		text := fmt.Sprintf("reading: %d messages, %d lines of logs", s.Messages, s.Lines)
		if s.Judging {
			text = fmt.Sprintf("judging: %d of %d messages that may be bounces", s.Messages, s.Of)
		}
		fmt.Fprintf(p.w, "\r\x1b[K%s", text)
	}
}

func (p *progressLine) clear() {
	if p.shown {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}

// isTerminal says whether what is written to w is shown on a terminal.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return false
	}
	null, err := os.Stat(os.DevNull)
	return err != nil || !os.SameFile(info, null)
}
