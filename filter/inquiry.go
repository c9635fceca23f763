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
	failed  []string // recipients that the bounce names as failed, see failedRecipients
	queries []store.Query
	about   []question // one for each recipient
}

// question is what is asked about one recipient, as ranges and positions in the queries.
type question struct {
	issued   span // its tag, or mail of it that was left unsigned on purpose
	use      use
	messages []candidate
	domains  span     // for each of names and each of senders
	names    []string // of the domains
	trusted  int
	senders  []prvs.Address // the recipient without its tag, and without its extension
}

type span struct{ from, to int }

// use is what is asked about the use of a tag. Where nothing is, the positions are 0.
type use struct {
	expires  store.Day
	answered int  // bounces that were accepted
	failed   int  // recipients that these named as failed
	named    span // those that this bounce names
}

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

	tag      TagUse
	answered []store.Record // to be recorded if the bounce is delivered
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
	if tag.Status == prvs.Valid {
		q.askUse(&about, tag)
	}
	if e != nil {
		q.askProof(&about, e)
	}
	q.about = append(q.about, about)
}

// askUse adds the questions how much a tag was used. All about it expires with it.
func (q *inquiry) askUse(about *question, tag prvs.Result) {
	sender, expires := tag.Sender.Fold().String(), store.Day(tag.Expiry)
	about.use = use{expires: expires, answered: len(q.queries)}
	q.add(q.hasher.Answered(sender, expires, tag.Number), expires)
	if len(q.failed) == 0 || len(q.queries)+1+len(q.failed) > maxQueries {
		return
	}
	about.use.failed = len(q.queries)
	q.add(q.hasher.Failed(sender, expires, tag.Number), expires)
	about.use.named.from = len(q.queries)
	for _, to := range q.failed {
		q.add(q.hasher.FailedRecipient(sender, expires, tag.Number, to), expires)
	}
	about.use.named.to = len(q.queries)
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
func (q *inquiry) answer(ctx context.Context, s source, p *Policy) ([]finding, store.Completeness, error) {
	findings := make([]finding, len(q.about))
	if len(q.queries) == 0 {
		return findings, store.Completeness{}, nil
	}
	a, err := s.Lookup(ctx, q.today, q.queries)
	for i := range q.about {
		if err == nil {
			findings[i] = q.found(&q.about[i], a, p)
		} else if q.about[i].proofAsked() {
			findings[i].proof = ProofUnknown
		}
	}
	return findings, a.Complete, err
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
	if about.use.answered > 0 && f.issued == IssuedYes {
		q.foundUse(&f, about, a, p)
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

// foundUse finds out how much a tag was used that is on record, and what the bounce adds to it. What it names is remembered only
// within the budget: whoever harvested a tag must not be able to fill the store.
func (q *inquiry) foundUse(f *finding, about *question, a store.Answer, p *Policy) {
	u := about.use
	f.tag = TagUse{Recipients: a.Counts[about.issued.from], Bounces: a.Counts[u.answered]}
	f.answered = []store.Record{{Key: q.queries[u.answered].Key, Expires: u.expires, Count: 1}}
	if u.failed == 0 {
		return
	}
	f.tag.Failed = a.Counts[u.failed]
	var named []store.Record
	for at := u.named.from; at < u.named.to; at++ {
		if !a.Found[at] {
			named = append(named, store.Record{Key: q.queries[at].Key, Expires: u.expires})
		}
	}
	f.tag.NewFailed = uint32(len(named))
	if len(named) > 0 && p.answersMore(f.tag) {
		f.answered = append(f.answered, store.Record{Key: q.queries[u.failed].Key, Expires: u.expires, Count: f.tag.NewFailed})
		f.answered = append(f.answered, named...)
	}
}
