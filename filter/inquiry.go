package filter

import (
	"context"
	"slices"

	"github.com/bouncefilter/bouncefilter/prvs"
	"github.com/bouncefilter/bouncefilter/store"
)

// maxQueries bounds what the store is asked about one bounce. A bounce has one recipient and names a handful of messages;
// recipients for whom nothing can be asked any more are judged without.
const maxQueries = 2000

// inquiry is what the store is asked about the recipients of one bounce, in one round trip.
type inquiry struct {
	hasher  *store.Hasher
	today   store.Day
	queries []store.Query
	about   []question // one for each recipient
}

// question is what is asked about one recipient, as ranges and positions in the queries.
type question struct {
	issued   span // its tag, or mail of it that was left unsigned on purpose
	messages []candidate
	domains  span     // for each of names and each of senders
	names    []string // of the domains
	trusted  int
	senders  []prvs.Address // the recipient without its tag, and without its extension
}

type span struct{ from, to int }

// candidate is a message that may prove the bounce. Its count of recipients and that of the bounces it has proven are asked
// for one after the other.
type candidate struct {
	at int // of the former
	id string
}

// finding is what the store knows about one recipient.
type finding struct {
	issued  Issued
	proof   Proof
	message string       // the Message-ID that proves the bounce
	domain  string       // the domain that speaks for it
	counted [2]uint32    // recipients of the message and bounces it has proven; automatic replies that were believed today
	use     store.Record // to be recorded if the proof is used
}

// ask adds the questions about one recipient. The content of the bounce names e.
func (q *inquiry) ask(a prvs.Address, tag prvs.Result, e *evidence) {
	if tag.Status != prvs.Untagged && !tag.Original.IsNull() {
		a = tag.Original
	}
	about := question{senders: withoutExtension(a.Fold())}
	about.issued.from = len(q.queries)
	switch tag.Status {
	case prvs.Valid:
		expires := store.Day(tag.Expiry)
		q.add(q.hasher.Tag(tag.Sender.Fold().String(), expires, tag.Number), expires)
	case prvs.Untagged:
		for _, s := range about.senders {
			q.add(q.hasher.Unsigned(s.String()), 0)
		}
	}
	about.issued.to = len(q.queries)
	if e != nil {
		q.askProof(&about, e)
	}
	q.about = append(q.about, about)
}

func (q *inquiry) askProof(about *question, e *evidence) {
	for _, id := range e.messages {
		for _, s := range about.senders {
			if len(q.queries)+2 > maxQueries {
				return
			}
			about.messages = append(about.messages, candidate{len(q.queries), id})
			q.add(q.hasher.Message(s.String(), id), 0)
			q.add(q.hasher.Proven(s.String(), id), 0)
		}
	}
	if len(e.domains) == 0 || len(q.queries)+len(e.domains)*len(about.senders)+1 > maxQueries {
		return
	}
	about.names = e.domains
	about.domains.from = len(q.queries)
	for _, d := range e.domains {
		for _, s := range about.senders {
			q.add(q.hasher.Correspondent(s.String(), d), 0)
		}
	}
	about.domains.to = len(q.queries)
	about.trusted = len(q.queries)
	q.add(q.hasher.Trusted(about.senders[0].String()), q.today)
}

func (q *inquiry) add(key store.Key, expires store.Day) {
	q.queries = append(q.queries, store.Query{Key: key, Expires: expires})
}

// source is what a bounce is looked up in. Its Memory is that which may be relied upon.
type source interface {
	Lookup(ctx context.Context, today store.Day, qs []store.Query) (store.Answer, error)
}

// answer asks s and returns what it knows about each recipient, and how far back. The error says that it did not answer.
func (q *inquiry) answer(ctx context.Context, s source, p *Policy) ([]finding, store.Memory, error) {
	findings := make([]finding, len(q.about))
	if len(q.queries) == 0 {
		return findings, store.Memory{}, nil
	}
	a, err := s.Lookup(ctx, q.today, q.queries)
	for i := range q.about {
		if err == nil {
			findings[i] = q.found(&q.about[i], a, p)
		} else if q.about[i].proofAsked() {
			findings[i].proof = ProofUnknown
		}
	}
	return findings, a.Memory, err
}

func (about *question) proofAsked() bool {
	return len(about.messages) > 0 || about.domains.from < about.domains.to
}

func (q *inquiry) found(about *question, a store.Answer, p *Policy) finding {
	var f finding
	if s := about.issued; s.from < s.to {
		f.issued = IssuedNo
		if slices.Contains(a.Found[s.from:s.to], true) {
			f.issued = IssuedYes
		}
	}
	if !about.proofAsked() {
		return f
	}
	f.proof = ProofAbsent
	for _, m := range about.messages {
		if !a.Found[m.at] {
			continue
		}
		f.message = m.id
		f.counted = [2]uint32{a.Counts[m.at], a.Counts[m.at+1]}
		if p.provesMore(f.counted[0], f.counted[1]) {
			f.proof = ProofMessage
			f.use = store.Record{Key: q.queries[m.at+1].Key, Expires: q.today + store.Day(p.set.Proofs.Retention), Count: 1}
			return f
		}
		f.proof = ProofSpent
	}
	s := about.domains
	if at := slices.Index(a.Found[s.from:s.to], true); at >= 0 {
		f.proof = ProofSpent
		f.domain = about.names[at/len(about.senders)]
		f.counted[0] = a.Counts[about.trusted]
		if p.trustsMore(f.counted[0]) {
			f.proof = ProofCorrespondent
			f.use = store.Record{Key: q.queries[about.trusted].Key, Expires: q.today, Count: 1}
		}
	}
	return f
}
