package daemon

import (
	"context"
	"fmt"
	"os"
	"time"

	sd "github.com/coreos/go-systemd/v22/daemon"
)

const (
	// eventPatience is how long an event of an MTA may be worked on besides waiting for the store: at the barrier, for a disk. An MTA
	// waits for 30 s (milter_command_timeout of Postfix).
	eventPatience = 30 * time.Second
	// storeCalls is how often an event waits for the store at most: two lookups, with the barrier between them, the record and a margin.
	storeCalls = 4
	// acceptPatience is how long a listener may fail to accept connections: an MTA that closes some helps within seconds.
	acceptPatience = 10 * time.Second
)

// stuck says in words why mail does not pass, and a restart would help: an event of an MTA has been worked on for longer than a store
// that is slow or down explains. It is empty if mail passes, or none comes.
func (d *Daemon) stuck() string {
	patience := eventPatience + storeCalls*d.config.StoreTimeout
	if h := d.server.Health(); h.Longest > patience {
		return fmt.Sprintf("an event of the MTA has been worked on for %v, which is more than %v", h.Longest.Round(time.Second), patience)
	}
	return ""
}

// answerWatchdog tells the service manager that mail passes when it asks, until ctx is done. It does not wait for a reload, which may wait
// for a disk: mail passes meanwhile.
func (d *Daemon) answerWatchdog(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-d.o.Watchdog:
			if d.stuck() == "" {
				d.o.Notify(sd.SdNotifyWatchdog)
			}
		}
	}
}

// unhealthy says in words why mail does not pass, or why no MTA can connect; it is empty if all is well. It asks neither the store nor
// the network.
func (d *Daemon) unhealthy() string {
	if reason := d.stuck(); reason != "" {
		return reason
	}
	switch h := d.server.Health(); {
	case !h.Accepting:
		return "no listener accepts connections of the MTA"
	case h.Failing > acceptPatience:
		return fmt.Sprintf("a listener has accepted no connection of the MTA for %v: %v", h.Failing.Round(time.Second), h.Failure)
	}
	for _, ln := range d.listeners {
		if a := ln.Addr(); a.Network() == "unix" {
			if _, err := os.Lstat(a.String()); err != nil {
				return "the MTA does not find the socket: " + err.Error() + "; restart bouncefilter"
			}
		}
	}
	return ""
}
