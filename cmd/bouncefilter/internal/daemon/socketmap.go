package daemon

import (
	"context"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/listener"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/tomlfile"
	"github.com/bouncefilter/bouncefilter/filter/socketmap"
	"github.com/bouncefilter/bouncefilter/prvs"
)

// The names of the maps of the lookup service: they are behind the last colon in main.cf.
const (
	untagMap = "untag" // the address of a genuine tag
	plainMap = "plain" // every address without its tags, for the tables of recipient restrictions
)

// listenSocketmap opens the socket of the lookup service, if it is configured.
func (d *Daemon) listenSocketmap() error {
	c := d.config
	if c.Socketmap.IsZero() {
		return nil
	}
	var err error
	d.socketmap, err = socketmap.New(socketmap.Options{Logger: d.log, Maps: map[string]socketmap.Lookup{
		untagMap: d.server.Untag,
		plainMap: func(key string) (string, bool) { return prvs.Plain(key), true },
	}})
	if err != nil {
		return err
	}
	if !c.Socketmap.Loopback() {
		d.log.Warn("the socketmap protocol has no authentication: every client that can connect can find out which tags are genuine; use a firewall", "listen", c.Socketmap.String())
	}
	d.socketmapLn, err = c.Socketmap.Listen(listener.Options{Mode: c.SocketMode, Group: c.SocketGroup})
	if err != nil {
		return tomlfile.Problems{c.Problem("socketmap.listen", "", err.Error(), listenRemedy(err))}
	}
	d.log.Info("lookups on " + d.socketmapLn.Addr().Network() + ":" + d.socketmapLn.Addr().String())
	return nil
}

// closeSocketmap ends the lookup service. A lookup takes microseconds; a client that takes longer to read an answer is cut.
func (d *Daemon) closeSocketmap() {
	if d.socketmap == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
	defer cancel()
	if err := d.socketmap.Shutdown(ctx); err != nil {
		d.log.Warn("connections of the lookup service were cut", "patience", storeTimeout)
	}
	if d.socketmapLn != nil {
		_ = d.socketmapLn.Close() // closed already if it was served
	}
}
