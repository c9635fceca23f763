package filter

import (
	"slices"
	"strings"

	"github.com/bouncefilter/bouncefilter/filter/bounce"
)

// Proof is what the content of a bounce proves about one recipient, together with the record of sent mail.
type Proof uint8

const (
	ProofNone          Proof = iota // it names nothing that could be on record, or was not read
	ProofUnknown                    // it names something, but the store does not answer
	ProofAbsent                     // it names something that is not on record
	ProofMessage                    // it answers a message that the recipient sent
	ProofCorrespondent              // it is an automatic reply from a domain that the recipient wrote to lately
	ProofSpent                      // one of the two, but that has proven as many bounces as it can
)

// provenAtLeast is how many bounces any message proves, whatever its number of recipients: one recipient may be a mailing
// list, whose members are away.
const provenAtLeast = 40

// provesMore says whether a message with so many recipients, which has proven so many bounces, proves one more. Somebody who
// found its Message-ID in an archive can use it to get as many bounces delivered to its sender, and no more.
func (p *Policy) provesMore(recipients, proven uint32) bool {
	return uint64(proven) < p.provenAtMost(recipients)
}

// provenAtMost is how many bounces a message with so many recipients proves, or a tag.
func (p *Policy) provenAtMost(recipients uint32) uint64 {
	return provenAtLeast + uint64(recipients)*uint64(p.set.Proofs.BouncesPerRecipient)
}

// failedAtLeast and failedPerRecipient are how many recipients the bounces of a tag may name as failed, in all and for each
// recipient that mail with the tag was sent to, who may be forwarded to others.
const (
	failedAtLeast      = 40
	failedPerRecipient = 2
)

// TagUse is what is on record about a tag: how much mail went out with it, and what came back.
type TagUse struct {
	Recipients uint32 // that mail was sent to with it
	Bounces    uint32 // that were accepted for it
	Failed     uint32 // different recipients that these named as failed
	NewFailed  uint32 // recipients that the bounce at hand names as failed, and none of these did
}

// answersMore says whether a tag that was used so much gets one more bounce. Somebody who harvested it can use it to get as many
// delivered to its sender, about as many recipients, and no more.
func (p *Policy) answersMore(u TagUse) bool {
	return uint64(u.Bounces) < p.provenAtMost(u.Recipients) &&
		(u.NewFailed == 0 || uint64(u.Failed)+uint64(u.NewFailed) <= failedAtMost(u.Recipients))
}

// failedAtMost is how many recipients the bounces of a tag may name as failed that was sent to so many recipients.
func failedAtMost(recipients uint32) uint64 {
	return failedAtLeast + uint64(recipients)*failedPerRecipient
}

// maxFailed is how many recipients that a bounce names as failed are looked up and remembered. Most name one.
const maxFailed = 20

// failedRecipients returns the first recipients that a report names as failed, each of them once.
func failedRecipients(r *bounce.Report) []string {
	if r == nil {
		return nil
	}
	var failed []string
	for i := range r.Recipients {
		to := &r.Recipients[i]
		if address := lower(to.Address); to.Action == "failed" && address != "" && !slices.Contains(failed, address) {
			if failed = append(failed, address); len(failed) == maxFailed {
				break
			}
		}
	}
	return failed
}

// trustsMore says whether a recipient who got so many automatic replies today, for no other reason than where they came
// from, gets one more.
func (p *Policy) trustsMore(trusted uint32) bool {
	return uint64(trusted) < uint64(p.set.Proofs.RepliesPerDay)
}

// evidence is what a bounce names that may be on record.
type evidence struct {
	messages []string // Message-IDs of what it answers, the innermost first; see foldID
	domains  []string // where an automatic reply comes from that names no message, and the domains above
}

// evidenceOf finds what a report names. A bounce of a bounce names both; the innermost is what was sent first.
func evidenceOf(r *bounce.Report) evidence {
	var e evidence
	for end := len(r.Originals); end > 0; {
		begin := end - 1
		for begin > 0 && r.Originals[begin-1].Depth == r.Originals[begin].Depth {
			begin--
		}
		for _, o := range r.Originals[begin:end] {
			if id := foldID(o.MessageID); id != "" && !slices.Contains(e.messages, id) {
				e.messages = append(e.messages, id)
			}
		}
		end = begin
	}
	if len(e.messages) == 0 && (r.Kind == bounce.AutoReply || r.Kind == bounce.MDN) {
		e.domains = domainsAbove(domainOf(r.From))
	}
	return e
}

// foldID makes of a Message-ID what is recorded of it. Relays and reports have been seen to change its case.
func foldID(id string) string { return lower(id) }

// domainOf returns the domain of an address, folded.
func domainOf(address string) string {
	return lower(strings.TrimSuffix(address[strings.LastIndexByte(address, '@')+1:], "."))
}

// maxLabels bounds how many domains above one are looked for.
const maxLabels = 5

// domainsAbove returns a domain and those above it that have at least two labels: who writes to user@example.com may be
// answered from mail.example.com.
func domainsAbove(domain string) []string {
	var list []string
	for strings.IndexByte(domain, '.') > 0 && len(list) < maxLabels {
		list = append(list, domain)
		_, domain, _ = strings.Cut(domain, ".")
	}
	return list
}
