package redis

import (
	"cmp"
	"encoding/binary"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/bouncefilter/bouncefilter/store"
)

// periodDays is the length of a period, whose records expire together. A lookup that does not know when its keys expire asks all
// periods that are not over. With periods of one day these would be many commands; longer ones keep records for longer than needed.
const periodDays = 8

// period is a period's number: those periods that begin with day 0, 8, 16 and so on.
type period int32

func periodOf(d store.Day) period {
	p := d / periodDays
	if d%periodDays < 0 {
		p--
	}
	return period(p)
}

// listedPeriods is for how many periods after its own a layer stays listed in the shard's state. A clock that is days ahead must not hide
// the records of today.
const listedPeriods = 4

// end is when the records of the period are removed. The day added lets clocks differ.
func (p period) end() time.Time { return (store.Day(p+1)*periodDays + 1).Time() }

// Redis stores a hash of up to 128 fields in 24 octets a field, a larger one in 83 (hash-max-listpack-entries, a setting of the
// operator's), and a hash for each record would take about 150. So records are in buckets, and the number of buckets follows the number
// of records: see the package comment. A lookup asks all layers of a period, mostly one: there are more only in the first period, and
// when the site sends more mail than before.
const (
	// minBits is the number of buckets in the smallest layer, as a power of two: room for some 60,000 records. In a cluster the
	// smallest layer of a shard has minShardBits.
	minBits      = 9
	minShardBits = 2
	// maxBits is room for 10^10 records in a period, in a cluster for each shard.
	maxBits = 26
	// growBits is by how many bits a layer is larger than the one before.
	growBits = 2
	// full is how many records make a bucket full. Records that other nodes still add to it must not make it larger than 128.
	full = 112
)

// layer is a period's records in a number of buckets.
type layer struct {
	period period
	bits   int
}

// compareLayers orders layers by period and size.
func compareLayers(a, b layer) int {
	return cmp.Or(cmp.Compare(a.period, b.period), cmp.Compare(a.bits, b.bits))
}

func (l layer) field() string {
	return fieldPeriod + strconv.Itoa(int(l.period)) + ":" + strconv.Itoa(l.bits)
}

// parseLayer reads the name of a field behind "p:". ok is false for a layer that this version does not write.
func parseLayer(s string) (l layer, ok bool) {
	p, b, _ := strings.Cut(s, ":")
	number, err := strconv.ParseInt(p, 10, 32)
	if err != nil {
		return layer{}, false
	}
	bits, err := strconv.Atoi(b)
	return layer{period(number), bits}, err == nil && bits >= 0 && bits <= maxBits
}

// bucket returns the name of the hash that holds k in a layer. The octets of a key behind the first one are as good as random.
func (l layout) bucket(in layer, k store.Key) string {
	name := make([]byte, 0, 64)
	name = append(name, l.within(l.shardOf(k))...)
	name = append(name, "records:"...)
	name = strconv.AppendInt(name, int64(in.period), 10)
	name = append(name, ':')
	name = strconv.AppendInt(name, int64(in.bits), 10)
	name = append(name, ':')
	number := binary.BigEndian.AppendUint32(nil, binary.BigEndian.Uint32(k[1:])>>(32-in.bits))
	name = hex.AppendEncode(name, number[(32-in.bits)/8:])
	return string(name)
}

// shard is what this process knows of a shard.
type shard struct {
	layers   atomic.Pointer[[]layer] // that may hold records, in order
	run      atomic.Pointer[string]  // identity of the process that answered last; nil if none did
	crowded  atomic.Int64            // until when its state is not read, see crowdedPause, in seconds since 1970
	samples  samples
	complete atomic.Pointer[store.Completeness] // that was seen; nil if none was
}

// remembered is the completeness that this process has seen.
func (sh *shard) remembered() store.Completeness {
	if c := sh.complete.Load(); c != nil {
		return *c
	}
	return store.Completeness{}
}

// seen takes in the completeness in the shard's state, and returns it with what was seen before: who takes a gap away cannot make what was
// lost count as on record.
func (sh *shard) seen(c store.Completeness) store.Completeness {
	for {
		before := sh.complete.Load()
		next := c.With(sh.remembered())
		if c.Since.IsZero() || before != nil && before.Equal(next) || sh.complete.CompareAndSwap(before, &next) {
			return next
		}
	}
}

// known returns the layers that may hold records.
func (sh *shard) known() []layer {
	if l := sh.layers.Load(); l != nil {
		return *l
	}
	return nil
}

// learn adds layers to those known.
func (sh *shard) learn(ls []layer) {
	for {
		before := sh.layers.Load()
		known := sh.known()
		next := known
		for _, l := range ls {
			if at, found := slices.BinarySearchFunc(next, l, compareLayers); !found {
				next = slices.Insert(slices.Clone(next), at, l)
			}
		}
		if len(next) == len(known) || sh.layers.CompareAndSwap(before, &next) {
			return
		}
	}
}

// drop removes the layers of periods before a period.
func (sh *shard) drop(before period) {
	known := sh.layers.Load()
	if known == nil || len(*known) == 0 || (*known)[0].period >= before {
		return
	}
	next := slices.DeleteFunc(slices.Clone(*known), func(l layer) bool { return l.period < before })
	sh.layers.CompareAndSwap(known, &next) // or the next caller does it
}

// writeTo returns the layer that new records of a period go to: its largest, or else one as large as the largest of the latest earlier
// period.
func (sh *shard) writeTo(p period, smallest int) layer {
	bits := smallest
	for _, l := range sh.known() {
		if l.period <= p {
			bits = max(l.bits, smallest) // the last one is the largest of its period
		}
	}
	return layer{p, bits}
}

// readFrom returns the layers in which to look for a record that expires on a day, or, if that is 0, after today.
func readFrom(ls []layer, expires, today store.Day) []layer {
	first, last := periodOf(today), period(1<<31-1)
	if expires != 0 {
		first = periodOf(expires)
		last = first
	}
	from, _ := slices.BinarySearchFunc(ls, layer{first, 0}, compareLayers)
	to := from
	for to < len(ls) && ls[to].period <= last {
		to++
	}
	return ls[from:to]
}
