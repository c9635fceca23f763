package figures

import (
	"encoding/binary"

	"github.com/bouncefilter/bouncefilter/store"
)

// packed is an hour and a key in few octets, for maps: the hour, the place of the topic in [Topics], and the fields of the key, each behind
// its length.
type packed []byte

const (
	packedHour  = 4 // octets
	packedTopic = packedHour
)

// set packs an hour and a key in place of what p has.
func (p *packed) set(hour store.Hour, k *Key) {
	b := binary.BigEndian.AppendUint32((*p)[:0], uint32(hour))
	b = append(b, byte(k.Topic.index()))
	fields, n := k.fields()
	for _, f := range fields[:n] {
		b = binary.AppendUvarint(b, uint64(len(*f)))
		b = append(b, *f...)
	}
	*p = b
}

// key returns the key without its hour, still packed.
func (p packed) key() []byte { return p[packedTopic:] }

// unpack returns what set has packed.
func (p packed) unpack() (hour store.Hour, k Key) {
	k.Topic = Topics[p[packedTopic]]
	rest := p[packedTopic+1:]
	fields, n := k.fields()
	for _, f := range fields[:n] {
		length, size := binary.Uvarint(rest)
		rest = rest[size:]
		*f, rest = string(rest[:length]), rest[length:]
	}
	return store.Hour(binary.BigEndian.Uint32(p)), k
}
