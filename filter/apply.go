package filter

import (
	"errors"
	"strings"

	"github.com/d--j/go-milter"

	"github.com/bouncefilter/bouncefilter/filter/evidence"
	"github.com/bouncefilter/bouncefilter/filter/judge"
	"github.com/bouncefilter/bouncefilter/filter/policy"
	"github.com/bouncefilter/bouncefilter/prvs"
)

// changes is what is to be changed of one message. It is made up once everything is decided; [changes.apply] is the one place that
// changes a message.
type changes struct {
	deleteRecipients []string
	addRecipients    []addedRecipient
	copies           int               // of the header to be removed
	header           string            // name of the header that marks accepted bounces; "" for none
	value            string            // of that header, to be added; "" for none
	sender           string            // new envelope sender; "" to leave it
	identity         evidence.Identity // what becomes of the Message-ID
	quarantine       string            // why the message is to be held; "" if not
}

// addedRecipient is a recipient with its ESMTP parameters.
type addedRecipient struct{ address, args string }

// apply changes the message: every deletion before every addition.
//
// QUIRK: Sendmail loses the message if ADDRCPT comes before DELRCPT. Postfix delivers to no recipient if the same address is added
// first and deleted later. Postfix keeps NOTIFY and ORCPT only with ADDRCPT_PAR, and renumbers headers when one is deleted, so the last
// copy goes first. CHGFROM goes out with empty arguments: both MTAs then keep SIZE, BODY, SMTPUTF8, RET and ENVID.
func (c *changes) apply(m milter.Modifier) error {
	for _, address := range c.deleteRecipients {
		if err := m.DeleteRecipient(address); err != nil {
			return err
		}
	}
	if m.Actions()&milter.OptChangeHeader != 0 {
		for i := c.copies; i > 0; i-- {
			if err := m.ChangeHeader(i, c.header, ""); err != nil {
				return err
			}
		}
	}
	for i := c.identity.Fields; i > 0; i-- {
		if i == c.identity.Keep {
			continue
		}
		value := "" // it is removed
		if i == 1 {
			value = c.identity.New
		}
		if err := m.ChangeHeader(i, messageIDHeader, value); err != nil {
			return err
		}
	}
	for _, r := range c.addRecipients {
		if err := m.AddRecipient(r.address, r.args); err != nil {
			return err
		}
	}
	if c.identity.Fields == 0 && c.identity.New != "" {
		if err := m.AddHeader(messageIDHeader, c.identity.New); err != nil {
			return err
		}
	}
	if c.sender != "" {
		if err := m.ChangeFrom(c.sender, ""); err != nil {
			return err
		}
	}
	if c.quarantine != "" {
		if err := m.Quarantine(c.quarantine); err != nil && !errors.Is(err, milter.ErrModificationNotAllowed) {
			return err
		}
	}
	if c.value != "" && m.Actions()&milter.OptAddHeader != 0 {
		return m.InsertHeader(0, c.header, c.value)
	}
	return nil
}

// messageIDHeader is the header field of a Message-ID (RFC 5322 section 3.6.4).
const messageIDHeader = "Message-ID"

// ofBounce makes up the changes of a bounce that at least one recipient gets, and of mail with tagged recipients.
func (c *changes) ofBounce(p *policy.Policy, m milter.Modifier, rs []judge.Recipient, copies int) {
	var mark *policy.Verdict // the verdict in the header: the most serious one
	keep := mailboxes{}
	for i := range rs {
		if r := &rs[i]; r.Verdict.Action != policy.ActionDiscard && (!r.Verdict.Untags() || untaggedByMTA(r)) {
			keep.add(r)
		}
	}
	for i := range rs {
		r := &rs[i]
		v := &r.Verdict
		switch {
		case v.Action == policy.ActionDiscard:
			if !keep.have(r.Address, r.MTA) {
				c.deleteRecipient(m, r)
			}
			continue
		case v.Untags():
			c.untag(m, r, keep)
		}
		if v.Domain != nil && (mark == nil || seriousness(v) > seriousness(mark)) {
			mark = v
		}
	}
	if mark == nil {
		return
	}
	if mark.Action == policy.ActionQuarantine {
		c.quarantine = "bouncefilter: " + mark.Reason.String()
	}
	if name := p.Settings().HeaderName; name != "" {
		c.header, c.value, c.copies = name, header(p.Settings().Hostname, mark), copies
	}
}

// mailboxes are those that get a message without a change of its recipients, under the names by which they are known: the address without
// a tag, folded, and what the MTA makes of it.
//
// QUIRK: Sendmail has one recipient for all that lead to one mailbox. Deleting one of them, a plain address that must not get the bounce,
// deletes the mailbox of the tag that proves it, and the message is lost after Sendmail has accepted it. Postfix delivers a second copy
// to a recipient that is added although it is there. The scenarios "its own plain address" in deploy/e2e show it.
type mailboxes map[string]bool

func (b mailboxes) add(r *judge.Recipient) {
	a := r.Address
	if r.Verdict.Untags() {
		a = r.Verdict.Tag.Original
	}
	b[a.Fold().String()], b[r.MTA] = true, true
}

// have says whether a recipient is one of them, under its address without a tag or that of the MTA.
func (b mailboxes) have(a prvs.Address, mta string) bool {
	return b[a.Fold().String()] || mta != "" && b[mta]
}

// seriousness orders verdicts for the one header of a message.
func seriousness(v *policy.Verdict) int {
	switch {
	case v.Action == policy.ActionQuarantine:
		return 3
	case v.Action == policy.ActionTag || v.Action == policy.ActionMonitor:
		return 2
	case v.Would != policy.NoReason:
		return 1
	}
	return 0
}

// untag removes a recipient's tag. keep are the mailboxes that get the message anyway.
func (c *changes) untag(m milter.Modifier, r *judge.Recipient, keep mailboxes) {
	if m.Actions()&milter.OptRemoveRcpt == 0 || m.Actions()&(milter.OptAddRcpt|milter.OptAddRcptWithArgs) == 0 {
		return // an MTA that lets no milter change recipients delivers to the tagged one
	}
	if untaggedByMTA(r) {
		return
	}
	c.deleteRecipient(m, r)
	if keep.have(r.Verdict.Tag.Original, "") {
		return
	}
	args := r.Args
	if m.Actions()&milter.OptAddRcptWithArgs == 0 {
		args = ""
	}
	c.addRecipients = append(c.addRecipients, addedRecipient{r.Verdict.Tag.Original.String(), args})
}

// untaggedByMTA says whether the MTA delivers to the address without the tag anyway, as {rcpt_addr} shows.
//
// QUIRK: Sendmail has resolved the recipient by then, with the rule of deploy/sendmail that removes tags. Removing a local user
// with a detail (user+shop) and adding it again under the name that it is already known by loses the message: Sendmail has
// accepted it and delivers it to no mailbox. The scenarios "details" in deploy/e2e show it.
func untaggedByMTA(r *judge.Recipient) bool {
	return r.MTA != "" && hasTagMark(r.Raw) && !hasTagMark(r.MTA)
}

// hasTagMark says whether there is a tag in an address, or what has become of one.
func hasTagMark(address string) bool { return strings.Contains(strings.ToLower(address), "prvs=") }

// deleteRecipient removes a recipient, under the name by which the MTA knows it.
//
// QUIRK: Postfix compares with the recipient as it understood it, without a source route (RFC 5321 appendix F.2) and with
// whatever it has normalized, and keeps a recipient that it does not find: the message would be delivered twice.
// The scenarios "with a source route" and "with a dot" in deploy/e2e show it.
func (c *changes) deleteRecipient(m milter.Modifier, r *judge.Recipient) {
	if m.Actions()&milter.OptRemoveRcpt == 0 {
		return
	}
	raw := r.Raw
	if i := strings.IndexByte(raw, ':'); i > 0 && raw[0] == '@' {
		raw = raw[i+1:]
	}
	c.deleteRecipients = append(c.deleteRecipients, raw)
	if r.MTA != "" && r.MTA != raw && r.Address.String() != raw {
		c.deleteRecipients = append(c.deleteRecipients, r.MTA)
	}
}
