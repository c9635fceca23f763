// Package guesses counts wrong tags by the mailbox and by the network that they come from: [Table.Add] counts one, [Table.Count] says how
// many came. What follows from a number, the policy decides; this package refuses nothing.
//
// The memory is fixed, whatever outsiders make up: counters are found by a hash, and two mailboxes may share one, with a chance of 1 in
// 65,536. A mailbox then seems to have got the wrong tags of both, which only changes the answers to wrong ones.
package guesses

import (
	"encoding/binary"
	"hash/maphash"
	"net/netip"
	"sync"
	"time"

	"github.com/bouncefilter/bouncefilter/filter/internal/bounded"
	"github.com/bouncefilter/bouncefilter/store"
)

const (
	// slots is how many counters there are of each sort. All of them take a megabyte.
	slots = 1 << 16
	// maxReports is how many mailboxes and networks are reported in a day: an attacker who makes up mailboxes must not fill the log.
	maxReports = 20
	// perNetwork is how many wrong tags from a network weigh as much as one to a mailbox: users share it.
	perNetwork = 10
	// coverShare is one in how many wrong tags covers right ones.
	coverShare = 16
)

// Tag is a wrong tag and where it came from.
type Tag struct {
	Mailbox string     // that it was for
	Client  netip.Addr // the zero Addr if it is not known
	Key     store.Key  // that [store.Hasher.WrongTag] returns for both
}

// Covers says whether a wrong tag is among those that cover right ones, by its key for the address that it may have been made for:
// always the same ones, on all nodes.
func Covers(k store.Key) bool { return k[store.KeySize-1]%coverShare == 0 }

// TimeOfDay is when, on the first day on which such a tag can have been issued, it begins to be answered like one that was: a right tag
// is issued with the first message of its sender on that day.
func TimeOfDay(k store.Key) time.Duration {
	return 24 * time.Hour * time.Duration(binary.BigEndian.Uint16(k[11:])) / (1 << 16)
}

// Many is a mailbox or a network from which so many wrong tags came that further ones are answered in another way.
type Many struct {
	What string // "address" or "network"
	Name string
	Most int // how many wrong tags of it are answered as ever in a day
}

// Table counts the different wrong tags of a day (UTC). It is safe for use by many goroutines.
type Table struct {
	report func(Many)

	mu        sync.Mutex
	seed      maphash.Seed
	day       store.Day
	mailboxes [slots]uint32
	networks  [slots]uint32
	seen      [slots]uint64 // a part of the key of the tag that was counted last of those that share the slot; 0 for none
	reports   int           // on that day
	beyond    uint64        // since the start
}

// New makes a table. report is called once a day for each mailbox and network that gets beyond what is answered as ever, but for no more
// than 20 of them.
func New(report func(Many)) *Table {
	return &Table{report: report, seed: maphash.MakeSeed()}
}

// Add counts a wrong tag, of which most to one mailbox are answered as ever in a day, and returns how many different ones came today to its
// mailbox or, if that is more, a tenth of how many came from its network. A tag that comes again is not counted again, as long as no other has taken its slot.
func (t *Table) Add(tag *Tag, today store.Day, most int) uint32 {
	many := make([]Many, 0, 2)
	t.mu.Lock()
	t.begin(today)
	mailbox, network := t.counters(tag.Mailbox, tag.Client)
	slot, mark := &t.seen[binary.BigEndian.Uint16(tag.Key[1:])], binary.BigEndian.Uint64(tag.Key[3:])|1
	if *slot != mark {
		*slot = mark
		if *mailbox++; int64(*mailbox) == int64(most)+1 {
			many = t.note(many, Many{"address", tag.Mailbox, most})
		}
		if network != nil {
			if *network++; int64(*network) == perNetwork*int64(most)+1 {
				many = t.note(many, Many{"network", bounded.Network(tag.Client).String(), perNetwork * most})
			}
		}
	}
	n := weight(mailbox, network)
	if int64(n) > int64(most) {
		t.beyond++
	}
	t.mu.Unlock()
	for _, m := range many {
		t.report(m)
	}
	return n
}

// Count returns how many different wrong tags came today to a mailbox or, if that is more, a tenth of how many came from the network of a
// client.
func (t *Table) Count(mailbox string, client netip.Addr, today store.Day) uint32 {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.begin(today)
	return weight(t.counters(mailbox, client))
}

// Beyond returns how many wrong tags came beyond what is answered as ever, since the start.
func (t *Table) Beyond() uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.beyond
}

// begin begins a new day. A message that began before midnight counts for the day that has begun.
func (t *Table) begin(today store.Day) {
	if today <= t.day {
		return
	}
	t.day, t.reports = today, 0
	clear(t.mailboxes[:])
	clear(t.networks[:])
	clear(t.seen[:])
}

// counters returns the counters of a mailbox and of the network of a client; nil if that is not known.
func (t *Table) counters(mailbox string, client netip.Addr) (byMailbox, byNetwork *uint32) {
	byMailbox = &t.mailboxes[maphash.String(t.seed, mailbox)%slots]
	if n := bounded.Network(client); n.IsValid() {
		byNetwork = &t.networks[maphash.Comparable(t.seed, n)%slots]
	}
	return byMailbox, byNetwork
}

func weight(byMailbox, byNetwork *uint32) uint32 {
	if byNetwork == nil {
		return *byMailbox
	}
	return max(*byMailbox, (*byNetwork+perNetwork-1)/perNetwork)
}

// note adds one to what is to be reported, unless enough was reported today.
func (t *Table) note(list []Many, m Many) []Many {
	if t.reports >= maxReports {
		return list
	}
	t.reports++
	return append(list, m)
}
