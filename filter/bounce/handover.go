package bounce

import (
	"net/netip"
	"strings"
)

// maxHops is how many Received fields are looked at. Postfix takes a message with more than 50 for one in a loop.
const maxHops = 50

// Returned says whether the message itself came back, or at least its header.
func (o *Original) Returned() bool {
	return o.Source == ReturnedMessage || o.Source == ReturnedHeaders || o.Source == ReturnedText
}

// Authors returns the addresses under which a returned message was written: those of From, of Sender (RFC 5322 section 3.6.2)
// and of the envelope, as far as they are told.
func (o *Original) Authors() []string {
	var list []string
	for _, a := range [...]string{o.From, fieldAddress(o.header.get("sender")), o.Sender} {
		if a != "" {
			list = append(list, printable(a, maxAddressBytes))
		}
	}
	return list
}

// HandOver returns the host from which the original came to the site that reports, or "" if that cannot be told: its address,
// or else its name in lower case. It is the reporting MTA itself if the original was written there: then that MTA could not
// deliver it elsewhere.
//
// The Received fields of the returned message say so (RFC 5321 section 4.4), read from the top: each MTA writes who handed it
// the message, which that one cannot forge, and what stands below the first host from outside may be made up. Where no such
// field was returned, Received-From-MTA (RFC 3464 section 2.2.4) says the same with a name, which may be no more than the one
// given with HELO.
func (r *Report) HandOver() string {
	hops, doubtful := 0, false
	for i := range r.Originals {
		o := &r.Originals[i]
		if o.Depth != 1 || !o.Returned() || !o.header.has("received") {
			continue
		}
		for _, f := range o.header {
			if f.name != "received" {
				continue
			}
			if hops++; hops > maxHops {
				return ""
			}
			h := readHop(f.value)
			switch {
			case h.inside():
			case h.withinSite():
				// Without a name that was looked up this may as well be a stranger who gives the site's own name.
				doubtful = doubtful || h.address.IsValid()
			case h.address.IsValid():
				return h.address.String()
			case len(h.names) > 0:
				return hostName(h.names[0])
			}
		}
		break
	}
	switch from := hostName(r.ReceivedFrom); {
	case hops == 0 && from != "" && !sameSite(from, hostName(r.ReportingMTA)):
		return from
	case hops > 0 && !doubtful:
		return hostName(r.ReportingMTA)
	}
	return ""
}

// hop is what a Received field says.
type hop struct {
	address netip.Addr // of the host that handed over, as the writer saw it
	names   []string   // that it gave, or that its address has
	by      string     // the writer
	unknown bool       // its address has no name
}

// readHop reads the value of a Received field. The clause "from" has the forms
//
//	from HELO (NAME [ADDRESS])              Postfix, Sendmail
//	from NAME ([ADDRESS] helo=HELO)         Exim
//	from unknown (HELO HELO) (ADDRESS)      qmail
//	from HELO (ADDRESS)                     Exchange
//
// so that the last address is the one that was seen, but for what follows "helo=".
func readHop(value string) hop {
	var h hop
	value = strings.Join(strings.Fields(value), " ")
	from, by, _ := strings.Cut(" "+value, " by ")
	h.by, _, _ = strings.Cut(by, " ")
	h.by = hostName(strings.TrimRight(h.by, ";"))
	// What Postfix adds about TLS and logins names versions and addresses.
	for _, remark := range [...]string{" (using ", " (Authenticated sender"} {
		from, _, _ = strings.Cut(from, remark)
	}
	from = strings.TrimPrefix(from, " ")
	if len(from) < len("from ") || !strings.EqualFold(from[:len("from ")], "from ") {
		return h
	}
	tokens := strings.FieldsFunc(from[len("from "):], func(c rune) bool { return strings.ContainsRune(" ()[]<>,;@", c) })
	helo := false
	for _, token := range tokens {
		if helo || strings.EqualFold(token, "helo=") { // "helo=[192.0.2.1]" has come apart
			helo = !helo
			continue
		}
		if strings.HasPrefix(strings.ToLower(token), "helo=") {
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

// inside says whether the message did not come from another host, or from one that only the site itself reaches.
func (h *hop) inside() bool {
	if !h.address.IsValid() {
		return len(h.names) == 0
	}
	a := h.address
	return a.IsLoopback() || a.IsPrivate() || a.IsLinkLocalUnicast() || a.IsUnspecified()
}

// withinSite says whether the host goes by names of the writer's site alone.
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

// hostName returns the name of a host in lower case, or its address, or "" if s is neither. A name without a dot means nothing
// outside.
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

// sameSite says whether two names of hosts end alike, so that they belong together most likely.
func sameSite(a, b string) bool { return a != "" && site(a) == site(b) }

// site returns the last two labels of a name, or three where the last two are what a country gives to many (example.co.uk).
func site(name string) string {
	labels := strings.Split(name, ".")
	n := 2
	if len(labels) > 2 && len(labels[len(labels)-1]) == 2 && len(labels[len(labels)-2]) <= 3 {
		n = 3
	}
	return strings.Join(labels[max(0, len(labels)-n):], ".")
}
