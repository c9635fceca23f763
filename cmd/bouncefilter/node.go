package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/config"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/control"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/keydist"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/remedy"
	"github.com/bouncefilter/bouncefilter/store"
)

// nodeCmd is about the daemons that share a store.
type nodeCmd struct {
	List   nodeListCmd   `cmd:"" help:"List the daemons that use the store, or have used it in the last 7 days and did not stop properly."`
	Remove nodeRemoveCmd `cmd:"" help:"Remove a daemon that is gone for good, so that no key rotation waits for it."`
}

type nodeListCmd struct {
	siteFlags
	JSON bool `name:"json" help:"Print a JSON array."`
}

// Run implements the command.
func (cmd *nodeListCmd) Run(ctx context.Context, a *app) error {
	c, problems := cmd.load(a)
	if len(problems) > 0 {
		return problems
	}
	var nodes []store.Node
	err := withStore(ctx, a, c, func(ctx context.Context, s control.Store) (err error) {
		nodes, err = s.Nodes(ctx)
		return err
	})
	if err != nil {
		return err
	}
	slices.SortFunc(nodes, func(a, b store.Node) int { return strings.Compare(a.Name, b.Name) })
	if cmd.JSON {
		if nodes == nil {
			nodes = []store.Node{}
		}
		return json.NewEncoder(a.stdout).Encode(nodes)
	}
	w := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NODE\tSEEN\tSTATE\tKEYS")
	for _, n := range nodes {
		state := "runs"
		if n.Silent(a.now()) {
			state = "silent"
		}
		var keys []string
		for _, k := range n.Keys {
			name := strings.TrimPrefix(keydist.Name(k), "key ")
			switch {
			case k.Signs:
				name += " signs"
			case k.Next:
				name += " next"
			}
			keys = append(keys, name)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", n.Name, n.Seen.UTC().Format(time.RFC3339), state, orDash(strings.Join(keys, ", "), "-"))
	}
	return w.Flush()
}

// errEmbedded is returned for a store that has no other nodes.
var errEmbedded = errors.New("the store is embedded: it belongs to the one daemon of this host, and there are no other nodes")

type nodeRemoveCmd struct {
	siteFlags
	Name string `arg:"" help:"The node option of its configuration: see node list."`
}

// Run implements the command.
func (cmd *nodeRemoveCmd) Run(ctx context.Context, a *app) error {
	c, problems := cmd.load(a)
	if len(problems) > 0 {
		return problems
	}
	if c.Embedded() {
		return errEmbedded
	}
	return withStore(ctx, a, c, func(ctx context.Context, s control.Store) error {
		nodes, err := s.Nodes(ctx)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(nodes, func(n store.Node) bool { return n.Name == cmd.Name })
		if i < 0 {
			return remedy.With(fmt.Errorf("the store has no node %q", cut(cmd.Name)), "bouncefilter node list shows the nodes")
		}
		if now := a.now(); !nodes[i].Silent(now) {
			return remedy.With(fmt.Errorf("%s runs: it was seen %v ago", cmd.Name, now.Sub(nodes[i].Seen).Round(time.Second)), "stop it, and it is removed by itself")
		}
		// What it journalled is lost. Daemons mark the record incomplete as well, but only those that have found it silent before.
		if err := s.MarkIncomplete(ctx, nodes[i].Unrecorded(a.now())); err != nil {
			return err
		}
		if err := s.RemoveNode(ctx, cmd.Name); err != nil {
			return err
		}
		a.report("if it runs and is only cut off from the store, stop it: bounces of mail that it signs from now on are refused elsewhere, and it refuses those of mail that a newer key has signed", "removed %s, which was last seen at %s", cmd.Name, nodes[i].Seen.UTC().Format(time.RFC3339))
		return nil
	})
}

// storeTimeout bounds what a command waits for a store.
const storeTimeout = 2 * time.Second

// withStore calls do with the store of a site.
func withStore(ctx context.Context, a *app, c *config.Config, do func(context.Context, control.Store) error) error {
	s, err := control.Open(ctx, c, a.openStore, a.now)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	return errors.Join(do(ctx, s), s.Close())
}
