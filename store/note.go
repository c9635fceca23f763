package store

import "context"

// Notes keeps what is known of the last refusals of each node, for people who look for a reason. It is not for the mail path.
type Notes interface {
	// Note keeps ns. Each takes the place of the one of the same node and slot.
	Note(ctx context.Context, ns []Note) error

	// Notes returns the notes of all nodes, in no order, without those that are older than [NoteRetention]. A store may return these
	// as well while their node writes others.
	Notes(ctx context.Context) ([]Note, error)
}

// Note is what is kept of one refusal.
type Note struct {
	Node string
	Slot uint16 // place in the ring of the node, below [MaxNotes]
	Day  Day    // on which it was written
	Text string // of at most [MaxNote] octets; backends do not look into it
}

const (
	// MaxNotes is how many notes a node has at most.
	MaxNotes = 1000
	// MaxNote is how long the text of a note is at most, in octets.
	MaxNote = 4096
	// NoteRetention is for how many days a store keeps a note.
	NoteRetention = 40
)
