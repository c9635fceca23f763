package view

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bouncefilter/bouncefilter/store"
)

// History is what this host remembers of the time before, whatever becomes of the store. A store that was wiped, or a file that was
// lost, looks like a new one: nothing in it says that mail was signed before. With the history a daemon recognises a record that has
// begun anew.
type History struct {
	// RecordBegan is the earliest time at which the store's record was seen to begin; the zero time if none was.
	RecordBegan time.Time `json:"record_began,omitzero"`
	// FirstSigned is the first day of each domain's signatures, as days since 1970-01-01 UTC.
	FirstSigned map[string]store.Day `json:"first_signed"`
	// Complete is the completeness of the store's record as it was seen last. What it says may be lost stays lost: a store that does not say
	// so any more was set back, or another user of it has removed a mark.
	Complete store.Completeness `json:"complete,omitzero"`
	// Removed has the tombstones of revocations, by name.
	Removed map[string]Removal `json:"removed,omitempty"`
}

func (h History) equal(o History) bool {
	return h.RecordBegan.Equal(o.RecordBegan) && maps.Equal(h.FirstSigned, o.FirstSigned) && h.Complete.Equal(o.Complete) &&
		maps.EqualFunc(h.Removed, o.Removed, Removal.equal)
}

// LoadHistory reads the file at path. Without one the history is empty.
func LoadHistory(path string) (History, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return History{}, nil
	}
	var h History
	if err == nil {
		err = json.Unmarshal(data, &h)
	}
	if err != nil {
		return History{}, fmt.Errorf("%s: %w", path, err)
	}
	return h, nil
}

// save replaces the file at path in one step.
func (h History) save(path string) error {
	data, err := json.Marshal(h)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".new-*") // mode 0600
	if err != nil {
		return err
	}
	_, err = f.Write(append(data, '\n'))
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

// historyKeeper is the history with its file.
type historyKeeper struct {
	changing sync.Mutex
	known    atomic.Pointer[History] // never changed once it is here
	learned  bool                    // the store has answered since when domains have been signing
	path     string
	saved    History
}

func (k *historyKeeper) load(path string, log *slog.Logger) {
	k.path = path
	k.known.Store(&History{})
	if path == "" {
		return
	}
	h, err := LoadHistory(path)
	if err != nil {
		log.Warn("cannot read since when domains have been signing", "error", err)
	}
	k.known.Store(&h)
	k.saved = h
}

func (k *historyKeeper) current() *History { return k.known.Load() }

// History returns what this host remembers.
func (v *View) History() History {
	h := *v.history.current()
	h.FirstSigned, h.Removed = maps.Clone(h.FirstSigned), maps.Clone(h.Removed)
	return h
}

// FirstSigned returns the day of a domain's first signature, as far as known here. ok is false if none is known.
func (v *View) FirstSigned(domain string) (day store.Day, ok bool) {
	day, ok = v.history.current().FirstSigned[domain]
	return day, ok
}

// changeHistory changes what this host remembers, and writes all but what is about domains of others to its file.
func (v *View) changeHistory(change func(History) History) {
	v.history.changing.Lock()
	defer v.history.changing.Unlock()
	h := change(*v.history.current())
	v.history.known.Store(&h)
	ours := h
	ours.FirstSigned = maps.Clone(h.FirstSigned)
	maps.DeleteFunc(ours.FirstSigned, func(name string, _ store.Day) bool { return !v.ours(name) })
	if v.history.path == "" || ours.equal(v.history.saved) {
		return
	}
	if err := ours.save(v.history.path); err != nil {
		v.log.Warn("cannot note since when domains have been signing: a store that is wiped while the daemon is down would be taken for a new one", "error", err)
		return
	}
	v.history.saved = ours
}

// refreshFirstSigned asks the store since when domains have been signing. If it does not answer, what is known stays.
func (v *View) refreshFirstSigned(ctx context.Context) (answered bool) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	days, err := v.store.Store().FirstSigned(ctx)
	if err != nil {
		v.reportCrowded(err)
		return false // Guard has logged that the store is unavailable
	}
	v.history.learned = true
	v.restoreBeginning(ctx, days)
	// A domain that was signing before the store was wiped has not begun anew.
	v.changeHistory(func(before History) History { return before.With(days) })
	return true
}

// With returns the history with the first days of a store: of each domain the earlier one.
func (h History) With(days map[string]store.Day) History {
	first := make(map[string]store.Day, len(days))
	maps.Copy(first, days)
	for name, since := range h.FirstSigned {
		if d, ok := first[name]; !ok || since < d {
			first[name] = since
		}
	}
	h.FirstSigned = first
	return h
}

// restoreBeginning marks that a record has begun anew. The store takes its first records for the first there ever were, and so would a host
// that comes to know it now.
func (v *View) restoreBeginning(ctx context.Context, days map[string]store.Day) {
	anew := false // the store takes a domain to have begun later than it did
	for name, since := range v.history.current().FirstSigned {
		d, ok := days[name]
		anew = anew || ok && since < d
	}
	if !anew {
		return
	}
	a, err := v.store.Store().Lookup(ctx, store.DayOf(v.now()), nil)
	if err != nil || a.Complete.Since.IsZero() || len(a.Complete.Gaps) > 0 && a.Complete.Gaps[0].From.IsZero() {
		return
	}
	if err := v.store.Store().MarkIncomplete(ctx, store.Gap{Until: a.Complete.Since}); err == nil {
		v.log.Warn("the store has begun anew: its record lacks what was sent before", "complete_since", formatTime(a.Complete.Since))
	}
}
