package sendmail

import (
	"fmt"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/mta"
)

// sockets looks whether a process listens where bouncefilter should.
func (k *checker) sockets() {
	for _, l := range k.site.Listeners {
		address := l.Address.String()
		s, looked := k.c.Sockets[address]
		if !looked {
			continue
		}
		where := "bouncefilter.toml: listen: " + address
		switch {
		case !s.Exists:
			k.add(mta.LevelError, "socket-missing", where, "There is no such socket: bouncefilter does not run, or listens elsewhere. Mail that needs bouncefilter waits.", "systemctl start bouncefilter")
		case !s.IsSocket:
			k.add(mta.LevelError, "socket-missing", where, "The file there is not a socket.", "remove that file and restart bouncefilter")
		case s.Unsafe != "":
			k.add(mta.LevelError, "socket-unsafe", where, fmt.Sprintf("Sendmail does not start with such a socket: %s.", s.Unsafe),
				"put the socket into a folder that only its owner can write to: listen = [\"unix:/run/bouncefilter/milter.sock\"]")
		case s.Closed != "":
			k.add(mta.LevelError, "socket-permissions", where, fmt.Sprintf("Sendmail may not use the socket: %s. All mail waits.", s.Closed),
				"give the folder of the socket a group of that user and the mode 2750, so that the socket inherits the group",
				"bouncefilter.toml: socket_mode = \"0660\"; and restart bouncefilter")
		case s.Dead:
			k.add(mta.LevelError, "milter-down", where, "No process listens there: bouncefilter does not run. Mail that needs bouncefilter waits.", "systemctl start bouncefilter")
		}
	}
}
