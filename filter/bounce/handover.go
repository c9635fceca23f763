package bounce

import (
	"net/netip"
	"slices"
	"strings"
)

// maxHops is how many Received fields are read. Postfix takes a message with more than 50 for a loop (hopcount_limit).
const maxHops = 50

// maxPath is how many hosts a path has.
const maxPath = 100

// maxHopBytes is how many octets of a Received field are read.
const maxHopBytes = 1 << 10

// Returned says whether the message itself was returned, or at least its header.
func (o *Original) Returned() bool {
	return o.Source == ReturnedMessage || o.Source == ReturnedHeaders || o.Source == ReturnedText
}

// Authors returns the addresses under which a returned message was written: those of From and of Sender (RFC 5322 section
// 3.6.2) and the envelope sender, as far as the report contains them.
func (o *Original) Authors() []string {
	var list []string
	for _, a := range [...]string{o.From, fieldAddress(o.header.get("sender")), o.Sender} {
		if a != "" {
			list = append(list, printable(a, maxAddressBytes))
		}
	}
	return list
}

// HandOver returns the host from which the reporting site got the original: its address, or else its name in lower case. It
// returns "" if the report does not say so for sure. It is the reporting MTA itself if the original was written there: then
// that MTA could not deliver it elsewhere.
//
// The source is the Received fields of the returned message (RFC 5321 section 4.4), read from the top. Each MTA writes which
// host handed it the message, and that host cannot forge it. An attacker may have made up everything below the first host from
// outside the site. If no Received field was returned, Received-From-MTA (RFC 3464 section 2.2.4) is the source; its name may be
// only the one that the host gave with HELO.
func (r *Report) HandOver() string {
	h := r.handOver()
	switch {
	case h.hop.address.IsValid():
		return h.hop.address.String()
	case len(h.hop.names) > 0:
		return hostName(h.hop.names[0])
	}
	switch from := hostName(r.ReceivedFrom); {
	case h.fields == 0 && from != "" && !sameSite(from, hostName(r.ReportingMTA)):
		return from
	case h.within():
		return hostName(r.ReportingMTA)
	}
	return ""
}

// VerifiedHandOver returns what the reporting site itself has found out about the host from which it got the original: its address, and
// the name that belongs to it, in lower case; the zero Addr or "" for what it has not. A name that the host has only given itself, with
// HELO, is not returned: backscatter is full of such names. If the original was written at the reporting site, the name is that of the
// reporting MTA.
func (r *Report) VerifiedHandOver() (address netip.Addr, name string) {
	h := r.handOver()
	switch {
	case h.hop.address.IsValid():
		return h.hop.address, h.hop.verified
	case h.fields == 0:
		address, _ = parseHostAddress(r.ReceivedFrom)
	case h.within():
		name = hostName(r.ReportingMTA)
	}
	return address, name
}

// handOver is what the Received fields of a returned message say about the first host outside of the site that reports.
type handOver struct {
	hop      hop  // the zero hop if there is no such host
	fields   int  // how many were read
	doubtful bool // a host inside of the site may be one outside
}

// within says whether the message was written at the site that reports.
func (h *handOver) within() bool {
	return h.fields > 0 && h.fields <= maxHops && !h.doubtful && !h.hop.address.IsValid() && len(h.hop.names) == 0
}

func (r *Report) handOver() (over handOver) {
	for i := range r.Originals {
		o := &r.Originals[i]
		if o.Depth != 1 || !o.Returned() || !o.header.has("received") {
			continue
		}
		for _, f := range o.header {
			if f.name != "received" {
				continue
			}
			if over.fields++; over.fields > maxHops {
				return over
			}
			h := readHop(f.value)
			switch {
			case h.inside():
			case h.withinSite():
				// If the MTA did not look up the name, this may be a client from outside that gives the site's own name.
				over.doubtful = over.doubtful || h.address.IsValid()
			default:
				over.hop = h
				return over
			}
		}
		break
	}
	return over
}

// Path returns the hosts that the returned message has passed, as far as its Received fields were returned: names in lower case and addresses,
// each of them once, at most maxPath. Names may be those that a host gave itself with HELO.
func (r *Report) Path() []string {
	var hosts []string
	add := func(host string) {
		if host != "" && len(hosts) < maxPath && !slices.Contains(hosts, host) {
			hosts = append(hosts, host)
		}
	}
	for i := range r.Originals {
		o := &r.Originals[i]
		if o.Depth != 1 || !o.Returned() {
			continue
		}
		hops := 0
		for _, f := range o.header {
			if f.name != "received" {
				continue
			}
			if hops++; hops > maxHops {
				break
			}
			h := readHop(f.value)
			add(h.by)
			for _, name := range h.names {
				add(hostName(name))
			}
			if h.address.IsValid() {
				add(h.address.String())
			}
		}
	}
	return hosts
}

// hop is what a Received field says.
type hop struct {
	address netip.Addr // of the host that handed the message over, as the writer saw it
	names   []string   // names that this host gave, or that its address has
	by      string     // the host that wrote the field
	unknown bool       // its address has no name
	// verified is the name that the writer found for the address, in lower case; "" if it found none, or does not tell it from that of
	// HELO.
	verified string
}

// readHop reads the value of a Received field. The clause "from" has the forms
//
//	from HELO (NAME [ADDRESS])              Postfix, Sendmail
//	from NAME ([ADDRESS] helo=HELO)         Exim
//	from unknown (HELO HELO) (ADDRESS)      qmail
//	from HELO (ADDRESS)                     Exchange
//
// so the last address is the one that the writer saw, apart from what follows "helo=".
func readHop(value string) hop {
	var h hop
	value = foldSpace(value, maxHopBytes)
	from, by, _ := strings.Cut(" "+value, " by ")
	h.by, _, _ = strings.Cut(by, " ")
	h.by = hostName(strings.TrimRight(h.by, ";"))
	// Postfix adds remarks about TLS and logins, which contain versions and addresses.
	for _, remark := range [...]string{" (using ", " (Authenticated sender"} {
		from, _, _ = strings.Cut(from, remark)
	}
	from = strings.TrimPrefix(from, " ")
	if len(from) < len("from ") || !strings.EqualFold(from[:len("from ")], "from ") {
		return h
	}
	h.verified = verifiedName(from[len("from "):])
	helo := false
	for token := range strings.FieldsFuncSeq(from[len("from "):], betweenHosts) {
		if helo || strings.EqualFold(token, "helo=") { // "helo=[192.0.2.1]" has come apart
			helo = !helo
			continue
		}
		if n := len("helo="); len(token) > n && strings.EqualFold(token[:n], "helo=") {
			continue
		}
		if a, ok := parseHostAddress(token); ok {
			h.address = a
		} else if strings.EqualFold(token, "unknown") {
			h.unknown = true
		} else if hostName(token) != "" {
			h.names = append(h.names, token)
		}
	}
	return h
}

// betweenHosts says whether a character separates names and addresses in the clause "from".
func betweenHosts(c rune) bool {
	switch c {
	case ' ', '(', ')', '[', ']', '<', '>', ',', ';', '@':
		return true
	}
	return false
}

// verifiedName returns the name in the clause "from" that the writer has found for the address: the one beside it in "HELO (NAME [ADDRESS])",
// unless Sendmail has remarked that it may be forged, or the first one in "NAME ([ADDRESS] helo=HELO)".
func verifiedName(from string) string {
	first, rest, found := strings.Cut(from, " (")
	if !found || strings.Contains(rest, "may be forged") {
		return ""
	}
	if strings.HasPrefix(rest, "[") {
		if strings.Contains(rest, " helo=") {
			return verifiedHost(first)
		}
		return "" // Sendmail writes "HELO ([ADDRESS])" if the address has no name
	}
	name, _, beside := strings.Cut(rest, " [")
	if !beside {
		return ""
	}
	return verifiedHost(name)
}

// verifiedHost returns a name in lower case, or "" if it is an address or none.
func verifiedHost(name string) string {
	name = hostName(name)
	if _, err := netip.ParseAddr(name); err == nil {
		return ""
	}
	return name
}

// inside says whether the message came from no other host, or from one that only the site itself can reach.
func (h *hop) inside() bool {
	if !h.address.IsValid() {
		return len(h.names) == 0
	}
	a := h.address
	return a.IsLoopback() || a.IsPrivate() || a.IsLinkLocalUnicast() || a.IsUnspecified()
}

// withinSite says whether all names of the host are names of the writer's site.
func (h *hop) withinSite() bool {
	if h.unknown || len(h.names) == 0 {
		return false
	}
	for _, name := range h.names {
		if !sameSite(hostName(name), h.by) {
			return false
		}
	}
	return true
}

func parseHostAddress(s string) (netip.Addr, bool) {
	s = strings.Trim(s, "[]")
	if len(s) > 5 && strings.EqualFold(s[:5], "ipv6:") {
		s = s[5:]
	}
	a, err := netip.ParseAddr(s)
	return a.Unmap().WithZone(""), err == nil
}

// hostName returns the name of a host in lower case, or its address, or "" if s is neither. A name without a dot is no name
// outside the site.
func hostName(s string) string {
	if a, ok := parseHostAddress(s); ok {
		return a.String()
	}
	s = strings.ToLower(strings.Trim(s, "."))
	if len(s) > maxNameBytes || strings.IndexByte(s, '.') < 0 {
		return ""
	}
	if strings.HasSuffix(s, ".localdomain") || strings.HasSuffix(s, ".local") {
		return ""
	}
	for i := range len(s) {
		if c := s[i]; !isAlnum(c) && c != '.' && c != '-' && c != '_' {
			return ""
		}
	}
	return s
}

// sameSite says whether two names of hosts have the same end, so that they most likely belong to one site.
func sameSite(a, b string) bool { return a != "" && site(a) == site(b) }

// site returns the last two labels of a name, or three under a country's public suffix such as co.uk.
func site(name string) string {
	labels := strings.Split(name, ".")
	n := 2
	if len(labels) > 2 && len(labels[len(labels)-1]) == 2 && len(labels[len(labels)-2]) <= 3 {
		n = 3
	}
	return strings.Join(labels[max(0, len(labels)-n):], ".")
}
