package backtest

import (
	"net/netip"
	"strings"
	"time"

	"github.com/bouncefilter/bouncefilter/filter/bounce"
)

// logged is a message in a log.
type logged struct {
	queueID   string
	first     time.Time // of its lines
	last      time.Time
	messageID string
	sender    string
	hasSender bool
	client    string     // name of the host that handed it over
	address   netip.Addr // of that
	origin    origin
	again     bool // a content filter has handed it over once more
	to        []loggedRecipient
	refused   bool
}

// origin is where a message in a log comes from.
type origin uint8

const (
	anywhere origin = iota // the log does not say
	outside
	here // a user who has logged in, a program on the host, the site's own network
)

// loggedRecipient is one recipient of a message in a log.
type loggedRecipient struct {
	address string // that of the envelope, before aliases
	relay   string // name of the host to which it was given
	remote  bool   // that is not one of the site
}

// Bounds of what is held of logs.
const (
	maxOpen       = 200_000 // messages whose end was not seen yet
	maxLoggedTo   = 200     // recipients of one message
	maxSeen       = 200_000 // Message-IDs of mail from outside
	sendmailQueue = 6 * 24 * time.Hour
)

// logReader follows messages through the lines of logs, in the order of their time.
type logReader struct {
	open   map[string]*logged
	logins map[string]bool     // processes of Sendmail whose client has logged in
	seen   [2]map[string]bool  // Message-IDs of mail from outside, the newer and the older half
	done   func(*logged)       // gets each message at its end
	early  func(day time.Time) // a message with the null sender was refused by the mail server before it had a queue ID
	host   func(name string)   // gets the names of hosts that write the log
	begin  time.Time           // of the lines that are read
	latest time.Time           // of them
	hosts  map[string]bool
	swept  time.Time
}

func newLogReader(done func(*logged), early func(time.Time), host func(string)) *logReader {
	return &logReader{open: map[string]*logged{}, logins: map[string]bool{}, seen: [2]map[string]bool{{}, {}}, done: done, early: early, host: host,
		hosts: map[string]bool{}}
}

// line reads a line.
func (r *logReader) line(l line) {
	service, isPostfix := postfixService(l.program)
	switch {
	case isPostfix:
		r.postfix(l, service)
	case strings.HasPrefix(l.program, "sendmail") || strings.HasPrefix(l.program, "sm-"):
		r.sendmail(l)
	default:
		return
	}
	if len(r.hosts) < 100 && !r.hosts[l.host] {
		r.hosts[l.host] = true
		r.host(l.host)
	}
	if r.begin.IsZero() || l.time.Before(r.begin) {
		r.begin = l.time
	}
	if l.time.After(r.latest) {
		r.latest = l.time
	}
	if len(r.open) > maxOpen || r.latest.Sub(r.swept) > 24*time.Hour {
		r.sweep()
	}
}

// sweep ends messages of which nothing was said for as long as they may be in a queue, and half of the others if there are too many.
func (r *logReader) sweep() {
	r.swept = r.latest
	drop := len(r.open) - maxOpen/2
	crowded := len(r.open) > maxOpen
	for id, m := range r.open {
		if r.latest.Sub(m.last) > sendmailQueue || crowded && drop > 0 {
			drop--
			r.end(id, m)
		}
	}
}

func (r *logReader) end(id string, m *logged) {
	delete(r.open, id)
	if m.hasSender {
		r.done(m)
	}
}

// flush ends all messages.
func (r *logReader) flush() {
	for id, m := range r.open {
		r.end(id, m)
	}
}

func (r *logReader) message(queueID string, at time.Time) *logged {
	m := r.open[queueID]
	if m == nil {
		m = &logged{queueID: strings.Clone(queueID), first: at}
		r.open[m.queueID] = m
	}
	m.last = at
	return m
}

// postfixService returns the service of Postfix that writes: "smtpd" of postfix/smtpd and postfix/submission/smtpd.
func postfixService(program string) (string, bool) {
	slash := strings.LastIndexByte(program, '/')
	if slash < 0 || !strings.HasPrefix(program, "postfix") {
		return "", false
	}
	return program[slash+1:], true
}

func (r *logReader) postfix(l line, service string) {
	id, text, found := strings.Cut(l.text, ": ")
	if !found {
		return
	}
	if id == "NOQUEUE" {
		if (strings.HasPrefix(text, "reject: ") || strings.HasPrefix(text, "milter-reject: ")) && strings.Contains(text, " from=<> ") {
			r.early(l.time)
		}
		return
	}
	if !isQueueID(id) {
		return
	}
	switch service {
	case "smtpd":
		if client, ok := strings.CutPrefix(text, "client="); ok {
			r.message(id, l.time).from(client)
		}
	case "pickup":
		if strings.HasPrefix(text, "uid=") {
			r.message(id, l.time).origin = here
		}
	case "cleanup":
		if value, ok := strings.CutPrefix(text, "message-id="); ok {
			r.messageID(r.message(id, l.time), value)
		}
		if strings.HasPrefix(text, "milter-reject: ") || strings.HasPrefix(text, "reject: ") {
			m := r.message(id, l.time)
			m.refused = true
			m.sender, m.hasSender = between(text, " from=<", ">")
			if to, ok := between(text, " to=<", ">"); ok {
				m.recipient(loggedRecipient{address: to})
			}
			r.end(id, m)
		}
	case "qmgr":
		switch {
		case text == "removed":
			if m := r.open[id]; m != nil {
				m.last = l.time
				r.end(id, m)
			}
		case strings.HasPrefix(text, "from=<"):
			m := r.message(id, l.time)
			m.sender, m.hasSender = between(text, "from=<", ">")
		}
	case "bounce":
		if of, ok := strings.CutPrefix(text, "sender non-delivery notification: "); ok {
			r.message(of, l.time).origin = here
		}
	default:
		if strings.HasPrefix(text, "to=<") {
			r.delivered(r.message(id, l.time), text, service == "smtp" || service == "relay")
		}
	}
}

// delivered notes a recipient.
func (r *logReader) delivered(m *logged, text string, smtp bool) {
	to, _ := between(text, "to=<", ">")
	if before, ok := between(text, "orig_to=<", ">"); ok && strings.Contains(before, "@") {
		to = before
	}
	relay, _ := between(text, "relay=", ",")
	name, address := hostOf(relay)
	m.recipient(loggedRecipient{to, name, smtp && name != "" && name != "none" && isOutside(address)})
}

func (m *logged) recipient(to loggedRecipient) {
	for i := range m.to {
		if m.to[i].address == to.address { // tried again
			if to.relay != "" {
				m.to[i] = to
			}
			return
		}
	}
	if len(m.to) < maxLoggedTo {
		to.address, to.relay = strings.Clone(to.address), strings.Clone(to.relay)
		m.to = append(m.to, to)
	}
}

// from notes the client: "host.example.com[192.0.2.1]:25, sasl_method=PLAIN, sasl_username=user".
func (m *logged) from(text string) {
	client, rest, _ := strings.Cut(text, ",")
	m.client, m.address = hostOf(client)
	m.client = strings.Clone(m.client)
	if m.origin = outside; strings.Contains(rest, "sasl_username=") || !isOutside(m.address) {
		m.origin = here
	}
}

// messageID notes a Message-ID, by which what a content filter hands over again is known.
func (r *logReader) messageID(m *logged, value string) {
	id := bounce.MessageID(value)
	if id == "" || m.messageID != "" {
		return
	}
	m.messageID = strings.Clone(id)
	switch {
	case m.origin == outside:
		if len(r.seen[0]) >= maxSeen {
			r.seen[0], r.seen[1] = map[string]bool{}, r.seen[0]
		}
		r.seen[0][m.messageID] = true
	case r.seen[0][id] || r.seen[1][id]:
		m.again = true
	}
}

func (r *logReader) sendmail(l line) {
	if strings.Contains(l.text, "AUTH=server") && strings.Contains(l.text, "authid=") {
		if len(r.logins) > maxOpen {
			clear(r.logins)
		}
		r.logins[strings.Clone(l.pid)] = true
		return
	}
	id, text, found := strings.Cut(l.text, ": ")
	if !found || !isQueueID(id) {
		return
	}
	switch {
	case strings.HasPrefix(text, "from="):
		m := r.message(id, l.time)
		sender, _, _ := strings.Cut(text[len("from="):], ",")
		m.sender, m.hasSender = strings.Clone(strings.Trim(sender, "<>")), true
		relay, _ := between(text+",", "relay=", ",")
		m.client, m.address = hostOf(strings.Replace(relay, " [", "[", 1))
		m.client = strings.Clone(m.client)
		if m.origin == anywhere {
			m.origin = outside
		}
		if r.logins[l.pid] || !isOutside(m.address) || strings.HasSuffix(m.client, "@localhost") {
			m.origin = here
		}
		delete(r.logins, l.pid)
		if msgid, ok := between(text+",", "msgid=", ","); ok {
			r.messageID(m, msgid)
		}
	case strings.HasPrefix(text, "to="):
		relay, _ := between(text+",", "relay=", ",")
		mailer, _ := between(text, "mailer=", ",")
		name, address := hostOf(strings.Replace(relay, " [", "[", 1))
		list, _, _ := strings.Cut(text[len("to="):], ", ")
		for to := range strings.SplitSeq(list, ",") {
			r.message(id, l.time).recipient(loggedRecipient{strings.Trim(to, "<> "), name, strings.Contains(mailer, "smtp") && isOutside(address)})
		}
	case strings.Contains(text, ": DSN: "), strings.Contains(text, ": sender notify: "):
		if of, _, ok := strings.Cut(text, ": "); ok && isQueueID(of) {
			m := r.message(of, l.time)
			m.origin, m.hasSender = here, true
		}
	}
}

// isQueueID says whether s looks like a queue ID of Postfix, short or long, or of Sendmail.
func isQueueID(s string) bool {
	if len(s) < 5 || len(s) > 24 {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z') {
			return false
		}
	}
	return true
}

// hostOf reads "host.example.com[192.0.2.1]:25".
func hostOf(s string) (name string, address netip.Addr) {
	name, rest, _ := strings.Cut(strings.TrimSpace(s), "[")
	rest, _, _ = strings.Cut(rest, "]")
	address, _ = netip.ParseAddr(strings.TrimPrefix(strings.ToLower(rest), "ipv6:"))
	return strings.ToLower(strings.TrimRight(name, ". ")), address.Unmap()
}

// isOutside says whether a host may be outside of the site: those with loopback, private and link-local addresses, and unix sockets, are not.
func isOutside(a netip.Addr) bool {
	return a.IsValid() && !a.IsLoopback() && !a.IsPrivate() && !a.IsLinkLocalUnicast()
}

// between returns what is between two texts, in memory of its own.
func between(s, begin, end string) (string, bool) {
	_, rest, found := strings.Cut(s, begin)
	if !found {
		return "", false
	}
	value, _, found := strings.Cut(rest, end)
	return strings.Clone(value), found
}
