package guard

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"math"

	"github.com/bouncefilter/bouncefilter/store"
)

// The journal's file. Its first block has the magic, the mark of a gap (see journal.mark) and the time of journal.alive; only these two are
// ever overwritten in place. Frames follow, one for each entry, then zeros:
//
//	length of the entry   2 octets, little endian, and once more with all bits inverted
//	CRC-32C               4 octets: of the length and the entry
//	entry                 day, domain and records, see appendEntry
//	padding               1 to 8 octets 0xff, up to a multiple of 8
//
// A frame begins on a multiple of 8, so that no sector of the disk ends within its first 8 octets, and ends with an octet
// that is not zero. This distinguishes a frame that a crash has torn from one that was on disk and was damaged there.
const (
	journalMagic = "bouncefilter journal 1\n"
	journalBlock = 4096 // where frames begin
	journalGapAt = 64   // offset of the mark, see mark.octets

	noGap, isGap = '-', 'G' // any mark but noGap is a gap

	frameHead   = 8
	frameAlign  = 8
	framePad    = 0xff
	sectorSize  = 512
	maxEntry    = math.MaxUint16 // octets; a longer entry is split, see entryRecord
	maxDomain   = 1024           // octets; a domain name has 253
	readAhead   = 256 << 10
	minEntry    = 3
	maxRecord   = store.KeySize + 2*binary.MaxVarintLen32
	entrySpare  = maxDomain + 3*binary.MaxVarintLen32
	entryRecord = (maxEntry - entrySpare) / maxRecord // records in one entry at most
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// entry is what one message leaves behind, or a part of it: the arguments of one Record.
type entry struct {
	today   store.Day
	domain  string
	records []store.Record
}

// appendEntry appends e: the day, the length of the domain and the domain, then each record with its key, the days from
// the day to its last one, and its count. Numbers are varints.
func appendEntry(buf []byte, e entry) []byte {
	buf = binary.AppendVarint(buf, int64(e.today))
	buf = binary.AppendUvarint(buf, uint64(len(e.domain)))
	buf = append(buf, e.domain...)
	for _, r := range e.records {
		buf = append(buf, r.Key[:]...)
		buf = binary.AppendVarint(buf, int64(r.Expires)-int64(e.today))
		buf = binary.AppendUvarint(buf, uint64(r.Count))
	}
	return buf
}

var errEntry = errors.New("malformed entry")

// parseEntry is the inverse of appendEntry.
func parseEntry(b []byte) (e entry, err error) {
	today, n := binary.Varint(b)
	if n <= 0 || today < math.MinInt32 || today > math.MaxInt32 {
		return entry{}, errEntry
	}
	e.today, b = store.Day(today), b[n:]
	length, n := binary.Uvarint(b)
	if n <= 0 || length > maxDomain || length > uint64(len(b)-n) {
		return entry{}, errEntry
	}
	e.domain, b = string(b[n:n+int(length)]), b[n+int(length):]
	e.records = make([]store.Record, 0, len(b)/(store.KeySize+2))
	for len(b) > 0 {
		if len(b) < store.KeySize {
			return entry{}, errEntry
		}
		r := store.Record{Key: store.Key(b[:store.KeySize])}
		days, n := binary.Varint(b[store.KeySize:])
		if n <= 0 || days < 2*math.MinInt32 || days > 2*math.MaxInt32+1 {
			return entry{}, errEntry
		}
		expires := today + days
		b = b[store.KeySize+n:]
		count, n := binary.Uvarint(b)
		if n <= 0 || count > math.MaxUint32 || expires < math.MinInt32 || expires > math.MaxInt32 {
			return entry{}, errEntry
		}
		r.Expires, r.Count, b = store.Day(expires), uint32(count), b[n:]
		e.records = append(e.records, r)
	}
	return e, nil
}

// appendFrames appends e in as many frames as it takes.
func appendFrames(buf []byte, e entry) (_ []byte, frames int) {
	for rest := e.records; len(rest) > 0; frames++ {
		n := min(len(rest), entryRecord)
		buf = appendFrame(buf, entry{e.today, e.domain, rest[:n]})
		rest = rest[n:]
	}
	return buf, frames
}

func appendFrame(buf []byte, e entry) []byte {
	start := len(buf)
	buf = appendEntry(append(buf, make([]byte, frameHead)...), e)
	length := len(buf) - start - frameHead
	binary.LittleEndian.PutUint16(buf[start:], uint16(length))
	binary.LittleEndian.PutUint16(buf[start+2:], ^uint16(length))
	binary.LittleEndian.PutUint32(buf[start+4:], frameSum(buf[start:start+frameHead+length]))
	for n := frameSize(length) - frameHead - length; n > 0; n-- {
		buf = append(buf, framePad)
	}
	return buf
}

// frameSum returns the checksum of a frame without its padding.
func frameSum(frame []byte) uint32 {
	return crc32.Update(crc32.Checksum(frame[:4], castagnoli), castagnoli, frame[frameHead:])
}

// frameLength returns the length of the entry of a frame, if it is not damaged.
func frameLength(head []byte) (length int, ok bool) {
	n := binary.LittleEndian.Uint16(head)
	return int(n), n == ^binary.LittleEndian.Uint16(head[2:])
}

// frameSize returns the size of the frame of an entry: there is always some padding.
func frameSize(length int) int { return (frameHead+length)/frameAlign*frameAlign + frameAlign }

// frames reads the frames of a file, one after the other.
type frames struct {
	file    io.ReaderAt
	at      int64  // behind the last frame that was read
	end     int64  // where the file ends, or cannot be read
	damaged bool   // some octets between frames could not be read
	err     error  // why the file could not be read
	buf     []byte // the file from base on
	base    int64
}

// view returns n octets of the file, or fewer at its end.
func (f *frames) view(at int64, n int) []byte {
	n = int(min(int64(n), f.end-at))
	if n <= 0 {
		return nil
	}
	if at < f.base || at+int64(n) > f.base+int64(len(f.buf)) {
		size := int(min(int64(max(n, readAhead)), f.end-at))
		if cap(f.buf) < size {
			f.buf = make([]byte, size)
		}
		f.buf, f.base = f.buf[:size], at
		if got, err := f.file.ReadAt(f.buf, at); got < size {
			f.err = err
			f.buf, f.end = f.buf[:got], at+int64(got)
			n = min(n, got)
		}
	}
	return f.buf[at-f.base:][:n]
}

// next returns the next entry, or false at the end. It skips what cannot be read, and sets damaged.
func (f *frames) next() (entry, bool) {
	for at := f.at; at+frameHead <= f.end; {
		frame := f.frame(at)
		if frame == nil {
			at += frameAlign
			continue
		}
		f.damaged = f.damaged || at > f.at
		at += int64(frameSize(len(frame) - frameHead))
		f.at = at
		if e, err := parseEntry(frame[frameHead:]); err == nil {
			return e, true
		}
		f.damaged = true
	}
	return entry{}, false
}

// frame returns the frame that begins at the offset at, without its padding, or nil if no whole and undamaged frame begins there.
func (f *frames) frame(at int64) []byte {
	head := f.view(at, frameHead)
	if len(head) < frameHead {
		return nil
	}
	length, ok := frameLength(head)
	if !ok || length < minEntry {
		return nil
	}
	sum := binary.LittleEndian.Uint32(head[4:])
	size := frameSize(length)
	frame := f.view(at, size)
	if len(frame) < size || frame[size-1] != framePad {
		return nil
	}
	if frame = frame[:frameHead+length]; frameSum(frame) != sum {
		return nil
	}
	return frame
}

// rest is what the file has behind the last frame that can be read.
type rest int

const (
	nothing    rest = iota // zeros, or the end of the file
	torn                   // remains of frames that were being written when the host crashed
	unreadable             // a damaged frame, or the file could not be read
)

// tail says what the file has behind the last frame.
//
// A torn frame lacks its last octet, or whole sectors. A frame that lacks neither, and cannot be read, was on disk once, and its record
// may have been acknowledged.
func (f *frames) tail() rest {
	at := f.at
	empty := true
	for p := at; p < f.end && empty; p += readAhead {
		empty = isZero(f.view(p, readAhead))
	}
	head := f.view(at, frameHead)
	switch {
	case f.err != nil:
		return unreadable
	case empty:
		return nothing
	case len(head) < frameHead || isZero(f.view(at, inSector(at))):
		return torn
	}
	length, ok := frameLength(head)
	if !ok {
		if isZero(f.view(at+frameHead, frameAlign)) { // no frame has only zeros there
			return torn
		}
		return unreadable
	}
	size := frameSize(length)
	frame := f.view(at, size)
	if len(frame) < size || frame[size-1] == 0 {
		return torn
	}
	for len(frame) > 0 {
		n := min(len(frame), inSector(at))
		if isZero(frame[:n]) {
			return torn
		}
		frame, at = frame[n:], at+int64(n)
	}
	return unreadable
}

// inSector returns how many octets there are from the offset at to the end of its sector.
func inSector(at int64) int { return sectorSize - int(at%sectorSize) }

func isZero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}
