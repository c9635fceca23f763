package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/config"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/mailserver"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/mta"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/remedy"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/site"
)

// setupCmd sets up the mail server.
type setupCmd struct {
	siteFlags
	mtaConfigFlag
	Server string `arg:"" name:"mta" help:"Mail server: postfix or sendmail."`
	Write  bool   `xor:"what" help:"Make the change. The former files are saved in the state directory."`
	Undo   bool   `xor:"what" help:"Restore the former files."`
	Reload bool   `help:"Also run the commands that make it take effect."`
}

// Help is shown by setup --help.
func (setupCmd) Help() string {
	return `The change is worked out from the live configuration of the mail server and shown as a diff. Nothing is changed without
--write. Everything else in the files stays as it is, and a second setup finds nothing to do.`
}

// Run implements the command.
func (cmd *setupCmd) Run(ctx context.Context, a *app) error {
	if cmd.Reload && !cmd.Write && !cmd.Undo {
		return usageError{errors.New("--reload belongs to --write or --undo")}
	}
	server, err := cmd.named(a, "setup", cmd.Server)
	if err != nil {
		return err
	}
	c, problems := cmd.load(a)
	if cmd.Undo && (len(problems) == 0 || c.Read) {
		return cmd.undo(ctx, a, server, c, len(problems) == 0)
	}
	if len(problems) == 0 {
		problems = c.NeedDomain()
	}
	if len(problems) > 0 {
		return problems
	}
	fit := mailserver.SiteOf(c)
	change, err := server.Setup(ctx, fit)
	if err != nil {
		return fmt.Errorf("set up %s: %w", server.Title, err)
	}
	if len(change.Files) == 0 {
		fmt.Fprintf(a.stdout, "Nothing is to be done: %s in %s is set up.\n", server.Title, server.Configuration)
		if cmd.Reload { // the last try may have come to the files, and no further
			if err := cmd.takeEffect(ctx, a, server.Reload()); err != nil {
				return err
			}
		}
		return cmd.remains(ctx, a, server, fit)
	}
	for _, why := range change.Why {
		for i, line := range mta.Wrap(why, mta.Columns-2) {
			fmt.Fprintf(a.stdout, "%s%s\n", []string{"- ", "  "}[min(i, 1)], line)
		}
	}
	fmt.Fprintf(a.stdout, "\n%s\n", firstLines(change.Diff(), maxDiff))
	backup := cmd.backup(c.StateDir, server.Configuration)
	obstacle := change.Obstacle(backup)
	if !site.Exists(c.StateDir) {
		obstacle = remedy.With(fmt.Errorf("%s does not exist, so that the files could not be saved in it", c.StateDir),
			"start bouncefilter first: systemctl start bouncefilter")
	}
	switch {
	case obstacle != nil && cmd.Write:
		return fmt.Errorf("nothing was changed: %w", obstacle)
	case obstacle != nil:
		fmt.Fprintf(a.stdout, "Nothing was changed, and --write would change nothing either: %v\n", obstacle)
		if r := remedy.Of(obstacle); r != "" {
			fmt.Fprintf(a.stdout, "hint: %s\n", r)
		}
		return nil
	case !cmd.Write:
		fmt.Fprintf(a.stdout, "Nothing was changed. To do it, give --write as well; then:\n  %s\n", strings.Join(change.Then, "\n  "))
		return nil
	}
	if err := change.Apply(backup, func() error { return server.Verify(ctx) }); err != nil {
		return fmt.Errorf("nothing was changed: %w", err)
	}
	fmt.Fprintf(a.stdout, "Changed:\n  %s\nThe former files are in %s; --undo restores them.\n", strings.Join(paths(change.Files), "\n  "), backup)
	if err := cmd.takeEffect(ctx, a, change.Then); err != nil {
		return err
	}
	return cmd.remains(ctx, a, server, fit)
}

// maxDiff is how many lines of a change are shown: a table of very many domains has more than an operator reads.
const maxDiff = 500

// firstLines returns the first lines of a text, and says how many others there are.
func firstLines(text string, most int) string {
	lines := strings.SplitAfterN(text, "\n", most+1)
	if len(lines) <= most {
		return text
	}
	return strings.Join(lines[:most], "") + fmt.Sprintf("... and %d more lines\n", strings.Count(lines[most], "\n"))
}

// backup is where the former files of a configuration are saved: each instance of a mail server has a place of its own.
func (cmd *setupCmd) backup(stateDir, configuration string) string {
	return filepath.Join(stateDir, "setup", cmd.Server+strings.ReplaceAll(configuration, "/", "-"))
}

func paths(files []mta.File) []string {
	var list []string
	for _, f := range files {
		list = append(list, f.Path)
	}
	return list
}

// undo restores the former files. usable says whether the configuration has no problems, so that the result can be compared with it.
func (cmd *setupCmd) undo(ctx context.Context, a *app, server *mailserver.Server, c *config.Config, usable bool) error {
	changed, err := mta.Undo(cmd.backup(c.StateDir, server.Configuration))
	if errors.Is(err, mta.ErrNothingToUndo) {
		fmt.Fprintln(a.stdout, "There is nothing to undo.")
		return nil
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(a.stdout, "Restored:\n  %s\n", strings.Join(changed, "\n  "))
	unknown := true
	if usable {
		// The former files may have been set up themselves. If that cannot be found out, the warning does no harm.
		findings, err := server.Find(ctx, mailserver.SiteOf(c))
		unknown = err != nil || mailserver.TagsUnknown(findings)
	}
	if unknown {
		for _, line := range mta.Wrap("Tagged recipients are unknown from then on: bounces of mail that was signed until now, and answers to its envelope sender, are refused.", mta.Columns) {
			fmt.Fprintln(a.stdout, line)
		}
	}
	return cmd.takeEffect(ctx, a, server.Reload())
}

// takeEffect prints or runs commands.
func (cmd *setupCmd) takeEffect(ctx context.Context, a *app, commands []string) error {
	if !cmd.Reload {
		fmt.Fprintf(a.stdout, "To let it take effect:\n  %s\n", strings.Join(commands, "\n  "))
		return nil
	}
	for _, command := range commands {
		sh := exec.CommandContext(ctx, "sh", "-c", command)
		sh.Stdout, sh.Stderr, sh.Env = a.stderr, a.stderr, os.Environ()
		if err := sh.Run(); err != nil {
			return fmt.Errorf("%s: %w", command, err)
		}
		fmt.Fprintf(a.stdout, "Ran %s.\n", command)
	}
	return nil
}

// remains prints what setup leaves to the operator.
func (cmd *setupCmd) remains(ctx context.Context, a *app, server *mailserver.Server, fit mta.Site) error {
	findings, err := server.Find(ctx, fit)
	if err != nil {
		return err
	}
	if len(findings) > 0 {
		fmt.Fprintf(a.stdout, "\nLeft to do by hand: %s.\n", mta.Count(findings))
		mta.Print(a.stdout, findings)
	}
	return nil
}
