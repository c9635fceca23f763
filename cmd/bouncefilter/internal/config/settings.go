package config

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/tomlfile"
	"github.com/bouncefilter/bouncefilter/filter/policy"
	"github.com/bouncefilter/bouncefilter/prvs"
)

// settings resolves what the policy is made from.
func (r *resolver) settings() {
	f, s := &r.c.raw, &r.c.Settings
	r.c.Ring = r.ringOptions()
	all := r.commonDomain()
	r.domains(all)

	s.Outbound = policy.Outbound{
		Authenticated: f.Outbound.Authenticated,
		Local:         f.Outbound.Local,
		Networks:      r.networks("outbound.networks", f.Outbound.Networks),
		Daemons:       r.words("outbound.daemons", f.Outbound.Daemons, "a daemon name"),
	}
	s.Exempt = policy.Exemptions{
		Recipients: r.addresses("exempt.recipients", f.Exempt.Recipients),
		Senders:    r.addresses("exempt.senders", f.Exempt.Senders),
		Networks:   r.networks("exempt.networks", f.Exempt.Networks),
		Helo:       r.heloNames("exempt.helo", f.Exempt.Helo),
	}
	s.DoNotTag = policy.DoNotTagLists{
		Recipients: r.addresses("do_not_tag.recipients", f.DoNotTag.Recipients),
		Senders:    r.addresses("do_not_tag.senders", f.DoNotTag.Senders),
		Known:      f.DoNotTag.Known,
	}
	s.Skip = r.skipPairs()
	r.proofs()
	s.MailerDaemons = policy.MailerDaemons{Senders: f.MailerDaemons.Senders, Refuse: f.MailerDaemons.Refuse}
	if !slices.Equal(f.MailerDaemons.Senders, []string{"*"}) {
		s.MailerDaemons.Senders = r.addresses(daemonSenders, f.MailerDaemons.Senders)
	}
	s.ReadAll = f.Log.Reports || r.c.Events.Any() // events say what a bounce reports, whatever proves it
	s.Actions = r.actions()

	switch f.BadTag {
	case atEnd, badTagAtRcpt:
		s.RefuseBadTagAtRcpt = f.BadTag == badTagAtRcpt
	default:
		r.problem("bad_tag", tomlfile.Quote(f.BadTag), "is not a stage", `use "end-of-message" or "rcpt"`)
	}
	if s.WrongTagsPerDay = f.BadTags; f.BadTags < 1 {
		r.problem("bad_tags_per_day", strconv.Itoa(f.BadTags), "is too few", "use 100: a sender whose addresses are damaged on the way has some a day")
	}
	if s.HeaderName = f.Header; !isHeaderName(f.Header) {
		r.problem("header", tomlfile.Quote(f.Header), "is not a header name", `use letters, digits and hyphens, or "" for no header`)
	}
	if s.Hostname = f.Hostname; !IsDomain(f.Hostname) {
		r.problem("hostname", tomlfile.Quote(f.Hostname), "is not a host name", dotRemedy(f.Hostname, "use a name such as mx.example.com"))
	}
}

const (
	// acceptedLife is for how many days, at least, a tag may live and still verify, whatever lifetime and tag_rotation are.
	// They may be lowered, also by hosts of one site one after the other, and the tags that are out stay good. 60 days are
	// more than a lifetime that makes sense: bounces come within a week or two. They cost next to nothing: a tag must have
	// been ours to verify, and comes alive again 940 days after it expired instead of 993.
	acceptedLife = 60

	// clockSlack is the slack, in days, if tags live longer than that anyway: at midnight, the clock of one host may
	// have a later day than that of another.
	clockSlack = 1

	// maxLife is the most days that prvs lets a tag live.
	maxLife = 499
)

// tooLongRemedy is the remedy for tags that live too long.
const tooLongRemedy = "tags count days modulo 1000: lifetime + tag_rotation must not exceed 500 days"

// slack returns the days by which a tag may live longer than tags do that are issued now.
func slack(o prvs.Options) int {
	return min(max(acceptedLife-o.Window(), clockSlack), maxLife-o.Window())
}

func (r *resolver) ringOptions() prvs.Options {
	f := &r.c.raw
	o := prvs.Options{Lifetime: f.Lifetime, Rotation: f.TagRotation}
	if f.Lifetime < 1 {
		r.problem("lifetime", strconv.Itoa(f.Lifetime), "is too short", "use 7 days or more, so that late bounces find their tag alive")
	}
	if f.TagRotation < 1 {
		r.problem("tag_rotation", strconv.Itoa(f.TagRotation), "is too short", "use 1 day or more")
	}
	if _, err := prvs.NewRing(nil, prvs.Options{Delimiters: f.Delimiters}); err != nil || f.Delimiters == "" {
		r.problem("delimiters", tomlfile.Quote(f.Delimiters), "are not delimiters",
			`use "+", or up to four characters, without letters, digits and "=", with which the mail server separates user and extension`)
	} else {
		o.Delimiters = f.Delimiters
	}
	if f.Lifetime < 1 || f.TagRotation < 1 {
		for key, days := range map[string]int{"lifetime": f.Lifetime, "tag_rotation": f.TagRotation} {
			if days > maxLife {
				r.problem(key, strconv.Itoa(days), "is too long", tooLongRemedy)
			}
		}
		return prvs.Options{}
	}
	if _, err := prvs.NewRing(nil, o); err != nil {
		r.problem("lifetime", strconv.Itoa(f.Lifetime), fmt.Sprintf("and tag_rotation %d are too long together", f.TagRotation),
			tooLongRemedy)
		return prvs.Options{}
	}
	o.Slack = slack(o)
	return o
}

// proofs resolves what the record of sent mail proves. Unless the operator chose it, the retention follows a long lifetime.
func (r *resolver) proofs() {
	f, o := &r.c.raw.Proof, r.c.Ring
	retention := f.Retention
	const longest = 365 // days; records of a year ago prove nothing that comes today
	switch shortest := o.Lifetime + o.Rotation; {
	case retention < shortest && !r.c.doc.Has("proof.retention"):
		retention = shortest
	case retention < shortest:
		r.problem("proof.retention", strconv.Itoa(retention), "is too short",
			fmt.Sprintf("sent mail must be on record for longer than tags are valid: use %d days or more", shortest))
	case retention > max(longest, shortest):
		r.problem("proof.retention", strconv.Itoa(retention), "is too long", fmt.Sprintf("use %d days or less", longest))
	}
	if f.BouncesPerRecipient < 1 {
		r.problem("proof.bounces_per_recipient", strconv.Itoa(f.BouncesPerRecipient), "is too few", "use 10 or more: delay notices, failures, receipts and automatic replies count")
	}
	if f.BouncesAtLeast < 1 {
		r.problem("proof.bounces_at_least", strconv.Itoa(f.BouncesAtLeast), "is too few", "use 500: the one recipient may be a mailing list with many members that are gone")
	}
	for _, number := range []struct {
		key    string
		n      int
		remedy string
	}{
		{"replies_per_day", f.RepliesPerDay, "use 200, or 0 to believe no automatic reply that names no message"},
		{"unproven_per_day", f.UnprovenPerDay, "use 3, or 0 to accept no automatic reply that nothing proves"},
		{"unproven_bounces_per_day", f.UnprovenBouncesPerDay, "use 0, or more to accept some bounces that name no message"},
		{"unclear_per_day", f.UnclearPerDay, "use 50, or 0 to refuse what only weak signs say to be a bounce or a reply"},
	} {
		if number.n < 0 {
			r.problem("proof."+number.key, strconv.Itoa(number.n), "is no number of messages", number.remedy)
		}
	}
	s := &r.c.Settings
	s.Proofs = policy.Proofs{
		Retention: retention, BouncesAtLeast: f.BouncesAtLeast, BouncesPerRecipient: f.BouncesPerRecipient, RepliesPerDay: f.RepliesPerDay,
		UnprovenPerDay: f.UnprovenPerDay, UnprovenBouncesPerDay: f.UnprovenBouncesPerDay, UnclearPerDay: f.UnclearPerDay,
	}
	s.AuthservIDs = r.words("proof.authserv_ids", f.AuthservIDs, "an authserv-id")
	if !r.c.doc.Has("proof.authserv_ids") {
		s.AuthservIDs = []string{r.c.raw.Hostname}
	}
	s.AddMessageID = f.AddMessageID
}

func (r *resolver) actions() map[policy.Reason]policy.Action {
	raw := r.c.raw.Actions
	actions := make(map[policy.Reason]policy.Action, len(raw))
	for _, word := range slices.Sorted(maps.Keys(raw)) {
		key := "actions." + word
		reason, err := policy.ParseReason(word)
		if err != nil || !reason.Configurable() {
			remedy := "the reasons are " + strings.Join(actionReasons(), ", ")
			if r.c.doc.IsOption(word) {
				remedy = tomlfile.AboveTables(word)
			}
			r.problem(key, "", "is not a reason to refuse", remedy)
			continue
		}
		action, err := policy.ParseAction(raw[word])
		if err != nil {
			r.problem(key, tomlfile.Quote(raw[word]), "is not an action", `use "reject", "defer", "quarantine", "tag", "discard" or "accept"`)
			continue
		}
		if !reason.Allows(action) {
			r.problem(key, tomlfile.Quote(raw[word]), "is not an action for ordinary mail", `use "reject", "defer" or "accept"`)
			continue
		}
		actions[reason] = action
	}
	return actions
}

func actionReasons() []string {
	var words []string
	for _, r := range policy.Reasons() {
		if r.Configurable() {
			words = append(words, r.String())
		}
	}
	return words
}

// skipPairs resolves which senders' mail is not signed to which recipients. A side that is empty would match no address, or,
// as an operator may believe, every address.
func (r *resolver) skipPairs() []policy.SkipPair {
	var pairs []policy.SkipPair
	for i, t := range r.c.raw.Skip {
		place := fmt.Sprintf("skip[%d].", i)
		if len(t.Senders) == 0 {
			r.problem(place+"senders", "", "is empty", "name the senders whose mail is not signed to these recipients, or list the recipients in do_not_tag.recipients")
		}
		if len(t.Recipients) == 0 {
			r.problem(place+"recipients", "", "is empty", "name the recipients to whom mail of these senders is not signed, or list the senders in do_not_tag.senders")
		}
		pairs = append(pairs, policy.SkipPair{
			Senders:    r.addresses(place+"senders", t.Senders),
			Recipients: r.addresses(place+"recipients", t.Recipients),
		})
	}
	return pairs
}

// networks resolves a list of networks. A single address is a network of one.
func (r *resolver) networks(key string, list []string) []netip.Prefix {
	nets := make([]netip.Prefix, 0, len(list))
	for i, s := range list {
		n, err := netip.ParsePrefix(s)
		if err != nil {
			var a netip.Addr
			if a, err = netip.ParseAddr(s); err == nil && a.Zone() == "" {
				n = netip.PrefixFrom(a, a.BitLen())
			}
		}
		place := fmt.Sprintf("%s[%d]", key, i)
		switch {
		case !n.IsValid():
			r.problem(place, tomlfile.Quote(s), "is not a network", `use a network such as "192.0.2.0/24" or an address`)
		case n != n.Masked():
			r.problem(place, tomlfile.Quote(s), "has bits behind the prefix", "write "+n.Masked().String())
		case n.Addr().Is4In6():
			r.problem(place, tomlfile.Quote(s), "is an IPv4 network written as IPv6", "write it as IPv4")
		default:
			nets = append(nets, n)
		}
	}
	return nets
}

// daemonSenders is the one list of addresses that may be "*" for all of them.
const daemonSenders = "mailer_daemons.senders"

// addresses checks a list of addresses, local parts and domains.
func (r *resolver) addresses(key string, list []string) []string {
	for i, s := range list {
		place := fmt.Sprintf("%s[%d]", key, i)
		switch {
		case s == "*" && key == daemonSenders:
			r.problem(place, tomlfile.Quote(s), "must stand alone", `use ["*"] for all senders, or take "*" out of the list`)
			continue
		case strings.Contains(s, "*"):
			r.problem(place, tomlfile.Quote(s), "has a *, which is no wildcard here",
				`use "@example.com" for all of its users, "@.example.com" for all below it as well`)
			continue
		}
		local, domain := s, ""
		if at := strings.LastIndexByte(s, '@'); at >= 0 {
			local, domain = s[:at], strings.TrimPrefix(s[at+1:], ".")
			if !IsDomain(domain) || local != "" && strings.HasPrefix(s[at:], "@.") {
				local, domain = "", ""
			}
		}
		if local != "" {
			if a, err := prvs.ParseAddress(local + "@example.com"); err != nil || a.Local != local {
				local, domain = "", ""
			}
		}
		if local == "" && domain == "" {
			r.problem(place, tomlfile.Quote(s), "is not an address",
				dotRemedy(strings.TrimPrefix(s[strings.LastIndexByte(s, '@')+1:], "."), `use "user@example.com", "user", "@example.com", or "@.example.com" with all below it`))
		}
	}
	return list
}

// heloNames checks a list of HELO names.
func (r *resolver) heloNames(key string, list []string) []string {
	for i, s := range list {
		if strings.Contains(s, "*") {
			r.problem(fmt.Sprintf("%s[%d]", key, i), tomlfile.Quote(s), "has a *, which is no wildcard here", `use ".example.com" for the domain and all below it`)
		}
	}
	return r.words(key, list, "a HELO name")
}

// words checks a list of words that mean something to the MTA.
func (r *resolver) words(key string, list []string, what string) []string {
	for i, s := range list {
		if s == "" || strings.ContainsAny(s, " \t\r\n") {
			r.problem(fmt.Sprintf("%s[%d]", key, i), tomlfile.Quote(s), "is not "+what, "write it without spaces")
		}
	}
	return list
}

// IsDomainOrBelow says whether s is a domain, or "*.example.com" for all domains below example.com.
func IsDomainOrBelow(s string) bool { return IsDomain(strings.TrimPrefix(s, "*.")) }

// IsDomain says whether s can follow the @ of an address. It finds mistakes; it does not validate names.
func IsDomain(s string) bool {
	const most = 255 // octets, RFC 5321 section 4.5.3.1.2
	return s != "" && len(s) <= most && !strings.ContainsAny(s, "@<>,;\"\\/* \t\r\n") &&
		!strings.HasPrefix(s, ".") && !strings.HasSuffix(s, ".") && !strings.Contains(s, "..")
}

// isHeaderName allows the names that are in use, which are fewer than RFC 5322 section 3.6.8 allows. "" is no header.
func isHeaderName(s string) bool {
	const most = 64
	for _, c := range []byte(s) {
		if c != '-' && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return len(s) <= most
}
