package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// A mailKind is one sort of mail of the soak.
type mailKind int

const (
	kindOutbound mailKind = iota // of an authenticated client, to be signed
	kindInbound                  // ordinary, to an address without a tag
	kindTagged                   // ordinary, to a tagged address: a reply to the envelope sender
	kindBounce                   // to a genuine tag, with the headers of the message returned
	kindReceipt                  // a read receipt (RFC 8098) to the address without a tag, which names a message that was sent
	kindForged                   // a bounce or receipt about a message that was never sent
	mailKinds
)

func (k mailKind) String() string {
	return [...]string{"outbound", "inbound", "to a tag", "bounce", "receipt", "forged"}[k]
}

// share returns how many of 100 messages are of the kind.
func (k mailKind) share() int { return [...]int{30, 25, 5, 12, 8, 20}[k] }

// A sending is a message that went out, or is to go out: what answers to it must know.
type sending struct {
	signer    int    // index of the sender
	tagged    string // the envelope sender that it got; empty as long as it was not accepted
	messageID string // with angle brackets
	date      string // RFC 5322
}

// A letter is a message on its way to the milter until its fate is settled, however many tries that takes.
type letter struct {
	kind  mailKind
	about sending
	sort  int       // of the forgery
	tries int       // that have had no final answer
	due   time.Time // of the next try
}

// The sorts of forgeries take turns.
const (
	forgedSignature = iota // a genuine tag with another signature
	forgedTag              // a tag made up
	forgedBounce           // no tag
	forgedReceipt          // no tag, a receipt
	forgedSorts
)

// A mailRoom writes the letters of the soak. It remembers a bounded number of the messages that went out: the last ones, and
// a random sample of all (algorithm R).
type mailRoom struct {
	ids     *idSource
	signers []signer
	random  *rand.Rand
	recent  []sending // a ring
	sample  []sending
	sent    int // messages that were accepted
	forged  int
}

const (
	remembered  = 10_000 // messages in each of the two memories
	soakSenders = 1000
)

// newRandom returns numbers for the mail of a seed.
func newRandom(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0)) }

func newMailRoom(ids *idSource, random *rand.Rand) *mailRoom {
	return &mailRoom{ids: ids, random: random, signers: newSigners(soakSenders, "soak")}
}

// remember keeps a message that was accepted and signed.
func (r *mailRoom) remember(s sending) {
	if len(r.recent) < remembered {
		r.recent, r.sample = append(r.recent, s), append(r.sample, s)
	} else {
		r.recent[r.sent%remembered] = s
		if at := r.random.IntN(r.sent + 1); at < remembered {
			r.sample[at] = s
		}
	}
	r.sent++
}

// any returns one of the messages that went out: a recent one or one of all, equally often. There must be one.
func (r *mailRoom) any() sending {
	from := r.recent
	if r.random.IntN(2) == 0 {
		from = r.sample
	}
	return from[r.random.IntN(len(from))]
}

// letter returns a new one that is due now.
func (r *mailRoom) letter(now time.Time) *letter {
	l := &letter{kind: r.kind(), due: now}
	switch {
	case l.kind == kindOutbound || l.kind == kindInbound || r.sent == 0:
		if r.sent == 0 {
			l.kind = kindOutbound // the others need one that went out
		}
		l.about = r.fresh(now)
	case l.kind == kindForged:
		genuine := r.any()
		l.sort, l.about = r.forged%forgedSorts, r.fresh(now)
		l.about.signer, l.about.tagged = genuine.signer, genuine.tagged
		r.forged++
		switch l.sort {
		case forgedSignature:
			l.about.tagged = forge(genuine.tagged)
		case forgedTag:
			l.about.tagged = fmt.Sprintf("prvs=%d%03d%06x=%s", r.random.IntN(10), r.random.IntN(1000), r.random.IntN(1<<24),
				r.signers[genuine.signer].address)
		}
	default:
		l.about = r.any()
	}
	return l
}

func (r *mailRoom) kind() mailKind {
	n := r.random.IntN(100)
	for k := range mailKinds {
		if n -= k.share(); n < 0 {
			return k
		}
	}
	panic("the shares of the kinds are less than 100")
}

// fresh returns a message that nobody has sent before.
func (r *mailRoom) fresh(now time.Time) sending {
	return sending{
		signer: r.random.IntN(len(r.signers)), date: now.Format(time.RFC1123Z),
		messageID: "<" + now.Format("20060102150405.") + r.ids.next() + "@" + domain + ">",
	}
}

// compose writes the message of a letter. All of it but the queue ID is the same in each try.
func (r *mailRoom) compose(l *letter) message {
	s := r.signers[l.about.signer]
	switch {
	case l.kind == kindOutbound:
		m := newMail(s.address, outsider, s.login())
		m.setHeader("Message-ID", l.about.messageID)
		m.setHeader("Date", l.about.date)
		return m
	case l.kind == kindInbound:
		return newMail(outsider, s.address, "")
	case l.kind == kindTagged:
		m := newMail(outsider, l.about.tagged, "")
		m.signer = s.address
		return m
	case l.kind == kindReceipt, l.kind == kindForged && l.sort == forgedReceipt:
		return newReceipt(s.address, l.about.messageID)
	case l.kind == kindForged && l.sort == forgedBounce:
		return newBounceOf(s.address, s.address, l.about.messageID, l.about.date)
	default:
		return newBounceOf(l.about.tagged, s.address, l.about.messageID, l.about.date)
	}
}

// setHeader replaces the value of a header field that the message has.
func (m *message) setHeader(name, value string) {
	i := slices.IndexFunc(m.headers, func(h header) bool { return h.name == name })
	m.headers[i].value = text{value}
}

// newReceipt returns a message disposition notification (RFC 8098) about a message of the recipient.
func newReceipt(recipient, messageID string) message {
	const boundary = "4ZB.1795435200/mx.example.net"
	m := message{recipient: recipient, signer: recipient, headers: ordinaryHeaders(outsider, recipient)}
	m.headers = slices.DeleteFunc(m.headers, func(h header) bool { return h.name == "References" })
	m.setHeader("Subject", "Read: A message of quite ordinary length and content")
	m.setHeader("Content-Type", "multipart/report; report-type=disposition-notification;\n\tboundary=\""+boundary+"\"")
	m.body = newText(strings.ReplaceAll("--"+boundary+"\nContent-Type: text/plain; charset=us-ascii\n\n"+
		"The message was displayed. This is no guarantee that it was read.\n\n"+
		"--"+boundary+"\nContent-Type: message/disposition-notification\n\n"+
		"Reporting-UA: news.example.net; Thunderbird\nFinal-Recipient: rfc822;"+outsider+"\n"+
		"Original-Message-ID: "+messageID+"\nDisposition: manual-action/MDN-sent-manually; displayed\n\n"+
		"--"+boundary+"--\n", "\n", "\r\n"))
	m.setEnvelope(1000)
	return m
}
