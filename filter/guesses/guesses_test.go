package guesses

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/bouncefilter/bouncefilter/store"
)

const today = store.Day(20780)

var hasher = store.NewHasher([]byte("hash secret"))

func tag(mailbox, client string, n int) *Tag {
	t := &Tag{Mailbox: mailbox, Key: hasher.WrongTag(mailbox, fmt.Sprintf("1787%06x", n))}
	if client != "" {
		t.Client = netip.MustParseAddr(client)
	}
	return t
}

func newTable() (t *Table, reported *[]string) {
	reported = new([]string)
	return New(func(m Many) { *reported = append(*reported, fmt.Sprintf("%s %s %d", m.What, m.Name, m.Most)) }), reported
}

func TestCountsByMailboxAndByNetwork(t *testing.T) {
	table, reported := newTable()
	for i, step := range []struct {
		mailbox, client string
		n               int
		want            uint32
	}{
		{"a@example.com", "192.0.2.1", 1, 1},
		{"a@example.com", "192.0.2.1", 1, 1}, // the same tag again
		{"a@example.com", "192.0.2.200", 2, 2},
		{"a@example.com", "203.0.113.1", 3, 3}, // by mailbox
		{"b@example.com", "192.0.2.9", 1, 3},   // by network
		{"b@example.com", "203.0.113.1", 2, 2},
		{"b@example.com", "", 3, 3}, // the client is not known
		{"c@example.com", "2001:db8::1", 1, 1},
		{"c@example.com", "2001:db8::ffff", 2, 2},
		{"d@example.com", "2001:db8::2", 1, 3},
	} {
		if got := table.Add(tag(step.mailbox, step.client, step.n), today, 2); got != step.want {
			t.Errorf("step %d: %d, want %d", i, got, step.want)
		}
	}
	if got := table.Count("b@example.com", netip.MustParseAddr("198.51.100.1"), today); got != 3 {
		t.Errorf("counted %d", got)
	}
	want := "address a@example.com 2; network 192.0.2.0/24 2; address b@example.com 2; network 2001:db8::/64 2"
	if got := strings.Join(*reported, "; "); got != want {
		t.Errorf("reported %s\nwant %s", got, want)
	}
	if table.Beyond() != 4 {
		t.Errorf("%d came beyond", table.Beyond())
	}
	// A new day; and a message that began before midnight.
	if got := table.Add(tag("a@example.com", "192.0.2.1", 1), today+1, 2); got != 1 {
		t.Errorf("the next day: %d", got)
	}
	if got := table.Add(tag("a@example.com", "192.0.2.1", 9), today, 2); got != 2 {
		t.Errorf("before midnight: %d", got)
	}
}

func TestReportsAreBounded(t *testing.T) {
	table, reported := newTable()
	for i := range 1000 {
		for n := range 3 {
			table.Add(tag(fmt.Sprintf("user%d@example.com", i), fmt.Sprintf("10.%d.%d.1", i/256, i%256), n), today, 1)
		}
	}
	if len(*reported) != maxReports {
		t.Errorf("%d reports", len(*reported))
	}
	table.Add(tag("a@example.com", "", 1), today+1, 1)
	table.Add(tag("a@example.com", "", 2), today+1, 1)
	if len(*reported) != maxReports+1 {
		t.Errorf("%d reports the next day", len(*reported))
	}
}

// Whatever is made up, no mailbox and no network gets more wrong tags told in a day than it may: a counter is shared, and never forgotten.
func TestNoneIsForgotten(t *testing.T) {
	const most = 10
	table, _ := newTable()
	r := rand.New(rand.NewPCG(1, 2026))
	mailboxes, networks := map[string]int{}, map[string]int{}
	told := 0
	for i := range 200_000 {
		mailbox, client := fmt.Sprintf("user%d@example.com", r.IntN(100)), fmt.Sprintf("10.0.%d.1", r.IntN(100))
		if i%2 == 0 { // made up
			mailbox, client = fmt.Sprintf("made-up%d@example.com", i), fmt.Sprintf("10.%d.%d.1", 1+r.IntN(200), r.IntN(256))
		}
		if table.Add(tag(mailbox, client, i), today, most) > most {
			continue
		}
		told++
		mailboxes[mailbox]++
		networks[client]++
		if mailboxes[mailbox] > most || networks[client] > most {
			t.Fatalf("%d were told for %s, %d from %s", mailboxes[mailbox], mailbox, networks[client], client)
		}
	}
	if told == 0 {
		t.Error("none was told")
	}
	if n := testing.AllocsPerRun(100, func() { table.Count("user1@example.com", netip.Addr{}, today) }); n > 0 {
		t.Errorf("a look allocates %v times", n)
	}
}

// About one wrong tag in 16 covers right ones: always the same ones, which differ from mailbox to mailbox.
func TestCover(t *testing.T) {
	const n = 1 << 14
	covers, both, mornings := 0, 0, 0
	for i := range n {
		a, b := tag("a@example.com", "", i), tag("b@example.com", "192.0.2.1", i)
		again := tag("a@example.com", "192.0.2.1", i)
		if Covers(a.Key) != Covers(again.Key) {
			t.Fatal("another client makes a difference")
		}
		if Covers(a.Key) {
			covers++
			if d := TimeOfDay(a.Key); d < 0 || d >= 24*time.Hour {
				t.Fatalf("the time of day is %v", d)
			} else if d < 12*time.Hour {
				mornings++
			}
			if Covers(b.Key) {
				both++
			}
		}
	}
	if covers < n/16*8/10 || covers > n/16*12/10 {
		t.Errorf("%d of %d tags cover right ones", covers, n)
	}
	if mornings < covers/3 || mornings > covers*2/3 {
		t.Errorf("%d of %d begin before noon", mornings, covers)
	}
	if both > covers/4 {
		t.Errorf("%d of %d do so for another mailbox, too", both, covers)
	}
}
