package main

import (
	"context"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/policyrelay"
)

// policyCmd stands between Postfix and a policy service.
type policyCmd struct {
	Service string `arg:"" help:"The policy service, as check_policy_service names it: inet:host:port or unix:path."`
}

// Help is shown by policy --help.
func (policyCmd) Help() string {
	return `Postfix' spawn(8) runs this command: it hands requests from its standard input on to the policy service, with recipients that have
no tag, and the replies to its standard output. It needs neither configuration nor daemon. See "Recipient restrictions" in
deploy/postfix/README.md.`
}

// Run implements the command.
func (cmd *policyCmd) Run(ctx context.Context, a *app) error {
	network, address, _ := strings.Cut(cmd.Service, ":")
	switch {
	case address == "" || network != "inet" && network != "unix":
		return usageError{fmt.Errorf("%q is no policy service: inet:host:port or unix:path", cmd.Service)}
	case network == "inet":
		network = "tcp"
		if !strings.Contains(address, ":") {
			address = net.JoinHostPort("localhost", address) // as Postfix has it
		}
	}
	const patience = 30 * time.Second // less than Postfix waits (smtpd_policy_service_timeout, 100s)
	d := net.Dialer{Timeout: patience}
	return policyrelay.Run(ctx, a.stdin, a.stdout, func(ctx context.Context) (net.Conn, error) { return d.DialContext(ctx, network, address) })
}
