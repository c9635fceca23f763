package main

import (
	"context"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/demo"
)

// tryCmd shows what the filter does, without an MTA, a configuration or root.
type tryCmd struct{}

// Help is shown by try --help.
func (tryCmd) Help() string {
	return `The milter runs in memory, for the domain example.com and with a key of its own, and this command plays the mail server in front of it:
one of your users sends a message, and then come its bounce, a forged one, one without a tag, two read receipts, and mail that is no
bounce. What the SMTP client sees is shown, and the line in the log that goes with it. Nothing is sent, and nothing is left behind.`
}

// Run implements the command.
func (tryCmd) Run(ctx context.Context, a *app) error { return demo.Play(ctx, a.stdout, a.now) }
