package bounce

import (
	"strings"
	"time"
)

// promptly is how soon most bounces are written.
const promptly = time.Hour

// maxReceived is how many Received fields of one returned message are read.
const maxReceived = 30

// Sent returns between which times a message in Originals was sent, by what the report tells of its way: the Date field of the returned
// header, its Received fields, and the arrival at the reporting MTA (Arrival-Date, RFC 3464 section 2.2.5).
//
// The Date is by the clock of the sender's program, which may be wrong by hours: ok is false unless a server tells a time as well. The Date
// of the report itself is such a time if it is at most an hour later, as of most bounces: then the message was sent between the two. A
// message that is named in another place than the one that returns it was sent when that one was; what it answers itself was not.
func (r *Report) Sent(o *Original) (from, until time.Time, ok bool) {
	for i := range r.Originals {
		returned := &r.Originals[i]
		if returned.Depth != o.Depth || len(returned.header) == 0 || o.refers() && o.MessageID != returned.MessageID {
			continue
		}
		s := returned.sent
		switch {
		case !s.known:
			return time.Time{}, time.Time{}, false
		case !ok:
			from, until, ok = s.from, s.until, true
		default:
			from, until = earlier(from, s.from), later(until, s.until)
		}
	}
	return from, until, ok
}

// refers says whether it is named in a field that may name another message than the one that is returned.
func (o *Original) refers() bool {
	return o.Source == InReplyTo || o.Source == References || o.Source == OriginalReferences
}

// span is a time with its beginning and its end, if they are known.
type span struct {
	known       bool
	from, until time.Time
}

// sent returns between which times a returned message was sent.
func (r *Report) sent(w *work, o *Original) span {
	var from, until time.Time
	servers := 0
	w.items(dateItems)
	tell := func(t time.Time) bool {
		if t.IsZero() {
			return false
		}
		if from.IsZero() {
			from, until = t, t
		}
		from, until = earlier(from, t), later(until, t)
		return true
	}
	read := 0
	for _, f := range o.header {
		if f.name != "received" {
			continue
		}
		if read++; read > maxReceived {
			return span{}
		}
		w.items(dateItems)
		if at := strings.LastIndexByte(f.value, ';'); at >= 0 && tell(date(strings.TrimSpace(f.value[at+1:]))) {
			servers++
		}
	}
	written := tell(date(o.header.get("date")))
	if o.Depth == 1 && written && tell(r.ArrivalDate) { // alone, it may be days later: the message may have waited for the server
		servers++
	}
	if servers == 0 && o.Depth == 1 && written {
		if passed := r.Date.Sub(until); passed >= 0 && passed <= promptly && tell(r.Date) {
			servers++
		}
	}
	return span{servers > 0, from, until}
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
