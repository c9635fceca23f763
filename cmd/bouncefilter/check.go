package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/check"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/control"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/live"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/mailserver"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/mta"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/site"
	"github.com/bouncefilter/bouncefilter/prvs"
)

// checkCmd finds out whether serve would run, and how, and whether the mail server is set up for it.
type checkCmd struct {
	siteFlags
	MTA string `name:"mta" default:"auto" placeholder:"NAME" help:"Mail server whose configuration is read: auto (the one that is installed), postfix, sendmail, or none."`
	mtaConfigFlag
	Live bool   `help:"Also ask the running daemon and the mail server, and show what they answer."`
	User string `placeholder:"ADDRESS" help:"With --live: the address of a user (default: postmaster in the first domain, who is exempt from much)."`
	SMTP string `name:"smtp" placeholder:"HOST:PORT" default:"127.0.0.1:25" help:"With --live: where the mail server takes mail from outside (default: ${default})."`
	JSON bool   `name:"json" help:"Print a JSON object."`
}

// defaultSMTP is where a mail server takes mail from outside.
const defaultSMTP = "127.0.0.1:25"

// Values of --mta besides the names of mail servers.
const (
	anyMTA = "auto"
	noMTA  = "none"
)

// Help is shown by check --help.
func (checkCmd) Help() string {
	return `Every problem is printed as file:line: option: problem; remedy. What is missing or dangerous in the live configuration of the
mail server is printed with the lines to add. The exit status is 0 if there is no problem and no error, 1 otherwise. What a
first serve would make (state directory, key, store) may be missing. Nothing is changed. A damaged embedded store is a
problem; serve moves it aside and begins a new one.

With --live the running daemon is asked, as an MTA would, about bounces of which it has to refuse some; and the mail server, as
another site would, about recipients. Nothing is delivered. The daemon logs what it is asked, from the client 192.0.2.1, with test=true, and
neither counts nor records it.`
}

// Run implements the command.
func (cmd *checkCmd) Run(ctx context.Context, a *app) error {
	server, err := cmd.server(a)
	if err != nil {
		return err
	}
	if !cmd.Live && (cmd.User != "" || cmd.SMTP != defaultSMTP) {
		return usageError{errors.New("--user and --smtp belong to --live")}
	}
	o := check.Options{Now: a.now, OpenStore: a.openStore, Server: server}
	if cmd.Live {
		o.Live = func(ctx context.Context, s *site.Site) ([]live.Step, error) { return cmd.ask(ctx, a, s) }
	}
	c, problems := cmd.load(a)
	r, err := check.Run(ctx, c, problems, o)
	if err != nil {
		return err
	}
	if cmd.JSON {
		err = json.NewEncoder(a.stdout).Encode(r)
	} else {
		err = r.Print(a.stdout)
	}
	if err == nil && !r.OK() {
		err = errNo
	}
	return err
}

// server returns the mail server that the flags mean, nil for none.
func (cmd *checkCmd) server(a *app) (*mailserver.Server, error) {
	switch cmd.MTA {
	case noMTA:
		return nil, nil
	case anyMTA:
		server := mailserver.Any(cmd.MTAConfig, a.getenv("PATH"))
		if server == nil && cmd.MTAConfig != "" {
			return nil, usageError{fmt.Errorf("--mta-config: %s is not a configuration of a mail server that is known here (%s)", cmd.MTAConfig, mailserver.Names())}
		}
		return server, nil
	}
	return cmd.named(a, "--mta", cmd.MTA)
}

// ask asks the daemon and the mail server.
func (cmd *checkCmd) ask(ctx context.Context, a *app, s *site.Site) (steps []live.Step, err error) {
	user := prvs.Address{Local: "postmaster"}
	for _, d := range s.Config.Settings.Domains {
		if _, below := mta.Below(d.Name); !below {
			user.Domain = prvs.FoldDomain(d.Name)
			break
		}
	}
	if user.Domain == "" && cmd.User == "" {
		return nil, usageError{errors.New("--user: give an address; the domains do not say which names below them there are")}
	}
	if cmd.User != "" {
		if user, err = prvs.ParseAddress(cmd.User); err != nil || s.Policy.Domain(user.Domain) == nil {
			return nil, usageError{fmt.Errorf("--user: %q is not an address in one of the domains", cmd.User)}
		}
	}
	record, err := control.OpenRecord(ctx, s, a.openStore, a.now)
	if err != nil {
		return nil, err
	}
	daemon := control.NewClient(s.Config.ControlSocket())
	mark, counted := daemon.BeginTest(ctx)
	steps = live.Run(ctx, live.Options{Site: s, Record: record, Now: a.now(), User: user, SMTP: cmd.SMTP, Mark: mark,
		Connections: func(ctx context.Context) (uint64, error) {
			st, err := daemon.Status(ctx)
			return st.Connections, err
		}})
	if counted == nil {
		_ = daemon.EndTest(context.WithoutCancel(ctx), mark) // which it does by itself, later
	} else if live.DaemonAnswered(steps) {
		fmt.Fprintf(a.stderr, "bouncefilter: warning: the daemon counts these questions as mail: %v\n", counted)
	}
	return steps, record.Close()
}

// mtaConfigFlag says which configuration of a mail server is meant.
type mtaConfigFlag struct {
	MTAConfig string `name:"mta-config" type:"path" placeholder:"PATH" help:"Its configuration, such as /etc/postfix or /etc/mail/sendmail.cf, if it is another one than that of this host."`
}

// named returns the mail server of a name, which the operator has given in the flag or argument what.
func (f *mtaConfigFlag) named(a *app, what, name string) (*mailserver.Server, error) {
	server, err := mailserver.Named(what, name, f.MTAConfig, a.getenv("PATH"))
	if err != nil {
		return nil, usageError{err}
	}
	return server, nil
}
