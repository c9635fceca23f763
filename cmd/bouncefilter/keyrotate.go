package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/config"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/control"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/keyring"
	"github.com/bouncefilter/bouncefilter/prvs"
)

// waitInterval is how often --wait looks at the index.
const waitInterval = 200 * time.Millisecond

type keyRotateCmd struct {
	siteFlags
	Domain string `placeholder:"D" help:"Rotate the key of this domain only, or give it its first one."`
	Wait   bool   `help:"End when the new key signs. A running daemon makes it so."`
}

// Help is shown by key rotate --help.
func (keyRotateCmd) Help() string {
	return `The new key only verifies until every node of the store has it; then the daemons let it sign by themselves, and the old one goes on
verifying until the last bounces to its tags have come. With key_distribution = "store" the daemons give it to each other; otherwise
copy the keys to the other hosts (deploy/two-hosts.md). A silent node is waited for: "check" names it, and "node remove" gives
up on it.`
}

// Run implements the command.
func (cmd *keyRotateCmd) Run(ctx context.Context, a *app) error {
	c, err := cmd.index(a)
	if err != nil {
		return err
	}
	if cmd.Domain != "" && !config.IsDomainOrBelow(cmd.Domain) {
		return usageError{fmt.Errorf("--domain: %q is not a domain name", cut(cmd.Domain))}
	}
	var key, former keyring.Key
	err = updateIndex(c, func(k *keyring.Keyring) (err error) {
		former, _ = k.SignerOf(cmd.Domain)
		if c.KeysInStore {
			return k.RequestRotation(cmd.Domain)
		}
		key, err = k.Rotate(cmd.Domain, keyring.NewSecret(), a.now())
		return err
	})
	if err != nil {
		return err
	}
	if c.KeysInStore {
		a.report("bouncefilter key list shows it, bouncefilter check names nodes that are waited for",
			"a new key was asked for: a running daemon makes it within seconds, and it signs as soon as every node of the store has it")
	} else {
		a.report("hosts that share the store need a copy of the keys, see deploy/two-hosts.md; bouncefilter check names those that are waited for",
			"made %v, secret in %s; it signs as soon as every node of the store has it", key.Key, filepath.Join(filepath.Dir(c.Keys), key.File))
	}
	if !cmd.Wait {
		return nil
	}
	return cmd.wait(ctx, a, c, former)
}

// wait waits until the place of the former key is taken: in the index, which daemons write, and at the daemon of this host.
func (cmd *keyRotateCmd) wait(ctx context.Context, a *app, c *config.Config, former keyring.Key) error {
	daemon := control.NewClient(c.ControlSocket())
	if err := daemon.Ping(ctx); err != nil {
		fmt.Fprintf(a.stderr, "hint: no daemon of this host lets the key sign: %v\n", err)
	}
	tick := time.NewTicker(waitInterval)
	defer tick.Stop()
	for {
		k, problems := keyring.LoadUsable(c.Keys)
		if len(problems) == 0 {
			_, under := k.Next(cmd.Domain)
			now, signs := k.SignerOf(cmd.Domain)
			replaced := signs && (now.Number != former.Number || !now.Created.Equal(former.Created))
			switch {
			case replaced && signsWith(ctx, daemon, now):
				fmt.Fprintf(a.stdout, "%s signs\n", keyring.Name(now.Number, now.Domain))
				return nil
			case !replaced && !under && !k.RotationRequested(cmd.Domain):
				return errors.New("the new key was retired before it signed; see bouncefilter key list")
			}
		} // else an operator may be copying keys
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// signsWith says whether the daemon of this host signs with a key, as far as it can be asked.
func signsWith(ctx context.Context, daemon *control.Client, key keyring.Key) bool {
	keys, err := daemon.Keys(ctx)
	return err != nil || slices.ContainsFunc(keys, func(k control.Key) bool {
		return k.Number == key.Number && keyring.SameDomain(k.Domain, key.Domain) && k.State == prvs.StateSign.String()
	})
}
