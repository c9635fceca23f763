package control

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/config"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/remedy"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/site"
	"github.com/bouncefilter/bouncefilter/filter/view"
	"github.com/bouncefilter/bouncefilter/store"
	"github.com/bouncefilter/bouncefilter/store/bolt"
	"github.com/bouncefilter/bouncefilter/store/open"
)

// Store is what commands use of a site's store. A [store.Store] is one, and a [Client].
type Store interface {
	view.Source

	Publish(ctx context.Context, b store.Broadcast, onlyNew bool) (published bool, err error)
	Withdraw(ctx context.Context, topic, name string) error

	Counters(ctx context.Context, by store.Resolution, from, to store.Hour) ([]store.Counter, error)
	Notes(ctx context.Context) ([]store.Note, error)

	RemoveNode(ctx context.Context, node string) error
	MarkIncomplete(ctx context.Context, g store.Gap) error

	Close() error
}

// Opener opens stores that are not embedded in a running daemon: [open.Open].
type Opener func(ctx context.Context, url string, opts ...open.Option) (store.Store, error)

// ErrNothingRecorded is wrapped by the error of [Open] for a store that no daemon has made yet.
var ErrNothingRecorded = errors.New("nothing was recorded yet")

// errOtherStore is wrapped by the error of [Open] if the running daemon uses another store than the configuration names.
var errOtherStore = errors.New("another store")

// Open returns the store of a site: that of the daemon which runs on this host or, if there is none, the one that the configuration
// names. It makes no store. A daemon that does not answer is left out where other processes can use its store.
func Open(ctx context.Context, c *config.Config, openStore Opener, now func() time.Time) (Store, error) {
	daemon := NewClient(c.ControlSocket())
	noDaemon := daemon.Ping(ctx)
	if noDaemon == nil {
		if noDaemon = daemon.sameStore(ctx, c); noDaemon == nil {
			return daemon, nil
		}
		if c.Embedded() || errors.Is(noDaemon, errOtherStore) {
			return nil, noDaemon
		}
	}
	if path, isFile := strings.CutPrefix(c.Store, "bolt:"); isFile && !site.Exists(path) {
		return nil, remedy.With(fmt.Errorf("%s does not exist: %w", path, ErrNothingRecorded), "bouncefilter serve makes it")
	}
	if c.InMemory() {
		return nil, noDaemon // which alone has it
	}
	opts := []open.Option{open.LeaveDamaged(), open.Clock(now)}
	if !c.Embedded() {
		h, problems := site.Hasher(c)
		if len(problems) > 0 {
			return nil, problems
		}
		opts = append(opts, open.Hasher(h))
	}
	st, err := openStore(ctx, c.Store, opts...)
	switch {
	case errors.Is(err, bolt.ErrInUse):
		return nil, fmt.Errorf("%w, and %w", err, noDaemon)
	case errors.Is(err, fs.ErrPermission):
		return nil, remedy.With(c.StoreProblem(err), "run this as root, or as the user that the daemon runs as")
	case err != nil:
		return nil, c.StoreProblem(err)
	}
	return st, nil
}
