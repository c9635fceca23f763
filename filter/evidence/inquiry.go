package evidence

import (
	"context"
	"slices"

	"github.com/bouncefilter/bouncefilter/filter/bounce"
	"github.com/bouncefilter/bouncefilter/filter/policy"
	"github.com/bouncefilter/bouncefilter/prvs"
	"github.com/bouncefilter/bouncefilter/store"
)

// maxQueries bounds what the store is asked about one bounce. A bounce has one recipient and names a handful of messages;
// recipients for whom nothing can be asked any more are judged without.
const maxQueries = 2000

// Inquiry is what the store is asked about the recipients of one bounce, in one round trip.
type Inquiry struct {
	policy  *policy.Policy
	hasher  *store.Hasher
	today   store.Day
	failed  []string // recipients that the bounce names as failed, see failedRecipients
	queries []store.Query
	about   []question // one for each recipient
}

// NewInquiry begins an inquiry about a bounce. The report is nil if the content was not read.
func NewInquiry(p *policy.Policy, h *store.Hasher, today store.Day, r *bounce.Report) *Inquiry {
	return &Inquiry{policy: p, hasher: h, today: today, failed: failedRecipients(r)}
}

// question is what is asked about one recipient, as ranges and positions in the queries.
type question struct {
	issued   span // its tag, or mail of it that was left unsigned on purpose
	use      use
	cut      bool // what it names may be behind what was read
	messages []candidate
	domain   string         // that may prove it
	domains  span           // of the correspondent, for each of senders
	trusted  int            // messages that were accepted today for the domain alone
	unproven span           // messages that were accepted today within the allowance; empty if that is not asked
	senders  []prvs.Address // the mailboxes that the recipient without its tag may mean
}

type span struct{ from, to int }

func (s span) empty() bool { return s.from == s.to }

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

// Finding is what the record says about one recipient.
type Finding struct {
	Issued policy.Issued
	Use    policy.TagUse
	Proof  policy.Proof

	Message string // the Message-ID that proves the bounce, or has proven too many
	SentTo  uint32 // recipients of that message
	Proven  uint32 // bounces that it has proven

	Domain  string // the domain that proves an automatic reply, or has proven too many
	Replies uint32 // automatic replies that were accepted today because of a domain alone
	// Unproven is how many messages were accepted today within the allowance.
	Unproven uint32

	ProofUsed     store.Record   // to be recorded if the bounce is delivered for its proof
	AllowanceUsed store.Record   // to be recorded if it is delivered within the allowance
	TagUsed       []store.Record // to be recorded if the bounce is delivered
}

// Ask adds the questions about one recipient with its tag. The content of the bounce names e; nil if no proof is asked for.
func (q *Inquiry) Ask(a prvs.Address, tag prvs.Result, e *Named) {
	sender := Sender(a, tag)
	about := question{senders: q.policy.Mailboxes(sender)}
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
		q.askProof(&about, sender, e)
	}
	q.about = append(q.about, about)
}

// askUse adds the questions how much a tag was used. All about it expires with it.
func (q *Inquiry) askUse(about *question, tag prvs.Result) {
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

func (q *Inquiry) askProof(about *question, sender prvs.Address, e *Named) {
	about.cut = e.Cut
	for _, id := range slices.Concat(e.Messages, e.Quoted) {
		for _, s := range about.senders {
			if len(q.queries)+2 > maxQueries {
				return
			}
			about.messages = append(about.messages, candidate{len(q.queries), id})
			q.add(q.hasher.Message(s.String(), id), 0)
			q.add(q.hasher.Proven(s.String(), id), 0)
		}
	}
	if len(q.queries)+len(about.senders)+2 > maxQueries {
		return
	}
	counted := q.policy.BareMailbox(sender).String() // no extension or alias brings a daily count of its own
	if e.Domain != "" {
		about.domain = e.Domain
		about.domains.from = len(q.queries)
		for _, s := range about.senders {
			q.add(q.hasher.Correspondent(s.String(), e.Domain), 0)
		}
		about.domains.to = len(q.queries)
		about.trusted = len(q.queries)
		q.add(q.hasher.Trusted(counted), q.today)
	}
	if q.policy.Allowance(e.Content, e.Unclear, e.Anonymous()) > 0 {
		about.unproven.from = len(q.queries)
		key := q.hasher.Unproven
		if e.Unclear {
			key = q.hasher.Unclear // mail of programs must not use up what answers have
		}
		q.add(key(counted), q.today)
		about.unproven.to = len(q.queries)
	}
}

// Sender returns the address whose mail a bounce to a recipient with this tag answers.
func Sender(a prvs.Address, tag prvs.Result) prvs.Address {
	if tag.Status != prvs.Untagged && !tag.Original.IsNull() {
		a = tag.Original
	}
	return a
}

func (q *Inquiry) add(key store.Key, expires store.Day) {
	q.queries = append(q.queries, store.Query{Key: key, Expires: expires})
}

// Record is the record of sent mail. Its completeness must be one that can be relied upon.
type Record interface {
	Lookup(ctx context.Context, today store.Day, qs []store.Query) (store.Answer, error)
}

// Empty says whether there is nothing to ask the record.
func (q *Inquiry) Empty() bool { return len(q.queries) == 0 }

// Answer asks the record and returns what it says about each recipient, and since when it is complete. The error says that it did not
// answer.
func (q *Inquiry) Answer(ctx context.Context, s Record) ([]Finding, store.Completeness, error) {
	findings := make([]Finding, len(q.about))
	var a store.Answer
	var err error
	if len(q.queries) > 0 {
		a, err = s.Lookup(ctx, q.today, q.queries)
	}
	for i := range q.about {
		f := &findings[i]
		switch {
		case len(q.queries) == 0:
		case err == nil:
			*f = q.found(&q.about[i], a)
		case q.about[i].proofAsked():
			f.Proof = policy.ProofUnknown
		}
		if q.about[i].cut && (f.Proof == policy.ProofNone || f.Proof == policy.ProofAbsent) {
			f.Proof = policy.ProofUnread
		}
	}
	return findings, a.Complete, err
}

// Gaps returns the times of which a record with this completeness may be missing.
func Gaps(c store.Completeness) []policy.Span {
	if len(c.Gaps) == 0 {
		return nil
	}
	gaps := make([]policy.Span, len(c.Gaps))
	for i, g := range c.Gaps {
		gaps[i] = policy.Span(g)
	}
	return gaps
}

func (about *question) proofAsked() bool {
	return len(about.messages) > 0 || about.domain != "" || !about.unproven.empty()
}

func (q *Inquiry) found(about *question, a store.Answer) Finding {
	var f Finding
	if s := about.issued; s.from < s.to {
		f.Issued = policy.IssuedNo
		if slices.Contains(a.Found[s.from:s.to], true) {
			f.Issued = policy.IssuedYes
		}
	}
	if about.use.answered > 0 && f.Issued == policy.IssuedYes {
		q.foundUse(&f, about, a)
	}
	if about.proofAsked() {
		q.foundProof(&f, about, a)
	}
	return f
}

// foundProof finds out whether the record proves the bounce.
func (q *Inquiry) foundProof(f *Finding, about *question, a store.Answer) {
	p := q.policy
	if at := about.unproven.from; !about.unproven.empty() {
		f.Unproven = a.Counts[at]
		f.AllowanceUsed = store.Record{Key: q.queries[at].Key, Expires: q.today, Count: 1}
	}
	if len(about.messages) == 0 && about.domain == "" {
		return
	}
	f.Proof = policy.ProofAbsent
	for _, m := range about.messages {
		if !a.Found[m.at] {
			continue
		}
		f.Message, f.SentTo, f.Proven = m.id, a.Counts[m.at], a.Counts[m.at+1]
		if p.ProvesMore(f.SentTo, f.Proven) {
			f.Proof = policy.ProofMessage
			f.ProofUsed = store.Record{Key: q.queries[m.at+1].Key, Expires: q.today + store.Day(p.Settings().Proofs.Retention), Count: 1}
			return
		}
		f.Proof = policy.ProofSpent
	}
	if s := about.domains; slices.Contains(a.Found[s.from:s.to], true) {
		f.Proof = policy.ProofSpent
		f.Domain, f.Replies = about.domain, a.Counts[about.trusted]
		if p.TrustsMore(f.Replies) {
			f.Proof = policy.ProofCorrespondent
			f.ProofUsed = store.Record{Key: q.queries[about.trusted].Key, Expires: q.today, Count: 1}
		}
	}
}

// foundUse finds out how much a tag was used that is on record, and what the bounce adds to it. What it names is recorded only within
// the budget: an attacker who harvested a tag must not be able to fill the store.
func (q *Inquiry) foundUse(f *Finding, about *question, a store.Answer) {
	u := about.use
	f.Use = policy.TagUse{Recipients: a.Counts[about.issued.from], Bounces: a.Counts[u.answered]}
	f.TagUsed = []store.Record{{Key: q.queries[u.answered].Key, Expires: u.expires, Count: 1}}
	if u.failed == 0 {
		return
	}
	f.Use.Failed = a.Counts[u.failed]
	var named []store.Record
	for at := u.named.from; at < u.named.to; at++ {
		if !a.Found[at] {
			named = append(named, store.Record{Key: q.queries[at].Key, Expires: u.expires})
		}
	}
	f.Use.NewFailed = uint32(len(named))
	if len(named) > 0 && q.policy.AnswersMore(f.Use) {
		f.TagUsed = append(f.TagUsed, store.Record{Key: q.queries[u.failed].Key, Expires: u.expires, Count: f.Use.NewFailed})
		f.TagUsed = append(f.TagUsed, named...)
	}
}
