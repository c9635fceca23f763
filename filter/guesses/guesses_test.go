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
		{"a@example.com", "203.0.113.1", 3, 3},
		{"b@example.com", "192.0.2.9", 1, 1},
		{"b@example.com", "", 2, 2}, // the client is not known
	} {
		if got := table.Add(tag(step.mailbox, step.client, step.n), today, 2); got != step.want {
			t.Errorf("step %d: %d, want %d", i, got, step.want)
		}
	}
	for n := range 21 { // ten from a network are one
		client := fmt.Sprintf("2001:db8::%x", n)
		if got := table.Add(tag(fmt.Sprintf("c%d@example.com", n), client, 1), today, 2); got != uint32(n)/10+1 {
			t.Errorf("number %d from a network: %d", n+1, got)
		}
	}
	if got := table.Count("d@example.com", netip.MustParseAddr("2001:db8::ffff"), today); got != 3 {
		t.Errorf("%d for another mailbox", got)
	}
	if got := table.Count("a@example.com", netip.MustParseAddr("198.51.100.1"), today); got != 3 {
		t.Errorf("%d from another network", got)
	}
	if got, want := strings.Join(*reported, "; "), "address a@example.com 2; network 2001:db8::/64 20"; got != want {
		t.Errorf("reported %s\nwant %s", got, want)
	}
	if table.Beyond() != 2 {
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
		if mailboxes[mailbox] > most || networks[client] > perNetwork*most {
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
