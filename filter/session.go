package filter

import (
	"context"
	"net/netip"
	"runtime/debug"
	"strings"
	"time"

	"github.com/d--j/go-milter"

	"github.com/bouncefilter/bouncefilter/filter/bounce"
	"github.com/bouncefilter/bouncefilter/filter/wire"
	"github.com/bouncefilter/bouncefilter/prvs"
)

// session serves one connection of an MTA. The library calls its methods one after the other, in one goroutine.
type session struct {
	milter.NoOpMilter
	server *Server
	conn   *wire.Conn
	role   Role

	skip      bool // the MTA can be told to send no more of a body
	client    netip.Addr
	local     bool // the MTA's sendmail command
	rcptReply bool // the MTA waits for replies to RCPT
	helo      string
	msg       message
}

// NewConnection is called at the start, and again if the MTA uses the connection for another SMTP session.
func (s *session) NewConnection(m milter.Modifier) error {
	s.conn.Negotiated(m.Protocol())
	s.rcptReply = m.Protocol()&milter.OptNoRcptReply == 0
	s.skip = m.Protocol()&milter.OptSkip != 0
	s.client, s.local, s.helo = netip.Addr{}, false, ""
	s.reset()
	s.done()
	return nil
}

// Connect notes who the client is. It has no reply.
//
// QUIRK: mail handed in with the sendmail command comes from port 0 of 127.0.0.1 in Postfix, and as a client of unknown
// family with the name localhost in Sendmail.
func (s *session) Connect(host, family string, port uint16, addr string, _ milter.Modifier) (r *milter.Response, err error) {
	defer s.contain(&r)
	s.client, s.local = netip.Addr{}, false
	switch family {
	case "tcp4", "tcp6":
		s.client, _ = netip.ParseAddr(addr)
		s.client = s.client.Unmap().WithZone("")
		s.local = port == 0 && s.client.IsLoopback()
	case "unix":
		s.local = true
	default:
		s.local = host == "localhost"
	}
	return milter.RespContinue, nil
}

// Helo notes the client's name, if the policy asks for it. It has no reply.
func (s *session) Helo(name string, _ milter.Modifier) (*milter.Response, error) {
	s.helo = name
	return milter.RespContinue, nil
}

// MailFrom begins a message. It has no reply.
func (s *session) MailFrom(from, _ string, m milter.Modifier) (r *milter.Response, err error) {
	defer s.contain(&r)
	s.reset()
	s.conn.SetBusy(true)
	msg := &s.msg
	msg.state = s.server.state.Load()
	msg.now = s.server.now()
	defer msg.clock(time.Now())
	p := msg.state.policy
	msg.sender = from
	outbound := p.Outbound(Origin{
		Authenticated: m.Get(milter.MacroAuthAuthen) != "",
		Daemon:        m.Get(milter.MacroDaemonName),
		Client:        s.client,
		Local:         s.local,
	})
	msg.own = outbound || s.local
	var usable bool
	msg.from, usable = p.Address(from, m.Get(milter.MacroMailAddr))
	msg.badFrom = !usable
	msg.kind = s.role.kindOf(usable && msg.from.IsNull(), outbound, usable && p.MayBeBounce(msg.from))
	s.want() // for MTAs that do not announce DATA: old ones, and those that were asked not to
	return milter.RespContinue, nil
}

// want asks for what a message of its kind may need of the content.
func (s *session) want() {
	switch s.msg.kind {
	case kindBounce, kindDaemon:
		s.read(bounce.DefaultLimits().BodyBytes)
	case kindOutbound:
		s.conn.Want(sentHeaders, false)
	}
}

// read lets the content of the message be kept, with so much of its body.
func (s *session) read(bodyBytes int) {
	s.msg.content = newContent(s.msg.sender, bodyBytes)
	s.conn.Want(wire.AllHeaders, true)
}

// RcptTo notes a recipient and refuses a bad tag.
func (s *session) RcptTo(to, args string, m milter.Modifier) (r *milter.Response, err error) {
	defer s.contain(&r)
	msg := &s.msg
	if msg.state == nil || msg.failed {
		return s.tempfail(), nil
	}
	defer msg.clock(time.Now())
	s.conn.SetBusy(true) // a message that was refused at DATA may go on
	if msg.first == "" {
		msg.first = to
	}
	if msg.queueID == "" {
		msg.queueID = m.Get(milter.MacroQueueId)
	}
	p := msg.state.policy
	rcpt := recipient{raw: to, mta: m.Get(milter.MacroRcptAddr), args: args}
	a, ok := p.Address(to, rcpt.mta)
	if !ok {
		a = prvs.Address{} // no address of ours: left to the MTA
	}
	rcpt.address = a
	if msg.kind == kindBounce {
		return s.bounceRecipient(rcpt), nil
	}
	msg.count++
	if msg.kind == kindOutbound || msg.kind == kindUnsigned {
		msg.sent.recipient(a)
		msg.doNotTag = msg.doNotTag || p.DoNotTag(msg.from, a)
	}
	if d := p.Domain(lower(a.Domain)); s.role.Verifies() && d != nil && len(msg.recipients) < maxTagged {
		rcpt.verdict = p.Ordinary(a, msg.now)
		if rcpt.verdict.Reason == Untag || msg.kind == kindDaemon {
			msg.recipients = append(msg.recipients, rcpt)
		}
	}
	return milter.RespContinue, nil
}

// Data decides what can be decided without the content.
func (s *session) Data(m milter.Modifier) (r *milter.Response, err error) {
	defer s.contain(&r)
	if r = s.data(m); r == milter.RespContinue {
		s.conn.SetBusy(true)
	} else {
		s.done()
	}
	return r, nil
}

func (s *session) data(m milter.Modifier) *milter.Response {
	msg := &s.msg
	if msg.state == nil || msg.failed {
		return s.tempfail()
	}
	defer msg.clock(time.Now())
	if id := m.Get(milter.MacroQueueId); id != "" {
		msg.queueID = id
	}
	if msg.kind == kindUnsigned {
		s.warnUnsigned()
	}
	switch {
	case msg.kind == kindBounce:
		return s.bounceData()
	case len(msg.recipients) > 0:
		s.want()
		return milter.RespContinue
	case msg.kind == kindOutbound:
		// Mail that is not signed is remembered, too: it may be answered to an address of ours in its header.
		s.want()
		return milter.RespContinue
	}
	// Nothing is left to do: the MTA need not send the content.
	return milter.RespAccept
}

// EndOfMessage decides everything else and carries it out.
func (s *session) EndOfMessage(m milter.Modifier) (r *milter.Response, err error) {
	defer s.contain(&r)
	msg := &s.msg
	defer s.done()
	if msg.state == nil || msg.failed {
		return s.tempfail(), nil
	}
	if id := m.Get(milter.MacroQueueId); id != "" {
		msg.queueID = id
	}
	defer msg.clock(time.Now())
	s.readContent()
	if msg.kind == kindDaemon && (len(msg.recipients) == 0 || !isBounce(msg.report)) {
		msg.kind, msg.report = kindInbound, nil
	}
	if msg.kind == kindBounce || msg.kind == kindDaemon {
		return s.bounceEnd(m)
	}
	if msg.kind == kindOutbound {
		if r, err := s.sign(m); r != nil || err != nil {
			return r, err
		}
	}
	for i := range msg.recipients {
		rcpt := &msg.recipients[i]
		if rcpt.verdict.Reason != Untag {
			continue
		}
		if err := replaceRecipient(m, rcpt); err != nil {
			return nil, err
		}
		s.decided(&rcpt.verdict, rcpt.raw, 1)
	}
	return milter.RespAccept, nil
}

// readContent finds out what a bounce says. Should that fail, which is a fault of this program, nobody can know what it would
// have proven.
func (s *session) readContent() {
	msg := &s.msg
	c := msg.content
	if c == nil {
		return
	}
	msg.content = nil
	defer func() {
		if p := recover(); p != nil {
			msg.report, msg.unread = nil, true
			s.server.stats.panics.Add(1)
			s.server.log.Error("a bounce cannot be read, it is judged by its tag alone", "panic", p, "stack", string(debug.Stack()))
		}
	}()
	msg.report = s.server.readReport(c)
}

// Header notes what is of use in a header field; fields that are not are kept back on the connection. It has no reply.
func (s *session) Header(name, value string, _ milter.Modifier) (r *milter.Response, err error) {
	defer s.contain(&r)
	msg := &s.msg
	if msg.state == nil {
		return milter.RespContinue, nil
	}
	msg.ownHeader(name)
	switch {
	case msg.content != nil:
		msg.content.addHeader(name, value)
	case msg.kind == kindOutbound:
		msg.sent.header(msg.state.policy, name, value)
	}
	return milter.RespContinue, nil
}

// BodyChunk keeps a piece of the body of a bounce; other bodies are kept back on the connection.
func (s *session) BodyChunk(chunk []byte, _ milter.Modifier) (r *milter.Response, err error) {
	defer s.contain(&r)
	if s.msg.content != nil && s.msg.content.addBody(chunk) {
		return milter.RespContinue, nil
	}
	s.conn.Want(nil, false)
	if s.skip {
		return milter.RespSkip, nil
	}
	return milter.RespContinue, nil
}

// Abort is called for RSET, but also by the library when RCPT follows DATA and by Postfix between two messages. What is
// known of the message therefore stays until the next MAIL.
func (s *session) Abort(milter.Modifier) error {
	s.done()
	return nil
}

// Headers is not asked for.

// clock adds the time since start to what the message has cost. It is deferred.
func (msg *message) clock(start time.Time) { msg.spent += time.Since(start) }

// reset forgets the message.
func (s *session) reset() {
	recipients := s.msg.recipients
	clear(recipients)
	if cap(recipients) > 16 {
		recipients = nil // a connection may stay open for long
	}
	s.msg = message{recipients: recipients[:0]}
	s.conn.Want(nil, false)
}

// done notes that the MTA has been told about the message. Its content is dropped, which may be large: a connection may stay
// open for long.
func (s *session) done() {
	s.msg.content, s.msg.report = nil, nil
	s.conn.SetBusy(false)
}

// contain turns a panic of a callback into a reply that makes the MTA try again; other sessions go on. At a stage without
// a reply the next one carries it.
func (s *session) contain(r **milter.Response) {
	p := recover()
	if p == nil {
		return
	}
	s.msg.failed = true
	s.server.stats.panics.Add(1)
	s.server.log.Error("callback failed, the MTA is told to try again", "panic", p, "stack", string(debug.Stack()))
	v := Verdict{Reason: Failure, Action: ActionDefer}
	if s.msg.state == nil {
		s.msg.state = s.server.state.Load()
	}
	s.decided(&v, s.msg.first, s.msg.count)
	*r = s.tempfail()
}

func (s *session) tempfail() *milter.Response { return s.server.replies.of(Failure, ActionDefer) }

// decided counts and logs one verdict.
func (s *session) decided(v *Verdict, rcpt string, recipients int) {
	s.msg.state.count(v)
	s.server.logVerdict(context.Background(), s, v, rcpt, recipients)
}

// replaceRecipient removes a recipient's tag.
//
// QUIRK: Sendmail loses the message if ADDRCPT comes before DELRCPT. Postfix keeps NOTIFY and ORCPT only with
// ADDRCPT_PAR.
func replaceRecipient(m milter.Modifier, r *recipient) error {
	if m.Actions()&milter.OptRemoveRcpt == 0 || m.Actions()&(milter.OptAddRcpt|milter.OptAddRcptWithArgs) == 0 {
		return nil // an MTA that lets nobody change recipients delivers to the tagged one
	}
	if r.untaggedByMTA() {
		return nil
	}
	if err := deleteRecipient(m, r); err != nil {
		return err
	}
	args := r.args
	if m.Actions()&milter.OptAddRcptWithArgs == 0 {
		args = ""
	}
	return m.AddRecipient(r.verdict.Tag.Original.String(), args)
}

// untaggedByMTA says whether the MTA delivers to the address without the tag anyway, as {rcpt_addr} shows.
//
// QUIRK: Sendmail has resolved the recipient by then, with the rule of deploy/sendmail that removes tags. Removing a local user
// with a detail (user+shop) and adding it again under the name that it is already known by loses the message: Sendmail has
// accepted it and delivers it to nobody. The scenarios "details" in deploy/e2e show it.
func (r *recipient) untaggedByMTA() bool {
	return r.mta != "" && hasTagMark(r.raw) && !hasTagMark(r.mta)
}

// hasTagMark says whether there is a tag in an address, or what has become of one.
func hasTagMark(address string) bool { return strings.Contains(lower(address), "prvs=") }

// deleteRecipient removes a recipient, under the name by which the MTA knows it.
//
// QUIRK: Postfix compares with the recipient as it understood it, without a source route (RFC 5321 appendix F.2) and with
// whatever it has normalized, and keeps a recipient that it does not find: the message would be delivered twice.
// The scenarios "with a source route" and "with a dot" in deploy/e2e show it.
func deleteRecipient(m milter.Modifier, r *recipient) error {
	if m.Actions()&milter.OptRemoveRcpt == 0 {
		return nil
	}
	raw := r.raw
	if i := strings.IndexByte(raw, ':'); i > 0 && raw[0] == '@' {
		raw = raw[i+1:]
	}
	if err := m.DeleteRecipient(raw); err != nil {
		return err
	}
	if r.mta == "" || r.mta == raw || r.address.String() == raw {
		return nil
	}
	return m.DeleteRecipient(r.mta)
}
