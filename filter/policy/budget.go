package policy

// ProvesMore says whether a message with so many recipients, which has proven so many bounces, proves one more. An
// attacker who found its Message-ID in an archive can get as many bounces delivered to its sender, and no more.
func (p *Policy) ProvesMore(recipients, proven uint32) bool {
	return uint64(proven) < p.ProvenAtMost(recipients)
}

// ProvenAtMost is how many bounces a message with so many recipients proves, or a tag.
func (p *Policy) ProvenAtMost(recipients uint32) uint64 {
	return uint64(p.set.Proofs.BouncesAtLeast) + uint64(recipients)*uint64(p.set.Proofs.BouncesPerRecipient)
}

// failedPerRecipient is how many recipients the bounces of a tag may name as failed for each recipient that mail with the tag was sent
// to, who may be forwarded to others.
const failedPerRecipient = 2

// TagUse is what is on record about a tag: how much mail went out with it, and what came back.
type TagUse struct {
	Recipients uint32 // that mail was sent to with it
	Bounces    uint32 // that were accepted for it
	Failed     uint32 // different recipients that these named as failed
	NewFailed  uint32 // recipients that the bounce at hand names as failed, and none of these did
}

// AnswersMore says whether a tag that was used so much gets one more bounce. An attacker who harvested it can get as many
// delivered to its sender, about as many recipients, and no more.
func (p *Policy) AnswersMore(u TagUse) bool {
	return uint64(u.Bounces) < p.ProvenAtMost(u.Recipients) &&
		(u.NewFailed == 0 || uint64(u.Failed)+uint64(u.NewFailed) <= p.FailedAtMost(u.Recipients))
}

// FailedAtMost is how many recipients the bounces of a tag may name as failed that was sent to so many recipients.
func (p *Policy) FailedAtMost(recipients uint32) uint64 {
	return uint64(p.set.Proofs.BouncesAtLeast) + uint64(recipients)*failedPerRecipient
}

// TrustsMore says whether a recipient who got so many automatic replies today, for no other reason than where they came
// from, gets one more.
func (p *Policy) TrustsMore(trusted uint32) bool {
	return uint64(trusted) < uint64(p.set.Proofs.RepliesPerDay)
}

// Allowance is how many messages of a sort a recipient gets in a day that nothing proves, and that nothing tells from backscatter: they
// are anonymous, naming no message, or it is unclear whether they answer any. An attacker who writes such messages gets as many
// delivered to each recipient, and no more. All others get 0: what is surely a bounce or a reply, and names a message that is not on
// record, answers none of ours.
func (p *Policy) Allowance(c Content, unclear, anonymous bool) uint64 {
	switch {
	case unclear:
		return uint64(p.set.Proofs.UnclearPerDay)
	case !anonymous:
		return 0
	case c == ContentReply:
		return uint64(p.set.Proofs.UnprovenPerDay)
	case c == ContentBounce:
		return uint64(p.set.Proofs.UnprovenBouncesPerDay)
	}
	return 0
}
