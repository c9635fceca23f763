package figures

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/bouncefilter/bouncefilter/store"
)

// sealedAs is the use for which notes are sealed, see [store.Hasher.Seal].
const sealedAs = "note"

// Notes returns the notes of all nodes, the latest first, without those that were not written under the hash secret of hasher.
func Notes(ctx context.Context, st interface {
	Notes(ctx context.Context) ([]store.Note, error)
}, hasher *store.Hasher) ([]Note, error) {
	written, err := st.Notes(ctx)
	if err != nil {
		return nil, err
	}
	list := make([]Note, 0, len(written))
	for _, w := range written {
		if n, ok := openNote(w, hasher); ok {
			list = append(list, n)
		}
	}
	slices.SortStableFunc(list, func(a, b Note) int {
		return cmp.Or(b.Time.Compare(a.Time), cmp.Compare(a.Node, b.Node), cmp.Compare(a.QueueID, b.QueueID), cmp.Compare(a.Recipient, b.Recipient))
	})
	return list, nil
}

// openNote reads a note.
func openNote(w store.Note, hasher *store.Hasher) (n Note, ok bool) {
	box, err := base64.RawStdEncoding.DecodeString(w.Text)
	if err != nil {
		return Note{}, false
	}
	text, err := hasher.Open(sealedAs, box)
	if err != nil || json.Unmarshal(text, &n) != nil {
		return Note{}, false
	}
	n.Node = w.Node
	return n, true
}

// sealNote returns the text of a note.
func sealNote(n *Note, hasher *store.Hasher) (string, error) {
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false) // which would make six octets of one
	if err := e.Encode(n); err != nil {
		return "", err
	}
	sealed := base64.RawStdEncoding.EncodeToString(hasher.Seal(sealedAs, text.Bytes()))
	if len(sealed) > store.MaxNote {
		return "", fmt.Errorf("a note of %d octets", len(sealed))
	}
	return sealed, nil
}

// notes are two rings: a flood of backscatter must not push out what may be genuine.
type notes struct {
	genuine, others ring // of the first slots, and of those behind them
}

// ring holds the notes that wait for the store, and knows the next slot.
type ring struct {
	first, size int // slots
	next        int // the slot of the next note, counted from the first
	waiting     []Note
	begin       int // of waiting once it is full: the place of the oldest
}

// newNotes divides so many slots.
func newNotes(keep int) notes {
	half := keep / 2
	return notes{ring{size: half}, ring{first: half, size: keep - half}}
}

// of returns the ring of a note.
func (ns *notes) of(s Sign) *ring {
	if s.MayBeGenuine() && ns.genuine.size > 0 {
		return &ns.genuine
	}
	return &ns.others
}

// add notes an observation, if it is about a refusal or a would-be refusal. It copies what it keeps.
func (ns *notes) add(o *Observation) {
	outcome := o.Outcome()
	if ring := ns.of(o.Sign); ring.size > 0 && outcome.Turned() {
		ring.add(o.note(outcome))
	}
}

func (r *ring) add(n Note) {
	if len(r.waiting) < r.size {
		r.waiting = append(r.waiting, n)
		return
	}
	r.waiting[r.begin] = n
	r.begin = (r.begin + 1) % r.size
}

// take returns the notes that wait, the oldest first.
func (r *ring) take() []Note {
	taken := append(slices.Clone(r.waiting[r.begin:]), r.waiting[:r.begin]...)
	r.waiting, r.begin = r.waiting[:0], 0
	clear(r.waiting[:cap(r.waiting)])
	return taken
}

// putBack puts notes in front of those that have come since, and drops the oldest of what is too much.
func (r *ring) putBack(taken []Note) {
	since := r.take()
	for _, n := range taken {
		r.add(n)
	}
	for _, n := range since {
		r.add(n)
	}
}

// restore finds the next slot of each ring: the one behind the latest note.
func (ns *notes) restore(node string, written []store.Note, hasher *store.Hasher) {
	for _, r := range []*ring{&ns.genuine, &ns.others} {
		var latest time.Time
		for _, w := range written {
			slot := int(w.Slot) - r.first
			if w.Node != node || slot < 0 || slot >= r.size {
				continue
			}
			if n, ok := openNote(w, hasher); ok && !n.Time.Before(latest) {
				latest, r.next = n.Time, (slot+1)%r.size
			}
		}
	}
}

// writeNotes writes the notes that wait: at most as many as are kept.
func (r *Recorder) writeNotes(ctx context.Context, st store.Notes) error {
	for _, ring := range []*ring{&r.notes.genuine, &r.notes.others} {
		r.mu.Lock()
		taken := ring.take()
		r.mu.Unlock()
		written := make([]store.Note, 0, len(taken))
		for i := range taken {
			text, err := sealNote(&taken[i], r.hasher)
			if err != nil {
				continue // TestNotesFit: it cannot be
			}
			slot := ring.first + (ring.next+len(written))%ring.size
			written = append(written, store.Note{Node: r.node, Slot: uint16(slot), Day: store.DayOf(taken[i].Time), Text: text})
		}
		if len(written) == 0 {
			continue
		}
		if err := st.Note(ctx, written); err != nil {
			r.mu.Lock()
			ring.putBack(taken)
			r.mu.Unlock()
			return err
		}
		ring.next = (ring.next + len(written)) % ring.size
	}
	return nil
}

// maxNoteText is how many octets a note has of a text that others have written.
const maxNoteText = 255

// note returns what is kept of an observation.
func (o *Observation) note(outcome Outcome) Note {
	client := "unknown"
	if o.Client.IsValid() {
		client = o.Client.String()
	} else if o.Local {
		client = "local"
	}
	return Note{
		Time: o.At.UTC(), QueueID: printable(o.QueueID), Client: client, Sender: Masked(o.Sender), Recipient: Masked(o.Recipient),
		Domain: o.Domain, Outcome: outcome, Reason: o.Reason, Would: o.Would, Cause: o.Cause, Action: o.Action,
		Sign: o.Sign, OwnHost: printable(o.OwnHost), Kind: o.Kind, Family: o.Family, ReportingMTA: printable(o.ReportingMTA),
	}
}

// printable returns a copy of a text, cut, with "?" in place of what a terminal may take for a command.
func printable(s string) string {
	s = strings.Map(func(c rune) rune {
		if c < ' ' || c >= 0x7f && c < 0xa0 || c == '\u2028' || c == '\u2029' {
			return '?'
		}
		return c
	}, strings.ToValidUTF8(s[:min(len(s), 2*maxNoteText)], "?"))
	n := min(len(s), maxNoteText)
	for n < len(s) && n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return strings.Clone(s[:n])
}

// Masked returns an address as it is shown to people who need not know whose it is: the first letter of its local part, and the domain.
// Of a tagged address it is that without the tag.
func Masked(address string) string {
	if address == "" {
		return ""
	}
	at := strings.LastIndexByte(address, '@')
	local, domain := address, ""
	if at >= 0 {
		local, domain = address[:at], address[at:]
	}
	if len(local) > 5 && strings.EqualFold(local[:5], "prvs=") {
		local = local[strings.LastIndexByte(local, '=')+1:]
	}
	_, n := utf8.DecodeRuneInString(local)
	return printable(local[:n] + "..." + domain)
}
