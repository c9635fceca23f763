package redis

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/bouncefilter/bouncefilter/store"
)

// Note implements [store.Store].
func (s *Store) Note(ctx context.Context, ns []store.Note) error {
	if err := ctx.Err(); err != nil {
		return failed("note", err)
	}
	if len(ns) == 0 {
		return nil
	}
	fields := make([]any, 0, 2*len(ns))
	last := store.DayOf(time.Now()) // a node with a slow clock must not take the notes of others away
	for _, n := range ns {
		fields = append(fields, strconv.Itoa(int(n.Slot))+"|"+n.Node, n.Day.String()+" "+n.Text)
		last = max(last, n.Day)
	}
	_, err := s.client.Pipelined(ctx, func(c redis.Pipeliner) error {
		c.HSet(ctx, s.layout.notes(), fields...)
		c.ExpireAt(ctx, s.layout.notes(), (last + store.NoteRetention + 1).Time())
		return nil
	})
	if err != nil {
		return failed("note", err)
	}
	return nil
}

// Notes implements [store.Store]. It also removes notes that are older than the retention. What is none is left out.
func (s *Store) Notes(ctx context.Context) ([]store.Note, error) {
	if err := ctx.Err(); err != nil {
		return nil, failed("notes", err)
	}
	fields, err := s.entries(ctx, s.layout.notes(), maxNotes)
	if err != nil {
		return nil, failed("notes", err)
	}
	oldest := store.DayOf(time.Now()) - store.NoteRetention
	var ns []store.Note
	var gone []string
	for name, value := range fields {
		n, ok := parseNote(name, value)
		switch {
		case !ok:
			s.doubts.counters.Add(1)
		case n.Day < oldest:
			gone = append(gone, name)
		default:
			ns = append(ns, n)
		}
	}
	if len(gone) > 0 {
		_ = s.client.HDel(ctx, s.layout.notes(), gone...).Err() // the next call tries again
	}
	return ns, nil
}

// parseNote reads a field of the hash of notes.
func parseNote(name, value string) (store.Note, bool) {
	slot, node, named := strings.Cut(name, "|")
	day, text, dated := strings.Cut(value, " ")
	i, err := strconv.ParseUint(slot, 10, 16)
	t, bad := time.Parse(time.DateOnly, day)
	if !named || !dated || err != nil || bad != nil || i >= store.MaxNotes || len(text) > store.MaxNote {
		return store.Note{}, false
	}
	return store.Note{Node: node, Slot: uint16(i), Day: store.DayOf(t), Text: text}, true
}
