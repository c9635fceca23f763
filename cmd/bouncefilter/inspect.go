package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/bouncefilter/bouncefilter/filter"
	"github.com/bouncefilter/bouncefilter/filter/bounce"
)

// inspectCmd explains automatic messages, and, with a configuration, what the daemon would do with them.
type inspectCmd struct {
	envelope
	JSON  bool     `name:"json" help:"Print one JSON object a line for each message."`
	Paths []string `arg:"" optional:"" name:"file" help:"Messages, folders of messages, or - for the standard input (the default)."`
}

// Help is shown by inspect --help.
func (inspectCmd) Help() string {
	return `Each file is one message. Of a folder, the regular files are read in the order of their names, not the folders within it and no
names that begin with a dot. Kinds are dsn, bounce (in no standard form), mdn, auto-reply, arf and none. A file that cannot be read is
told on the standard error and left out, the others are still read; the exit status is then 2. It is 0 otherwise, whatever the messages
are. The envelope sender is taken from a Return-Path line in front, if there is one.

With --config and --recipient, the verdict that the daemon would reach about the message for that recipient is told, and each step to
it. The store is only looked at; an embedded store is asked through the daemon that has it open (see the http option).`
}

// stdinName stands for the standard input on the command line.
const stdinName = "-"

// Run implements the command.
func (cmd *inspectCmd) Run(ctx context.Context, a *app) (err error) {
	paths := cmd.Paths
	if len(paths) == 0 {
		paths = []string{stdinName}
	}
	i := inspection{ctx: ctx, app: a, json: cmd.JSON}
	if i.judge, err = cmd.envelope.judge(ctx, a); err != nil {
		return err
	}
	if i.judge != nil {
		defer func() { err = errors.Join(err, i.judge.close()) }()
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

// inspection is one run of the command. Its functions return an error only if the results cannot be printed; what cannot
// be read is told at once, beside the results in front of it.
type inspection struct {
	ctx     context.Context // of the run
	app     *app
	judge   *judge // nil if no verdict is asked for
	json    bool
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

// folder reads the messages in a folder. Links are followed, since mail may be kept elsewhere; what is neither a regular
// file nor a link to one (a FIFO would be waited for) is left alone.
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
		fmt.Fprintf(i.app.stderr, "hint: %s holds no messages; folders within it are not read\n", oneLine(path))
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
	return i.message(oneLine(path), f)
}

// message reads one message and prints what it is. What was read of a message before an error is not shown: it could
// pass for all of it.
func (i *inspection) message(name string, r io.Reader) error {
	report, err := bounce.Read(r, bounce.DefaultLimits())
	if err != nil {
		i.failed(fmt.Errorf("%s: %w", name, err))
		return nil
	}
	var x *filter.Explanation
	if i.judge != nil {
		x = i.judge.explain(i.ctx, report)
	}
	var text []byte
	if i.json {
		// Not by an encoder, which would change what the report says of itself.
		if text, err = report.MarshalJSON(); err != nil {
			return err
		}
		if x != nil {
			if text, err = withVerdict(text, x); err != nil {
				return err
			}
		}
		text = append(text, '\n')
	} else {
		text = []byte(explain(name, report))
		if x != nil {
			text = append(text, explanationWords(i.judge.envelope.Recipient, x)...)
		}
		if i.printed > 0 {
			text = append([]byte("\n"), text...)
		}
	}
	i.printed++
	_, err = i.app.stdout.Write(text)
	return err
}

// failed tells why something cannot be read.
func (i *inspection) failed(err error) {
	i.unread = true
	var about *fs.PathError
	if errors.As(err, &about) {
		about.Path = oneLine(about.Path)
	}
	i.app.fail(err)
}

// kindWords says what the kinds are.
func kindWords(k bounce.Kind) string {
	switch k {
	case bounce.DSN:
		return "a delivery status notification (dsn)"
	case bounce.Bounce:
		return "a bounce in no standard form (bounce)"
	case bounce.MDN:
		return "a read receipt (mdn)"
	case bounce.AutoReply:
		return "an automatic reply (auto-reply)"
	case bounce.ARF:
		return "an abuse report (arf)"
	}
	return "no bounce, receipt, automatic reply or abuse report (none)"
}

// sourceWords says how it is known which message is answered.
func sourceWords(s bounce.Source) string {
	switch s {
	case bounce.ReturnedMessage:
		return "which came back with it"
	case bounce.ReturnedHeaders:
		return "whose header came back with it"
	case bounce.ReturnedText:
		return "whose header its text quotes"
	case bounce.FreeText:
		return "which its text names"
	case bounce.InReplyTo:
		return "which its In-Reply-To field names"
	case bounce.References:
		return "which its References field names"
	}
	return "which a field of the report names"
}

// explain tells a report in words: a line that says what it is, and lines below it for what it says.
func explain(name string, r *bounce.Report) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s", name, kindWords(r.Kind))
	switch r.Family {
	case "", string(r.Kind): // nothing is known beyond the kind
	case "other":
		b.WriteString(", by software not known here")
	default:
		b.WriteString(", by " + r.Family)
	}
	b.WriteByte('\n')
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0) // into a Builder, which takes everything
	row := func(what, value string) { fmt.Fprintf(w, "  %s\t%s\n", what, value) }
	if r.ReportingMTA != "" {
		row("reported by", r.ReportingMTA)
	}
	if !r.ArrivalDate.IsZero() {
		row("arrived there", r.ArrivalDate.UTC().Format(time.RFC3339))
	}
	if o := r.Original(); o.Source != "" {
		row("answers", originalWords(o))
	} else if r.Kind != bounce.None {
		row("answers", "a message that it does not name")
	}
	for _, o := range r.Originals {
		if o.Depth > 1 {
			row("that answered", originalWords(o))
		}
	}
	for _, rcpt := range r.Recipients {
		row("recipient", recipientWords(rcpt))
	}
	for _, p := range r.Problems {
		row("problem", oneLine(p))
	}
	_ = w.Flush()
	return b.String()
}

func originalWords(o bounce.Original) string {
	s := "a message"
	if o.MessageID != "" {
		s = "<" + o.MessageID + ">"
	}
	if from := orDash(o.From, o.Sender); from != "" {
		s += " from " + from
	}
	if len(o.Recipients) > 0 {
		s += " to " + strings.Join(o.Recipients, ", ")
	}
	s += ", " + sourceWords(o.Source)
	if o.EnvelopeID != "" {
		s += "; envelope ID " + o.EnvelopeID
	}
	return s
}

func recipientWords(r bounce.Recipient) string {
	s := orDash(r.Address, "(not named)") + ": " + orDash(r.Action, "no action told")
	if r.Status != "" {
		s += ", status " + r.Status
	} else if r.Code != 0 {
		s += ", reply code " + strconv.Itoa(r.Code)
	}
	if r.RemoteMTA != "" {
		s += ", told by " + r.RemoteMTA
	}
	if r.Diagnostic != "" {
		s += ": " + r.Diagnostic
	}
	return s
}

// oneLine quotes a name with characters that could forge a line or move the cursor of a terminal.
func oneLine(s string) string {
	if q := strconv.Quote(s); strings.ContainsFunc(s, func(c rune) bool { return !strconv.IsPrint(c) }) {
		return q
	}
	return s
}
