package bolt

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"time"

	"go.etcd.io/bbolt"

	"github.com/bouncefilter/bouncefilter/store"
)

// Note implements [store.Store]. All of ns is kept or none.
func (s *Store) Note(ctx context.Context, ns []store.Note) error {
	keys := make([][]byte, len(ns))
	for i, n := range ns {
		if keys[i] = binary.BigEndian.AppendUint16(append([]byte(n.Node), 0), n.Slot); len(keys[i]) > bbolt.MaxKeySize {
			return fmt.Errorf("bolt store: note of a node whose name has %d octets", len(n.Node))
		}
	}
	return s.update(ctx, "note", func(tx *bbolt.Tx) error {
		notes := tx.Bucket(bucketNotes)
		for i, n := range ns {
			if err := notes.Put(keys[i], []byte(n.Day.String()+" "+n.Text)); err != nil {
				return err
			}
		}
		return nil
	})
}

// Notes implements [store.Store].
func (s *Store) Notes(ctx context.Context) ([]store.Note, error) {
	oldest := store.DayOf(s.now()) - store.NoteRetention
	var ns []store.Note
	err := s.view(ctx, "notes", func(tx *bbolt.Tx) error {
		return tx.Bucket(bucketNotes).ForEach(func(key, value []byte) error {
			if n, ok := parseNote(key, value); ok && n.Day >= oldest {
				ns = append(ns, n)
			}
			return nil
		})
	})
	return ns, err
}

// parseNote reads a note.
func parseNote(key, value []byte) (n store.Note, ok bool) {
	at := len(key) - 3 // of the octet behind the node
	day, text, found := bytes.Cut(value, []byte{' '})
	t, err := time.Parse(time.DateOnly, string(day))
	if at < 0 || key[at] != 0 || !found || err != nil {
		return store.Note{}, false
	}
	return store.Note{Node: string(key[:at]), Slot: binary.BigEndian.Uint16(key[at+1:]), Day: store.DayOf(t), Text: string(text)}, true
}

// dropNotes removes the notes that were written before oldest.
func dropNotes(b *bbolt.Bucket, oldest store.Day) error {
	end := oldest.String()
	return deleteIf(b, func(v []byte) bool { return string(v[:min(len(v), len(time.DateOnly))]) < end })
}
