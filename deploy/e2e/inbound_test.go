package e2e

import "testing"

// What comes in, in the order in which a reader would ask.

// genuineBounces answer mail that was sent: they are delivered to the address without the tag, in every class of
// addresses.
var genuineBounces = []scenario{
	{
		name: "to a virtual mailbox",
		to:   []rcpt{{valid("user@virt.example"), ok}}, mailboxes: []string{"user@virt.example"},
		reason: "valid", action: "accept", header: "mx.local.example; batv=pass reason=valid method=tag key=0",
	}, {
		name: "to a user in /etc/passwd",
		to:   []rcpt{{valid("games@local.example"), ok}}, mailboxes: []string{"games@local.example"},
		reason: "valid", action: "accept", header: "batv=pass reason=valid",
	}, {
		name: "to a name in aliases(5)",
		to:   []rcpt{{valid("office@local.example"), ok}}, mailboxes: []string{"games@local.example"},
		reason: "valid", action: "accept", header: "batv=pass reason=valid",
	}, {
		name: "to a virtual alias",
		to:   []rcpt{{valid("info@alias.example"), ok}}, mailboxes: []string{"user@virt.example"},
		reason: "valid", action: "accept", header: "batv=pass reason=valid",
	}, {
		name: "to a relayed domain",
		to:   []rcpt{{valid("bob@relay.example"), ok}}, inner: "bob@relay.example",
		reason: "valid", action: "accept",
	}, {
		name: "whose case a relay has folded",
		to:   []rcpt{{changed(valid("user@virt.example"), upperCase), ok}}, mailboxes: []string{"user@virt.example"},
		reason: "valid", action: "accept", header: "batv=pass reason=valid",
	}, {
		name: "to a local user, in capital letters",
		to:   []rcpt{{changed(valid("games@local.example"), upperCase), ok}}, mailboxes: []string{"games@local.example"},
		reason: "valid", action: "accept", header: "batv=pass reason=valid",
	}, {
		name: "with the tag in the other form",
		to:   []rcpt{{changed(valid("user@virt.example"), subAddress), ok}}, mailboxes: []string{"user@virt.example"},
		reason: "valid", action: "accept", header: "batv=pass reason=valid",
	}, {
		name: "with a source route, which Postfix removes",
		to:   []rcpt{{changed(valid("user@virt.example"), func(signed string) string { return "@remote.example:" + signed }), ok}}, mailboxes: []string{"user@virt.example"},
		reason: "valid", action: "accept", header: "batv=pass reason=valid",
	}, {
		name: "with a dot after the domain, which Postfix removes",
		to:   []rcpt{{changed(valid("user@virt.example"), func(signed string) string { return signed + "." }), ok}}, mailboxes: []string{"user@virt.example"},
		reason: "valid", action: "accept", header: "batv=pass reason=valid",
	}, {
		name: "to a local part that needs quotes", notSendmail: "a virtusertable has no keys with white space",
		to: []rcpt{{unrecorded(`"first last"@virt.example`), ok}}, mailboxes: []string{`"first last"@virt.example`},
		reason: "grace", action: "accept", wouldRefuse: "not-issued", header: "batv=neutral reason=grace would-be=not-issued",
	}, {
		name: "with a tag that is not on record, while the record is younger than the tag may be",
		to:   []rcpt{{unrecorded("other@virt.example"), ok}}, mailboxes: []string{"other@virt.example"},
		reason: "grace", action: "accept", wouldRefuse: "not-issued", header: "batv=neutral reason=grace would-be=not-issued",
	},
}

// details are bounces to the detail of a local user, which Sendmail delivers by default; see variants_test.go for
// Postfix.
var details = []scenario{
	{
		name: "to a user with a detail",
		to:   []rcpt{{valid("games+shop@local.example"), ok}}, mailboxes: []string{"games@local.example"},
		reason: "valid", action: "accept", header: "batv=pass reason=valid",
	},
}

// backscatter answers mail that was never sent from here.
var backscatter = []scenario{
	{
		name: "forged tag is refused at the end of the message",
		to:   []rcpt{{forged("user@virt.example"), ok}}, end: replyInvalid, reason: "bad-signature", action: "reject",
	}, {
		name: "forged tag of a relayed domain is refused at the end of the message",
		to:   []rcpt{{forged("bob@relay.example"), ok}}, end: replyInvalid, reason: "bad-signature", action: "reject",
	}, {
		name: "tag over another user's address is refused at the end of the message",
		to: []rcpt{{changed(valid("user@virt.example"), func(signed string) string {
			return signed[:len("prvs=0000000000=")] + "other@virt.example"
		}), ok}},
		end: replyInvalid, reason: "bad-signature", action: "reject",
	}, {
		name: "tag of an unknown key is refused at the end of the message",
		to:   []rcpt{{changed(valid("user@virt.example"), withKey9), ok}}, end: replyInvalid, reason: "unknown-key", action: "reject",
	}, {
		name: "expired tag is refused at the end of the message",
		to:   []rcpt{{expired("user@virt.example"), ok}}, end: replyExpired, reason: "expired", action: "reject",
	}, {
		name: "missing tag is refused at the end of the message",
		to:   []rcpt{{plain("user@virt.example"), ok}}, end: replyNone, reason: "untagged", action: "reject",
	}, {
		name: "missing tag, with a dot after the domain",
		to:   []rcpt{{plain("user@virt.example."), ok}}, end: replyNone, reason: "untagged", action: "reject",
	}, {
		name: "missing tag is refused at DATA where the domain says so",
		to:   []rcpt{{plain("user@early.example"), ok}}, data: replyNone, reason: "untagged", action: "reject",
	},
}

// noBounces have the null sender, or a tagged recipient, and are no bounces.
var noBounces = []scenario{
	{
		name: "a one-time code without a tag",
		to:   []rcpt{{plain("user@virt.example"), ok}}, answer: oneTimeCode, of: plain(""), mailboxes: []string{"user@virt.example"},
		reason: "no-bounce", action: "accept", header: "batv=none reason=no-bounce",
	}, {
		name: "a one-time code to an address that never sent",
		to:   []rcpt{{plain("other@virt.example"), ok}}, answer: oneTimeCode, of: plain(""), mailboxes: []string{"other@virt.example"},
		reason: "no-bounce", action: "accept", header: "batv=none reason=no-bounce",
	}, {
		name: "a one-time code to a wrong tag",
		to:   []rcpt{{forged("user@virt.example"), ok}}, answer: oneTimeCode, of: plain(""), mailboxes: []string{"user@virt.example"},
		reason: "no-bounce", action: "accept", header: "batv=none reason=no-bounce",
	}, {
		name: "a one-time code to several users",
		to:   []rcpt{{plain("user@virt.example"), ok}, {plain("other@virt.example"), ok}}, answer: oneTimeCode, of: plain(""), mailboxes: []string{"user@virt.example", "other@virt.example"},
		reason: "no-bounce", action: "accept", header: "batv=none reason=no-bounce",
	}, {
		name: "ordinary mail to a forged tag",
		from: "friend@remote.example", to: []rcpt{{forged("user@virt.example"), ok}}, data: replyNoSuch, reason: "invalid-tag", action: "reject",
	}, {
		name: "ordinary mail to a forged tag of a monitored domain",
		from: "friend@remote.example", to: []rcpt{{forged("user@monitor.example"), ok}}, mailboxes: []string{"user@monitor.example"},
		keepsTag: true, reason: "invalid-tag", action: "monitor", wouldRefuse: "invalid-tag",
	},
}

// unknownUsers stay unknown, whatever the tag: otherwise the mail would be accepted and bounced, which is backscatter of
// our own.
var unknownUsers = []scenario{
	{name: "without a tag", to: []rcpt{{plain("nobody.here@virt.example"), replyUnknown}}},
	{name: "virtual mailbox, with a valid tag", to: []rcpt{{unrecorded("nobody.here@virt.example"), replyUnknown}}},
	{name: "local user, with a valid tag", to: []rcpt{{unrecorded("nobody.here@local.example"), replyUnknown}}},
	{name: "virtual alias, with a valid tag", to: []rcpt{{unrecorded("nobody.here@alias.example"), replyUnknown}}},
	{name: "relayed domain, with a valid tag", notSendmail: "Sendmail does not know the users of relayed domains", to: []rcpt{{unrecorded("nobody.here@relay.example"), replyUnknown}}},
	{name: "user of /etc/passwd in a virtual domain", to: []rcpt{{unrecorded("games@virt.example"), replyUnknown}}},
	{name: "ordinary mail, with a valid tag", from: "friend@remote.example", to: []rcpt{{unrecorded("nobody.here@virt.example"), replyUnknown}}},
	{name: "in the other form", to: []rcpt{{changed(unrecorded("nobody.here@virt.example"), subAddress), replyUnknown}}},
	{name: "foreign domain", to: []rcpt{{plain("prvs=0787788259=user@remote.example"), "554 5.7.1 "}}},
}

// modesAndExemptions let bounces pass that would be refused.
var modesAndExemptions = []scenario{
	{
		name: "monitored domain accepts a missing tag",
		to:   []rcpt{{plain("user@monitor.example"), ok}}, mailboxes: []string{"user@monitor.example"},
		reason: "untagged", action: "monitor", wouldRefuse: "untagged", header: "batv=fail reason=untagged",
	}, {
		name: "monitored domain accepts a forged tag",
		to:   []rcpt{{forged("user@monitor.example"), ok}}, mailboxes: []string{"user@monitor.example"},
		reason: "bad-signature", action: "monitor", wouldRefuse: "bad-signature", header: "batv=fail reason=bad-signature",
	}, {
		name: "automatic domain monitors while it has not been signing for one lifetime",
		to:   []rcpt{{plain("user@auto.example"), ok}}, mailboxes: []string{"user@auto.example"},
		reason: "grace", action: "monitor", wouldRefuse: "untagged", header: "batv=neutral reason=grace would-be=untagged",
	}, {
		name: "postmaster is exempt",
		to:   []rcpt{{plain("postmaster@local.example"), ok}}, mailboxes: []string{"games@local.example"},
		reason: "exempt", action: "accept", wouldRefuse: "untagged", header: "batv=none reason=exempt",
	}, {
		name:   "bounce from the internal network is the site's own",
		client: internal,
		to:     []rcpt{{plain("user@virt.example"), ok}}, mailboxes: []string{"user@virt.example"},
		reason: "exempt", action: "accept", wouldRefuse: "untagged", header: "batv=none reason=exempt",
	},
}

// severalRecipients of a message with the null sender are decided one by one where SMTP allows.
var severalRecipients = []scenario{
	{
		name: "forged one is dropped, valid one gets the bounce",
		to:   []rcpt{{valid("user@virt.example"), ok}, {forged("other@virt.example"), ok}}, mailboxes: []string{"user@virt.example"},
		nowhere: []string{"other@virt.example"},
		reason:  "several-recipients", action: "discard", header: "batv=pass reason=valid",
	}, {
		name: "untagged one is dropped, valid one gets the bounce",
		to:   []rcpt{{valid("user@virt.example"), ok}, {plain("other@virt.example"), ok}}, mailboxes: []string{"user@virt.example"},
		nowhere: []string{"other@virt.example"},
		reason:  "several-recipients", action: "discard", header: "batv=pass reason=valid",
	}, {
		name: "a tag and its own plain address: the mailbox gets the bounce",
		to:   []rcpt{{valid("user@virt.example"), ok}, {plain("user@virt.example"), ok}}, mailboxes: []string{"user@virt.example"},
		reason: "several-recipients", action: "discard", header: "batv=pass reason=valid",
	}, {
		name: "a plain address and its own tag: the mailbox gets the bounce",
		to:   []rcpt{{plain("user@virt.example"), ok}, {valid("user@virt.example"), ok}}, mailboxes: []string{"user@virt.example"},
		reason: "several-recipients", action: "discard", header: "batv=pass reason=valid",
	}, {
		name: "a tag and the plain address of a local user: the mailbox gets the bounce",
		to:   []rcpt{{valid("games@local.example"), ok}, {plain("games@local.example"), ok}}, mailboxes: []string{"games@local.example"},
		reason: "several-recipients", action: "discard", header: "batv=pass reason=valid",
	}, {
		name: "the plain address of a local user and its tag: the mailbox gets the bounce",
		to:   []rcpt{{plain("games@local.example"), ok}, {valid("games@local.example"), ok}}, mailboxes: []string{"games@local.example"},
		reason: "several-recipients", action: "discard", header: "batv=pass reason=valid",
	}, {
		name: "the tag of a name in aliases(5) and the plain address of its user",
		to:   []rcpt{{valid("office@local.example"), ok}, {plain("games@local.example"), ok}}, mailboxes: []string{"games@local.example"},
		reason: "several-recipients", action: "discard", header: "batv=pass reason=valid",
	}, {
		name: "the plain address of a user and the tag of a name in aliases(5)",
		to:   []rcpt{{plain("games@local.example"), ok}, {valid("office@local.example"), ok}}, mailboxes: []string{"games@local.example"},
		reason: "several-recipients", action: "discard", header: "batv=pass reason=valid",
	}, {
		name: "the tag of a virtual alias and the plain address of its user",
		to:   []rcpt{{valid("info@alias.example"), ok}, {plain("user@virt.example"), ok}}, mailboxes: []string{"user@virt.example"},
		reason: "several-recipients", action: "discard", header: "batv=pass reason=valid",
	}, {
		name: "the same tag twice",
		to:   []rcpt{{valid("user@virt.example"), ok}, {valid("user@virt.example"), ok}}, mailboxes: []string{"user@virt.example"},
		header: "batv=pass reason=valid",
	}, {
		name: "two untagged ones are refused",
		to:   []rcpt{{plain("user@virt.example"), ok}, {plain("other@virt.example"), ok}}, end: replyNone,
		reason: "untagged", action: "reject",
	}, {
		name: "two valid ones get the bounce",
		to:   []rcpt{{valid("user@virt.example"), ok}, {valid("games@local.example"), ok}}, mailboxes: []string{"user@virt.example", "games@local.example"},
		header: "batv=pass reason=valid",
	},
}

// ordinaryMail is not judged. A sender who writes to a tagged address has it from our mail.
var ordinaryMail = []scenario{
	{
		name: "to a plain address",
		from: "friend@remote.example", to: []rcpt{{plain("user@virt.example"), ok}}, mailboxes: []string{"user@virt.example"},
	}, {
		name: "to a tagged address",
		from: "friend@remote.example", to: []rcpt{{valid("user@virt.example"), ok}}, mailboxes: []string{"user@virt.example"},
		reason: "untag", action: "accept",
	}, {
		name: "to an address whose tag has expired",
		from: "friend@remote.example", to: []rcpt{{expired("user@virt.example"), ok}}, mailboxes: []string{"user@virt.example"},
		reason: "untag", action: "accept",
	}, {
		name: "to a tagged and a plain address",
		from: "friend@remote.example", to: []rcpt{{valid("user@virt.example"), ok}, {plain("other@virt.example"), ok}},
		mailboxes: []string{"user@virt.example", "other@virt.example"},
		reason:    "untag", action: "accept",
	}, {
		name: "to a tagged address of a relayed domain",
		from: "friend@remote.example", to: []rcpt{{valid("bob@relay.example"), ok}}, inner: "bob@relay.example",
		reason: "untag", action: "accept",
	}, {
		name: "from outside with an address of ours is not signed",
		from: "other@virt.example", to: []rcpt{{plain("user@virt.example"), ok}}, mailboxes: []string{"user@virt.example"},
	},
}

// testSources holds that the log and check name who has sent mail that is no bounce.
func (s *site) testSources(t *testing.T) {
	s.daemon.awaitRecord(t, 0, record{"level": "INFO", "msg": "this source sends mail with the null sender that is no bounce",
		"source": "shop.example", "client": "127.0.0.0/24", "count": "1", "refused": "0"})
	if got := s.daemon.finding(t, "null-sender-source"); got != "note no-bounce" {
		t.Errorf("check says %q", got)
	}
}
