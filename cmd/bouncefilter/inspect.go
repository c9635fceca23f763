package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/control"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/inspect"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/site"
	"github.com/bouncefilter/bouncefilter/filter/bounce"
	"github.com/bouncefilter/bouncefilter/filter/judge"
	"github.com/bouncefilter/bouncefilter/prvs"
)

// inspectCmd explains automatic messages, and, with a configuration, what the daemon would do with them.
type inspectCmd struct {
	siteFlags
	Recipient string   `placeholder:"ADDRESS" help:"Print the verdict for this envelope recipient, and each step to it."`
	Sender    *string  `placeholder:"ADDRESS" help:"With --recipient: the envelope sender, <> for the null sender (default: the Return-Path, or <>)."`
	Client    string   `placeholder:"IP" help:"With --recipient: the address of the SMTP client (default: one on no list)."`
	Helo      string   `placeholder:"NAME" help:"With --recipient: the HELO name of the SMTP client."`
	At        moment   `placeholder:"RFC3339" help:"With --recipient: the verdict as at that time, such as 2026-11-23T12:00:00Z (default: now)."`
	JSON      bool     `name:"json" help:"Print one JSON object a line for each message."`
	Paths     []string `arg:"" optional:"" name:"file" help:"Messages, folders of messages, or - for the standard input (the default)."`
}

// Help is shown by inspect --help.
func (inspectCmd) Help() string {
	return `Each file is one message. Of a folder, the regular files are read in the order of their names, not the folders within it and no
names that begin with a dot. Kinds are dsn, bounce (in no standard form), mdn, auto-reply, challenge, arf and none. A file that cannot be
read is reported on the standard error and left out, the others are still read; the exit status is then 2. It is 0 otherwise, whatever
the messages are. The envelope sender is taken from a Return-Path line in front, if there is one.

With --recipient, the verdict that the daemon would reach about the message for that recipient is printed, and each step
to it. No proof is used up. Configuration and keys are those of the files; the running daemon is asked for the record, over its
control socket.`
}

// stdinName means the standard input on the command line.
const stdinName = "-"

// Run implements the command.
func (cmd *inspectCmd) Run(ctx context.Context, a *app) (err error) {
	paths := cmd.Paths
	if len(paths) == 0 {
		paths = []string{stdinName}
	}
	i := inspection{ctx: ctx, app: a, cmd: cmd, at: cmd.At.Time}
	if i.record, err = cmd.open(ctx, a); err != nil {
		return err
	}
	if i.record != nil {
		defer func() { err = errors.Join(err, i.record.Close()) }()
	}
	if cmd.At.IsZero() {
		i.at = a.now()
	}
	for _, path := range paths {
		if err := i.path(path); err != nil {
			return err
		}
	}
	if i.unread {
		return errUnread
	}
	return nil
}

// open opens the record that a verdict needs. Without a recipient there is none: nil.
func (cmd *inspectCmd) open(ctx context.Context, a *app) (*control.Record, error) {
	if cmd.Recipient == "" {
		if cmd.Sender != nil || !cmd.At.IsZero() || cmd.Client != "" || cmd.Helo != "" {
			return nil, usageError{errors.New("--sender, --client, --helo and --at belong to --recipient")}
		}
		return nil, nil
	}
	if err := isMailbox(cmd.Recipient); err != nil {
		return nil, usageError{fmt.Errorf("--recipient: %w; use user@example.com", err)}
	}
	if _, err := netip.ParseAddr(cmd.Client); err != nil && cmd.Client != "" {
		return nil, usageError{fmt.Errorf("--client: %q is not an IP address", cmd.Client)}
	}
	if cmd.path(a) == "" {
		return nil, usageError{errors.New("--recipient needs the configuration: add --config FILE")}
	}
	c, problems := cmd.load(a)
	if c.Unread() {
		return nil, problems
	}
	s, problems := site.Load(c, append(problems, c.NeedDomain()...))
	if len(problems) > 0 {
		return nil, problems
	}
	return control.OpenRecord(ctx, s, a.openStore, a.now)
}

// isMailbox returns why s, with or without angle brackets, is not the address of a mailbox.
func isMailbox(s string) error {
	a, err := prvs.ParseAddress(s)
	switch {
	case err != nil:
		return err
	case a.Domain == "":
		return fmt.Errorf("%q has no domain", cut(s))
	case strings.Contains(a.Local, "@") && !strings.HasPrefix(a.Local, `"`):
		return fmt.Errorf("%q has more than one @", cut(s))
	}
	return nil
}

// inspection is one run of the command. Its functions return an error only if the results cannot be printed; what cannot be read is
// reported at once, beside the results in front of it.
type inspection struct {
	ctx     context.Context // of the run
	app     *app
	cmd     *inspectCmd
	record  *control.Record // nil if no verdict is asked for
	at      time.Time       // of the verdict
	printed int
	stdin   bool // has been read
	unread  bool
}

// path reads what is named on the command line.
func (i *inspection) path(path string) error {
	if path == stdinName {
		if i.stdin {
			return usageError{errors.New("the standard input (-) can be read only once")}
		}
		i.stdin = true
		return i.message("standard input", i.app.stdin)
	}
	info, err := os.Stat(path)
	if err != nil {
		i.failed(err)
		return nil
	}
	if info.IsDir() {
		return i.folder(path)
	}
	return i.file(path)
}

// folder reads the messages in a folder. Links are followed, since mail may be stored elsewhere; what is neither a regular file nor a
// link to one is left alone: reading a FIFO would wait.
func (i *inspection) folder(path string) error {
	entries, err := os.ReadDir(path) // sorted
	if err != nil {
		i.failed(err)
	}
	found := 0
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") {
			continue
		}
		file := filepath.Join(path, e.Name())
		info, err := os.Stat(file)
		switch {
		case err != nil:
			i.failed(err)
		case !info.Mode().IsRegular():
			continue
		default:
			if err := i.file(file); err != nil {
				return err
			}
		}
		found++
	}
	if found == 0 && err == nil {
		fmt.Fprintf(i.app.stderr, "hint: %s holds no messages; folders within it are not read\n", inspect.OneLine(path))
	}
	return nil
}

func (i *inspection) file(path string) error {
	f, err := os.Open(path)
	if err != nil {
		i.failed(err)
		return nil
	}
	defer f.Close()
	return i.message(inspect.OneLine(path), f)
}

// message reads one message and prints what it is. What was read of a message before an error is not shown: it could
// pass for all of it.
func (i *inspection) message(name string, r io.Reader) error {
	var read bytes.Buffer
	report, err := bounce.Read(io.TeeReader(r, &read), bounce.DefaultLimits()) // which reads no more than the limits
	if err != nil {
		i.failed(fmt.Errorf("%s: %w", name, err))
		return nil
	}
	var x *judge.Explanation
	if i.record != nil {
		x = i.explain(report, read.Bytes())
	}
	var text []byte
	if i.cmd.JSON {
		// Not by an encoder, which would change what the report says of itself.
		if text, err = report.MarshalJSON(); err != nil {
			return err
		}
		if x != nil {
			if text, err = inspect.WithVerdict(text, x); err != nil {
				return err
			}
		}
		text = append(text, '\n')
	} else {
		text = []byte(inspect.Words(name, report))
		if x != nil {
			text = append(text, inspect.VerdictWords(i.cmd.Recipient, x)...)
		}
		if i.printed > 0 {
			text = append([]byte("\n"), text...)
		}
	}
	i.printed++
	_, err = i.app.stdout.Write(text)
	return err
}

// verdictTimeout bounds what a verdict waits for the record, which may wait for other nodes as long as a bounce does.
const verdictTimeout = control.BarrierTimeout + 2*time.Second

// explain returns the verdict about a message.
func (i *inspection) explain(report *bounce.Report, message []byte) *judge.Explanation {
	sender := report.Sender
	if i.cmd.Sender != nil {
		sender = strings.Trim(*i.cmd.Sender, "<>")
	}
	client, _ := netip.ParseAddr(i.cmd.Client) // checked before
	ctx, cancel := context.WithTimeout(i.ctx, verdictTimeout)
	defer cancel()
	// An error is in the steps: the record does not answer.
	x, _ := i.record.Explain(ctx, judge.Delivery{
		Sender: sender, Recipient: strings.Trim(i.cmd.Recipient, "<>"), Client: client, Helo: i.cmd.Helo,
		Role: i.record.Role(), Content: judge.Content(message, sender),
	}, i.at)
	return x
}

// failed prints why something cannot be read.
func (i *inspection) failed(err error) {
	i.unread = true
	var about *fs.PathError
	if errors.As(err, &about) {
		about.Path = inspect.OneLine(about.Path)
	}
	i.app.fail(err)
}
