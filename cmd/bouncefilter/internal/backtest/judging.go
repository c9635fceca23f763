package backtest

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"io"
	"maps"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/bouncefilter/bouncefilter/filter/bounce"
	"github.com/bouncefilter/bouncefilter/filter/evidence"
	"github.com/bouncefilter/bouncefilter/filter/judge"
	"github.com/bouncefilter/bouncefilter/filter/policy"
	"github.com/bouncefilter/bouncefilter/prvs"
	"github.com/bouncefilter/bouncefilter/store"
	"github.com/bouncefilter/bouncefilter/store/memory"
)

// judging is the second pass.
type judging struct {
	o        *Options
	s        *survey
	policy   *policy.Policy
	hasher   *store.Hasher
	record   *record
	domains  []string
	proposed bool
	sites    map[string]bool // registrable domains whose hosts are those of the site

	next      int // of the sent mail, which is recorded up to there
	messages  []Message
	notJudged int
	null      map[string]int // registrable domains of the authors of what is no bounce
}

// newJudging makes the policy and what the record needs. The keys are made up: no tag is verified, since saved mail has none.
func newJudging(o *Options, s *survey) (*judging, error) {
	j := &judging{o: o, s: s, sites: map[string]bool{}, null: map[string]int{}}
	settings := o.Settings
	settings.Domains = nil
	for _, d := range o.Settings.Domains {
		d.Mode = policy.ModeEnforce
		settings.Domains = append(settings.Domains, d)
		j.domains = append(j.domains, d.Name)
	}
	names := o.Domains
	if j.proposed = len(names)+len(settings.Domains) == 0; j.proposed {
		names = s.authors()
	}
	for _, name := range names {
		if policy.NewDomains(settings.Domains).Find(name) == nil {
			settings.Domains = append(settings.Domains, policy.Domain{Name: name, Mode: policy.ModeEnforce})
			j.domains = append(j.domains, prvs.FoldDomain(name))
		}
	}
	if len(settings.Domains) == 0 {
		return nil, ErrNoDomain
	}
	secret := make([]byte, 32)
	_, _ = rand.Read(secret) // never fails
	var err error
	if settings.Keys, err = prvs.NewRing([]prvs.Key{{Number: 1, State: prvs.StateSign, Secret: secret}}, o.Ring); err != nil {
		return nil, err
	}
	if j.policy, err = policy.New(settings); err != nil {
		return nil, err
	}
	j.hasher = store.NewHasher(secret)
	j.record = &record{
		Store: memory.NewWithClock(func() time.Time { return o.Now }), policy: j.policy, hasher: j.hasher, keep: o.retention(), logSince: s.logSince,
		saved: map[string]time.Time{}, wrote: map[string]time.Time{}, first: map[string]time.Time{},
	}
	if s.interrupted {
		j.record.logSince = time.Time{} // what was sent may be in what was not read
	} else {
		for i := range s.sent {
			j.record.cover(&s.sent[i], s.olderSent[s.sent[i].folder], s.keepFrom)
		}
	}
	j.ownSites()
	return j, nil
}

// maxProposed is how many domains are taken from sent mail.
const maxProposed = 100

// authors returns the domains of the authors of sent mail, those with the most mail first. Those with less than a hundredth of it are left
// out: people also save what others sent.
func (s *survey) authors() []string {
	counts := map[string]int{}
	for i := range s.sent {
		if a, err := prvs.ParseAddress(s.sent[i].from()); err == nil && strings.Contains(a.Domain, ".") && !strings.HasPrefix(a.Domain, "[") {
			counts[prvs.FoldDomain(a.Domain)]++
		}
	}
	maps.DeleteFunc(counts, func(_ string, n int) bool { return n < len(s.sent)/100 })
	list := largest(counts, maxProposed)
	names := make([]string, len(list))
	for i := range list {
		names[i] = list[i].Name
	}
	return names
}

// ownSites finds out whose hosts are those of the site: of the domains, of the logs, and those that took a twentieth of the mail that came.
func (j *judging) ownSites() {
	add := func(name string) {
		if strings.Contains(name, ".") {
			j.sites[evidence.Correspondent(strings.TrimPrefix(name, "*."))] = true
		}
	}
	for _, d := range j.domains {
		add(d)
	}
	for _, h := range j.s.logHosts {
		add(h)
	}
	for host, n := range j.s.by {
		if n > 1 && n >= j.s.inbound/20 {
			add(host)
		}
	}
}

// judgeAfterInterrupt bounds how long what was found is judged after the first pass was interrupted.
const judgeAfterInterrupt = 3 * time.Second

// all judges all messages.
func (j *judging) all(ctx context.Context) {
	if ctx.Err() != nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), judgeAfterInterrupt)
		defer cancel()
	}
	byID := map[string]*logged{} // by Message-ID
	for _, m := range j.s.logged {
		if m.messageID != "" {
			byID[strings.ToLower(m.messageID)] = m
		}
	}
	matched := map[string]bool{}
	const together = 64 // their contents are in memory at the same time
	list := j.s.candidates
	for begin := 0; begin < len(list); begin += together {
		if ctx.Err() != nil {
			j.notJudged += len(list) - begin
			break
		}
		part := list[begin:min(len(list), begin+together)]
		for i, r := range reports(part) {
			c := &part[i]
			if r.err != nil {
				j.s.fail(c.path, r.err)
				j.notJudged++
				continue
			}
			if c.client = byID[strings.ToLower(c.messageID)]; c.client != nil {
				matched[strings.ToLower(c.messageID)] = true
			}
			j.sentBefore(c.time)
			j.candidate(c, r.report)
		}
		j.o.Progress(Progress{Judging: true, Messages: begin + len(part), Of: len(list)})
	}
	j.sentBefore(j.o.Now)
	for _, m := range j.s.logged {
		if !matched[strings.ToLower(m.messageID)] {
			j.logOnly(m)
		}
	}
	slices.SortStableFunc(j.messages, func(a, b Message) int { return a.Time.Compare(b.Time) })
}

// sentBefore records what was sent until then.
func (j *judging) sentBefore(at time.Time) {
	for ; j.next < len(j.s.sent) && !j.s.sent[j.next].time.After(at.Add(clockMargin)); j.next++ {
		_ = j.record.add(&j.s.sent[j.next]) // a store in memory fails only if its context ends
	}
}

// parsed is what was read of a candidate.
type parsed struct {
	report *bounce.Report
	err    error
}

// reports reads messages, several at the same time.
func reports(list []candidate) []parsed {
	out := make([]parsed, len(list))
	var workers sync.WaitGroup
	next := make(chan int)
	for range max(2, runtime.GOMAXPROCS(0)) {
		workers.Go(func() {
			for i := range next {
				out[i].report, out[i].err = readReport(&list[i])
			}
		})
	}
	for i := range list {
		next <- i
	}
	close(next)
	workers.Wait()
	return out
}

// readReport reads a message as the daemon does.
func readReport(c *candidate) (*bounce.Report, error) {
	f, err := open(c.path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r, size, err := messageReader(f)
	if err != nil {
		return nil, err
	}
	if c.length > 0 {
		size = c.length
	}
	limits := bounce.DefaultLimits()
	text, err := io.ReadAll(io.NewSectionReader(r, c.at, min(size, int64(limits.HeaderBytes+limits.BodyBytes+1))))
	if err != nil {
		return nil, err
	}
	return judge.Content(bytes.TrimRight(text, "\x00"), c.sender)(limits.BodyBytes), nil
}

// candidate judges a message.
func (j *judging) candidate(c *candidate, report *bounce.Report) {
	m := Message{
		File: c.path, Offset: c.at, Length: c.length, MessageID: c.messageID, Time: c.time,
		Kind: string(report.Kind), Family: report.Family,
		// What is cut out of the report would hold the whole message in memory.
		ReportingMTA: strings.Clone(report.ReportingMTA), Original: strings.Clone(report.Original().MessageID),
	}
	m.site = strings.Clone(cmp.Or(site(report.ReportingMTA), evidence.CorrespondentOf(report.From), "unknown"))
	var client netip.Addr
	if l := c.client; l != nil {
		m.QueueID, client = l.queueID, l.address
		if m.Client = l.client; client.IsValid() {
			m.Client = client.String()
		}
		c.own = c.own || l.origin == here
		for _, to := range l.to {
			c.to = append([]string{to.address}, c.to...)
		}
	}
	recipient, ok := j.recipient(c.to)
	if !ok {
		m.Class, m.Why = CannotTell, WhyNoRecipient
		j.messages = append(j.messages, m)
		return
	}
	m.Recipient = j.policy.Mailbox(recipient).String()
	j.record.since = j.record.covered(recipient)
	jc := &judge.Case{Message: judge.Message{
		Policy: j.policy, Hasher: j.hasher, Record: j.record, Now: c.time, Client: client, Sender: "<" + c.sender + ">", Own: c.own,
	}}
	if !j.decide(jc, c, recipient, report) {
		j.s.counts.Ordinary++
		return
	}
	v := &jc.Recipients[0].Verdict
	m.Reason, m.Action = v.Reason.String(), v.Action.String()
	if v.Would != policy.NoReason {
		m.Would = v.Would.String()
	}
	if v.Cause != policy.NoCause {
		m.Cause = v.Cause.String()
	}
	j.classify(&m, jc, c, recipient, report)
	if m.Class == NoBounce {
		j.null[m.site]++
	}
	if v.Delivers() {
		_ = j.record.Store.Record(context.Background(), store.DayOf(c.time), "", jc.Used()...) // in memory
	}
	j.messages = append(j.messages, m)
}

// decide takes the message through the stages of SMTP, as the milter does. It returns false if it is ordinary mail.
func (j *judging) decide(jc *judge.Case, c *candidate, recipient prvs.Address, report *bounce.Report) bool {
	r := judge.Recipient{Raw: "<" + recipient.String() + ">", Address: recipient}
	if c.sender != "" {
		sender, err := prvs.ParseAddress(c.sender)
		r.Verdict = jc.Ordinary(&r)
		if jc.Read(report); err != nil || !j.policy.MayBeBounce(sender) || !jc.MayBeBounce() {
			return false
		}
		jc.Daemon = true
		jc.Recipients = append(jc.Recipients, r)
		jc.End()
		return true
	}
	if jc.Rcpt(&r, false); jc.Data() == judge.Refused {
		return true
	}
	jc.Read(report)
	jc.End()
	return true
}

// recipient returns the first address that is in one of the domains, without a tag.
func (j *judging) recipient(list []string) (prvs.Address, bool) {
	for _, s := range list {
		if a, err := prvs.ParseAddress(s); err == nil && j.policy.Domain(a.Domain) != nil {
			return untagged(j.policy, a), true
		}
	}
	return prvs.Address{}, false
}

// ours says whether one of the hosts belongs to the site.
func (j *judging) ours(hosts ...string) bool {
	return slices.ContainsFunc(hosts, func(h string) bool { return h != "" && j.sites[evidence.Correspondent(h)] })
}
