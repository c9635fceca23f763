package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/check"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/config"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/daemon"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/logline"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/memlimit"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/site"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/tomlfile"
	"github.com/bouncefilter/bouncefilter/store"
)

// serveCmd runs the milter. Its flags come before the file, also in a reload.
type serveCmd struct {
	siteFlags
	Domain    []string `sep:"none" placeholder:"D" help:"Domain to sign for and to protect; may be repeated."`
	Listen    []string `sep:"none" placeholder:"ADDRESS" help:"unix:/path or tcp:host:port to serve the MTA on; may be repeated."`
	HTTP      string   `name:"http" placeholder:"ADDRESS" help:"host:port or unix:/path for page, metrics and health, or off."`
	Store     string   `placeholder:"URL" help:"bolt:/path, redis://host:6379/0, rediss:, unix: or memory:. Put a URL with a password into the file."`
	Mode      string   `placeholder:"MODE" help:"auto, monitor or enforce, for all domains."`
	LogLevel  string   `placeholder:"LEVEL" help:"debug, info, warn or error."`
	LogFormat string   `placeholder:"FORMAT" help:"logfmt or json."`
}

// Help is shown by serve --help.
func (serveCmd) Help() string {
	return `With only --domain it runs: it has its state in one directory, makes a key there if there is none, and prints the lines
that Postfix needs. SIGHUP reads configuration and keys again, SIGTERM ends it after the messages in transit.`
}

func (cmd *serveCmd) load(a *app) (*config.Config, tomlfile.Problems) {
	c, problems := config.Load(cmd.path(a), config.Flags{
		Domains: cmd.Domain, Listen: cmd.Listen, HTTP: cmd.HTTP, Store: cmd.Store, Mode: cmd.Mode,
		StateDir: cmd.StateDir, LogLevel: cmd.LogLevel, LogFormat: cmd.LogFormat,
	}, a.host())
	if c.Unread() {
		return c, problems
	}
	return c, append(problems, c.NeedDomain()...)
}

// Run implements the command.
func (cmd *serveCmd) Run(ctx context.Context, a *app) error {
	c, problems := cmd.load(a)
	if len(problems) > 0 { // and all others, so that an operator sees them at once
		return check.Problems(ctx, c, problems, check.Options{Now: a.now, OpenStore: a.openStore})
	}
	form := logline.Form{Format: c.LogFormat, Journal: a.journal}
	a.queueLog(logline.Dropped(form))
	level := new(slog.LevelVar)
	level.Set(c.LogLevel)
	log := logline.New(a.stderr, form, slog.HandlerOptions{Level: level})
	switch {
	case check.HoldsPassword(cmd.Store):
		log.Warn("every user of this host can see the password in --store; put store into a configuration file")
	case check.PasswordReadable(c):
		log.Warn("every user of this host can read the password of the store", "file", c.Path, "remedy", "chmod o-r "+c.Path)
	}
	if err := site.Prepare(c, a.now(), log); err != nil {
		return err
	}
	s, problems := site.LoadUsable(c)
	secret, found := site.HashSecret(c)
	if problems = append(problems, found...); len(problems) > 0 {
		return problems
	}
	logUnreadable(log, s)
	memory, err := memlimit.Find(os.DirFS("/"), a.getenv("GOMEMLIMIT"), c.Memory)
	if err != nil {
		log.Warn("the limit of this process's memory is not known; set limits.memory", "error", err)
	}
	files, err := descriptors()
	if err != nil {
		return err
	}
	reloads, ignore := a.hangups()
	defer ignore()
	ticks, endTicks := a.ticks(store.HeartbeatInterval)
	defer endTicks()
	var watchdog <-chan time.Time
	if a.watchdog > 0 {
		var end func()
		watchdog, end = a.ticks(a.watchdog / 2)
		defer end()
	}
	d, err := daemon.Open(ctx, daemon.Options{
		Site: s, HashSecret: secret, Version: readBuild().version, Config: cmd.unusual(a), Memory: memory, Files: files,
		Load:    func() (*config.Config, tomlfile.Problems) { return cmd.load(a) },
		Reloads: reloads, Ticks: ticks, Watchdog: watchdog, Notify: a.notify,
		OpenStore: a.openStore, Now: a.now, Log: log, Lines: a.log, Level: level,
	})
	if err != nil {
		return err
	}
	if c.Path == "" {
		printMainCf(a.stdout, c)
	}
	if a.getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	return d.Run(ctx)
}

// descriptors returns how many file descriptors the process may have. The runtime of Go has raised the soft limit to the hard one.
func descriptors() (uint64, error) {
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		return 0, fmt.Errorf("find the limit of file descriptors: %w", err)
	}
	return l.Cur, nil
}

// logUnreadable logs keys without which the daemon starts.
func logUnreadable(log *slog.Logger, s *site.Site) {
	for _, p := range s.Keys.Unreadable {
		if s.IndexLost() {
			log.Error("the index of keys cannot be read: outbound mail waits, and no bounce is refused for its tag", "problem", p.String())
			continue
		}
		log.Error("a key cannot be read: what it would sign waits, bounces with its number are not refused", "problem", p.String())
	}
}

// gcPercent is how much the heap may grow between two collections. A daemon that lives in some megabytes spends a tenth of
// its time collecting with Go's default of 100; this costs a few megabytes more.
const gcPercent = 300

// printMainCf prints what a postmaster adds to Postfix. Without a file, all listeners have the same role.
func printMainCf(w io.Writer, c *config.Config) {
	milter := c.Listeners[0].Address.Postfix()
	fmt.Fprintf(w, `# "bouncefilter setup postfix" shows what the Postfix of this host needs, and does it with --write. By hand:
# First let Postfix know tagged recipients: step 1 of deploy/postfix/README.md. Bounces come to them from the first signed
# message on. Then add these lines to /etc/postfix/main.cf (to milters that are there: append) and run "postfix reload":
smtpd_milters = %s
non_smtpd_milters = %s
# Mail must wait rather than leave unsigned while the milter is down.
milter_default_action = tempfail
`, milter, milter)
}
