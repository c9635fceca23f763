package main

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"runtime/debug"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/config"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/tomlfile"
)

// serveCmd runs the milter. Its flags come before the file, also in a reload.
type serveCmd struct {
	siteFlags
	Domain    []string `sep:"none" placeholder:"D" help:"Domain to sign for and to protect; may be repeated."`
	Listen    []string `sep:"none" placeholder:"ADDRESS" help:"unix:/path or tcp:host:port to serve the MTA on; may be repeated."`
	HTTP      string   `name:"http" placeholder:"ADDRESS" help:"host:port on loopback for metrics and health, or off."`
	Store     string   `placeholder:"URL" help:"bolt:/path, redis://host:6379/0, rediss:, unix: or memory:. Put a URL with a password into the file."`
	Mode      string   `placeholder:"MODE" help:"auto, monitor or enforce, for all domains."`
	LogLevel  string   `placeholder:"LEVEL" help:"debug, info, warn or error."`
	LogFormat string   `placeholder:"FORMAT" help:"logfmt or json."`
}

// Help is shown by serve --help.
func (serveCmd) Help() string {
	return `With only --domain it runs: it keeps its state in one directory, makes a key there when there is none, and prints the lines
that Postfix needs. SIGHUP reads configuration and keys anew, SIGTERM ends it after the messages in flight.`
}

func (cmd *serveCmd) load(a *app) (*config.Config, tomlfile.Problems) {
	c, problems := config.Load(cmd.Config, config.Flags{
		Domains: cmd.Domain, Listen: cmd.Listen, HTTP: cmd.HTTP, Store: cmd.Store, Mode: cmd.Mode,
		StateDir: cmd.StateDir, LogLevel: cmd.LogLevel, LogFormat: cmd.LogFormat,
	}, a.host())
	if unread(c, problems) {
		return c, problems
	}
	return c, append(problems, c.NeedDomain()...)
}

// Run implements the command.
func (cmd *serveCmd) Run(ctx context.Context, a *app) error {
	c, problems := cmd.load(a)
	if len(problems) > 0 {
		if !unread(c, problems) {
			_, _, _, problems = inspect(ctx, a, c, problems) // tell what else is wrong in the same breath
		}
		return problems
	}
	level := new(slog.LevelVar)
	level.Set(c.LogLevel)
	log := newLogger(a.stderr, c.LogFormat, level)
	switch {
	case holdsPassword(cmd.Store):
		log.Warn("every user of this host can see the password in --store; put store into a configuration file")
	case holdsPassword(c.Store) && readByAll(c.Path):
		log.Warn("every user of this host can read the password of the store", "file", c.Path, "remedy", "chmod o-r "+c.Path)
	}
	if err := prepare(a, c, log); err != nil {
		return err
	}
	s, problems := loadUsableSite(c, nil, nil)
	secret, found := readHashSecret(c)
	if problems = append(problems, found...); len(problems) > 0 {
		return problems
	}
	for _, p := range s.keys.Unreadable {
		if s.noIndex {
			log.Error("the index of keys cannot be read: outbound mail waits, and no bounce is refused for its tag", "problem", p.String())
			continue
		}
		log.Error("a key cannot be read: what it would sign waits, bounces with its number are not refused", "problem", p.String())
	}
	d := &milterDaemon{app: a, log: log, level: level, metrics: newMetrics(a.now()), instance: rand.Text()}
	d.metrics.keysUnreadable.Set(float64(len(s.keys.Unreadable)))
	d.current.Store(s)
	d.load = func() (*config.Config, tomlfile.Problems) { return cmd.load(a) }
	if err := d.open(ctx, secret); err != nil {
		return errors.Join(err, d.close())
	}
	if c.Path == "" {
		printMainCf(a.stdout, c)
	}
	if a.getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	return d.run(ctx)
}

// gcPercent is how much the heap may grow between two collections. A daemon that lives in some megabytes spends a tenth of
// its time collecting with Go's default of 100; this costs a few megabytes more.
const gcPercent = 300
