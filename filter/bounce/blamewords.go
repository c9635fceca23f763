package bounce

import "slices"

// The words of servers, mailing lists and services about an envelope sender that they do not accept. They are compared with text in lower
// case. No phrase may be one that is also said about a domain, a network, the content or the recipient.

// tagMarks are how a tag looks like in a text: as it is, and in the encodings of URLs and of xtext (RFC 3461 section 4).
var tagMarks = newPhrases([]string{"prvs=", "prvs%3d", "prvs+3d"})

// commands are those whose address a report may quote.
var commands = newPhrases([]string{"mail from:", "rcpt to:"})

// comparesSender are what a server says that compares the envelope sender with the author, with a login or with a list of addresses, or
// that does not accept its form.
var comparesSender = newPhrases([]string{
	// Postfix: reject_sender_login_mismatch, strict_rfc821_envelopes.
	"sender address rejected: not owned by", "sender address rejected: not logged in", "bad sender address syntax",
	// Exchange.
	"permissions to send as this sender", "sendasdenied", "send as denied", "5.7.124",
	// Submission services and filters.
	"not allowed to send as", "not authorized to send as", "not permitted to send as", "not allowed to use this sender", "not allowed to send from this address",
	"sender address does not match", "sender address doesn't match", "sender does not match", "sender doesn't match", "sender mismatch", "sender address mismatch",
	"sender address is not owned", "sender address does not belong", "sender does not belong",
	"envelope sender does not match", "envelope from does not match", "envelope-from does not match", "mail from does not match", "return-path does not match", "return path does not match",
	"does not match the envelope", "does not match envelope", "doesn't match the envelope", "doesn't match envelope", "differs from the envelope", "differs from envelope",
	"from header mismatch", "header from mismatch", "from mismatch", "does not match the from header", "does not match from header", "does not match the header from", "does not match header from",
	"envelope sender and header", "envelope and header sender", "mail from and from header",
	"invalid sender address", "sender address invalid", "invalid sender format", "malformed sender", "illegal sender", "bad sender address", "sender address has invalid", "sender syntax",
	"illegal character in sender", "illegal characters in sender", "invalid character in sender", "invalid characters in sender", "invalid local part in sender", "invalid sender local part",
})

// refusesStranger are what mailing lists, alias services and ticket systems say that do not know a sender.
var refusesStranger = newPhrases([]string{
	// Mailman 2 and 3, Citadel.
	"post by non-member", "non-members are not allowed", "not from a list member", "messages from non-members", "message from a non-member", "posts from non-members",
	// ezmlm, mlmmj, Schleuder, majordomo, ecartis, groups.io and others.
	"only subscribers may post", "only subscribers can post", "only subscribed", "only members may post", "only members can post", "only list members", "only allow subscribers", "only accepts messages from subscribers",
	"only accepts messages from members", "non-member submission", "non-subscriber", "nonsubscriber", "nonmember", "members-only list", "subscribers-only list", "posting is restricted to",
	"you are not subscribed", "you're not subscribed", "is not subscribed", "are not a subscriber", "is not a subscriber", "not a list subscriber", "you are not a subscriber", "not a subscriber of", "not a subscriber to", "not a subscribed address", "from a subscribed address",
	"because you are not a member", "you are not a member of", "you're not a member of", "is not a member of the list", "is not a member of this list", "is not a member of the group", "is not a list member", "sender is not a member",
	"must be subscribed", "must be a subscriber", "must be a member", "must first subscribe", "not authorized to post", "not allowed to post", "not permitted to post", "not authorised to post", "not authorized to send mail to the",
	"liste nicht abonniert", "pas un inscrit de la liste", "non sei iscritto", "als mitglied eingetragen",
	// Sympa, in some of its languages.
	"restricted to list subscribers", "restricted to subscribers", "réservée aux abonnés", "auf abonnenten beschränkt", "restringida a los suscriptores", "limitata agli iscritti", "beperkt tot lijstabonnees",
	"restrita aos membros", "jest dostępne dla jej subskrybentów", "разрешена только её подписчикам", "リストの読者だけです",
	// Alias services, gateways and ticket systems.
	"unknown sender", "sender unknown", "sender is unknown", "sender is not known", "sender not known", "unrecognized sender", "unrecognised sender", "sender not recognized", "sender not recognised",
	"sender is not registered", "sender not registered", "sender address is not registered", "not a registered sender", "unregistered sender", "from an unregistered address", "from an unregistered email",
	"sender is not in the allowed", "sender not in allowed", "unauthorized for using reverse alias", "unknown reverse alias", "only works from alias's owning", "could not load a valid user", "what user corresponds to the email",
	"different email address than the one we", "not an authorized sender", "not an authorised sender", "not an approved sender", "from an unauthorized email address", "from an unauthorized address",
})

// blamers are all phrases without which a reply does not blame the tag.
var blamers = newPhrases(slices.Concat(tagMarks.words, comparesSender.words, refusesStranger.words))

// aboutSender are words of which a reply has one if what it says about a quoted tag is about the sender.
var aboutSender = newPhrases([]string{
	"sender", "originator", "envelope", "return-path", "return path", "reverse-path", "reverse path", "from address", "from: address", "mail from", "mailfrom", "verification failed", "verify failed", "callout", "callback",
	"local part", "local-part", "localpart", "syntax", "illegal", "invalid", "malformed", "bad address", "restricted characters", "not a member", "subscri", "absender", "expéditeur", "remitente", "mittente",
})

// otherReasons are reasons to refuse a sender that have nothing to do with its tag: its domain, its network, the content, the recipient.
var otherReasons = newPhrases([]string{
	"domain not found", "no such domain", "unknown domain", "invalid domain", "sender domain", "domain does not exist", "domain doesn't exist", "domain must exist", "domain of sender address", "domain name required", "does not resolve", "cannot resolve", "can't resolve", "unresolvable", "unrouteable",
	"unroutable", "malformed dns", "no mx", "valid mx", "mx record", "dns error", "dns lookup", "nxdomain", "spf", "dmarc", "dkim", "sender policy", "not permitted sender", "sender id",
	"greylist", "graylist", "grey list", "gray list", "greylisting", "try again later", "try later", "blacklist", "black list", "blocklist", "block list", "blocked", "denylist", "rbl", "dnsbl", "spamhaus", "spamcop",
	"barracudacentral", "reputation", "spam", "virus", "malware", "phish", "too many", "rate limit", "exceeded", "limit reached", "quota", "mailbox full", "mailbox is full", "too large", "message size", "recipient address rejected",
	"relay access", "relaying", "relay not permitted", "unable to relay", "timed out", "timeout", "connection refused", "content rejected",
})

// yourMessage are how programs name the message that they hold.
var yourMessage = newPhrases([]string{
	"your message", "the message from", "your mail", "your e-mail", "your email", "your post", "your reply", "your ticket", "message you sent", "use your alias", "votre message", "ihre nachricht", "ihre e-mail", "su mensaje", "il tuo messaggio", "il suo messaggio",
	"uw bericht", "sua mensagem",
})
