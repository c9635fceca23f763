package postfix

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/mta"
)

// outsideChroot says that a service cannot see a socket.
func (k *checker) outsideChroot(a asks) {
	queue := k.c.option(nil, "queue_directory")
	where := k.at(a.service, a.parameter)
	what := fmt.Sprintf("%s is confined to %s (chroot) and looks for the socket %s inside that folder: %s.", a.service.ID(), queue, k.c.outOfReach(k.site, a), a.what)
	address, err := k.c.bestAddress(k.site, a.needs)
	if err == nil {
		k.add(mta.LevelError, "socket-outside-chroot", where, what, "write the address as "+address)
		return
	}
	k.add(mta.LevelError, "socket-outside-chroot", where, what,
		append(socketInQueue(queue), "or: listen = [\"tcp:127.0.0.1:8766\"]")...)
}

// socketInQueue returns the steps to a socket that smtpd and cleanup may use with and without chroot.
func socketInQueue(queue string) []string {
	return []string{
		fmt.Sprintf("install -d -m 2750 -o bouncefilter -g postfix %s/bouncefilter", queue),
		fmt.Sprintf("bouncefilter.service: ReadWritePaths=%s/bouncefilter", queue),
		fmt.Sprintf("bouncefilter.toml: listen = [\"unix:%s/bouncefilter/milter.sock\"], socket_mode = \"0660\"; and restart bouncefilter", queue),
	}
}

// errUnreachable says that no listener can be reached by every service that needs it.
var errUnreachable = errors.New("smtpd or cleanup runs with chroot and cannot reach the socket that bouncefilter listens on")

// bestAddress returns an address of bouncefilter as it is written in main.cf so that every service can use it, whether
// it has a chroot or not: of a listener that does what is needed, and rather one that does both.
func (c *Config) bestAddress(site mta.Site, needs func(mta.Listener) bool) (string, error) {
	chroot := slices.ContainsFunc(c.milterPlaces(site), func(a asks) bool { return a.service != nil && c.chrooted(a.service) })
	listeners := slices.DeleteFunc(slices.Clone(site.Listeners), func(l mta.Listener) bool { return !needs(l) })
	slices.SortStableFunc(listeners, func(a, b mta.Listener) int { return roles(b) - roles(a) })
	for _, l := range listeners {
		address := plainAddress(l)
		path, unix := strings.CutPrefix(address, "unix:")
		if !unix {
			return address, nil
		}
		if inside, err := filepath.Rel(c.option(nil, "queue_directory"), path); err == nil && filepath.IsLocal(inside) {
			return "unix:" + inside, nil
		}
		if !chroot {
			return address, nil
		}
	}
	return "", errUnreachable
}

// roles counts what a listener does.
func roles(l mta.Listener) int {
	n := 0
	for _, does := range []bool{l.Sign, l.Verify} {
		if does {
			n++
		}
	}
	return n
}

// sockets looks whether a process listens where bouncefilter should.
func (k *checker) sockets() {
	for _, l := range k.site.Listeners {
		address := plainAddress(l)
		s, looked := k.c.Sockets[address]
		if !looked {
			continue
		}
		path, unix := strings.CutPrefix(address, "unix:")
		where := "bouncefilter.toml: listen: " + l.Address.String()
		switch {
		case unix && !s.Exists:
			k.add(mta.LevelError, "socket-missing", where, "There is no such socket: bouncefilter does not run, or listens elsewhere. Mail that needs bouncefilter waits.", "systemctl start bouncefilter")
		case unix && !s.IsSocket:
			k.add(mta.LevelError, "socket-missing", where, "The file there is not a socket.", "remove "+path+" and restart bouncefilter")
		case unix && s.Closed != "":
			k.add(mta.LevelError, "socket-permissions", where,
				fmt.Sprintf("Postfix runs as %s and may not use the socket: %s.", k.c.option(nil, "mail_owner"), s.Closed),
				socketInQueue(k.c.option(nil, "queue_directory"))...)
		case s.Dead:
			k.add(mta.LevelError, "milter-down", where, "No process listens there: bouncefilter does not run. Mail that needs bouncefilter waits.", "systemctl start bouncefilter")
		}
	}
}
