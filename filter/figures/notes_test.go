package figures

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bouncefilter/bouncefilter/store"
)

// queueIDs returns those of the notes in a store, the latest first.
func queueIDs(t *testing.T, st Store) []string {
	t.Helper()
	ns, err := Notes(t.Context(), st, testHasher())
	if err != nil {
		t.Fatal(err)
	}
	ids := make([]string, len(ns))
	for i, n := range ns {
		ids[i] = n.QueueID
	}
	return ids
}

func refusals(r *Recorder, sign Sign, from, to int) {
	for i := from; i <= to; i++ {
		e := refusal(noon.Add(time.Duration(i) * time.Second))
		e.QueueID, e.Sign = fmt.Sprint(i), sign
		r.Observe(e)
	}
}

func TestANote(t *testing.T) {
	r, st := New("mx1", 10, testHasher()), memoryAt(noon)
	e := refusal(noon)
	e.OwnHost = "mail.example.com"
	e.Sign, e.Sender, e.Recipient = OwnHost, "friend@example.org", "prvs=1787000000=user@example.com"
	r.Observe(e)
	r.Observe(&Observation{At: noon, Message: "outbound", Domain: "example.com", Reason: "signed", Action: "sign", QueueID: "5"})
	flush(t, r, st, noon)
	written, err := st.Notes(t.Context())
	if err != nil || len(written) != 1 || strings.Contains(written[0].Text, "example") {
		t.Fatalf("%+v, %v", written, err)
	}
	got, err := Notes(t.Context(), st, testHasher())
	want := Note{
		Time: noon, Node: "mx1", QueueID: "4ZQ", Client: "203.0.113.7", Sender: "f...@example.org", Recipient: "u...@example.com", Domain: "example.com",
		Outcome: Refused, Reason: "untagged", Action: "reject", Sign: OwnHost, OwnHost: "mail.example.com", Kind: "dsn", Family: "postfix", ReportingMTA: "mx3.victim.example",
	}
	if err != nil || len(got) != 1 || got[0] != want {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := Notes(t.Context(), st, store.NewHasher([]byte("another secret"))); err != nil || len(got) != 0 {
		t.Errorf("under another secret %+v, %v", got, err)
	}
}

func TestNotesAreARing(t *testing.T) {
	st := memoryAt(noon)
	r := New("mx1", 6, testHasher())
	refusals(r, NoSign, 1, 2)
	flush(t, r, st, noon)
	refusals(r, NoSign, 3, 4)
	flush(t, r, st, noon)
	if got := queueIDs(t, st); !slices.Equal(got, []string{"4", "3", "2"}) {
		t.Errorf("%v", got)
	}
	// The next slot goes on after a restart.
	r = New("mx1", 6, testHasher())
	refusals(r, NoSign, 5, 5)
	flush(t, r, st, noon)
	if got := queueIDs(t, st); !slices.Equal(got, []string{"5", "4", "3"}) {
		t.Errorf("after a restart %v", got)
	}
	// A flood writes no more than a ring at a time, and pushes out none that may be genuine.
	refusals(r, Repeats, 6, 7)
	flush(t, r, st, noon)
	refusals(r, NoSign, 100, 1100)
	counting := &failing{Store: st}
	flush(t, r, counting, noon)
	if got := queueIDs(t, st); !slices.Equal(got, []string{"1100", "1099", "1098", "7", "6"}) {
		t.Errorf("after a flood %v", got)
	}
	if other := New("mx2", 6, testHasher()); len(queueIDs(t, st)) != 5 {
		t.Error(other)
	}
}

// Notes that could not be written are written later, the latest of them.
func TestNotesOfAnOutage(t *testing.T) {
	st := &failing{Store: memoryAt(noon)}
	r := New("mx1", 6, testHasher())
	refusals(r, NoSign, 1, 2)
	st.fails = 1
	if err := r.writeNotes(t.Context(), st); err == nil {
		t.Fatal("the store did not fail")
	}
	refusals(r, NoSign, 3, 4)
	flush(t, r, st, noon)
	if got := queueIDs(t, st); !slices.Equal(got, []string{"4", "3", "2"}) {
		t.Errorf("%v", got)
	}
}

func TestNoNotes(t *testing.T) {
	for keep, want := range map[int]int{-1: 0, 0: 0, 1: 1, 2: 1, store.MaxNotes + 1: 5} {
		r, st := New("mx1", keep, testHasher()), memoryAt(noon)
		refusals(r, NoSign, 1, 5)
		flush(t, r, st, noon)
		if got := queueIDs(t, st); len(got) != want {
			t.Errorf("of a ring of %d: %v", keep, got)
		}
	}
	r := New("mx1", store.MaxNotes+1, testHasher())
	if last := r.notes.others.first + r.notes.others.size; last != store.MaxNotes {
		t.Errorf("slots up to %d", last)
	}
}

// Whatever others have written, a note fits.
func TestNotesFit(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, of := range []string{"a", "\"", "\\", "\x00", "\x1b", "\u2028", "ä", "\xff", "<", "😀"} {
		long := strings.Repeat(of, 1000)
		e := refusal(noon)
		e.QueueID, e.ReportingMTA, e.Sender, e.Recipient, e.Domain, e.Sign = long, long, long+"@"+long, long+"@"+long, strings.Repeat("d", 253), NeverSends
		n := e.note(Refused)
		if _, err := sealNote(&n, testHasher()); err != nil {
			t.Errorf("%q: %v", of, err)
		}
		b := make([]byte, 400)
		for i := range b {
			b[i] = byte(random.Uint32())
		}
		if s := printable(string(b)); strings.ContainsFunc(s, func(c rune) bool { return c < ' ' || c == 0x7f }) || len(s) > maxNoteText {
			t.Errorf("%q", s)
		}
	}
}

func TestMasked(t *testing.T) {
	for address, want := range map[string]string{
		"": "", "user@example.com": "u...@example.com", "a@b@example.com": "a...@example.com", "postmaster": "p...", "@example.com": "...@example.com", "élan@example.com": "é...@example.com",
		"prvs=1787000000=user@example.com": "u...@example.com", "prvs=user/1787000000@example.com": "u...@example.com", "PRVS=@example.com": "P...@example.com",
	} {
		if got := Masked(address); got != want {
			t.Errorf("%q: %q, want %q", address, got, want)
		}
	}
	if got := Masked(strings.Repeat("a", 1000) + "@" + strings.Repeat("b", 1000)); len(got) > maxNoteText {
		t.Errorf("%d octets", len(got))
	}
}
