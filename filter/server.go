package filter

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync/atomic"
	"time"

	"github.com/d--j/go-milter"

	"github.com/bouncefilter/bouncefilter/filter/evidence"
	"github.com/bouncefilter/bouncefilter/filter/guesses"
	"github.com/bouncefilter/bouncefilter/filter/internal/acceptor"
	"github.com/bouncefilter/bouncefilter/filter/judge"
	"github.com/bouncefilter/bouncefilter/filter/policy"
	"github.com/bouncefilter/bouncefilter/filter/routes"
	"github.com/bouncefilter/bouncefilter/filter/sources"
	"github.com/bouncefilter/bouncefilter/filter/view"
	"github.com/bouncefilter/bouncefilter/filter/wire"
	"github.com/bouncefilter/bouncefilter/store"
	"github.com/bouncefilter/bouncefilter/store/guard"
)

// Limits bounds what MTAs may use.
type Limits struct {
	// Connections is how many MTA connections are served at once; further ones are closed, and the MTA does what its
	// milter_default_action says. 0 means DefaultConnections.
	Connections int
	// ReadTimeout is how long an MTA may be silent. 0 means 7210 s, libmilter's default: an MTA is silent as long
	// as the SMTP client is.
	ReadTimeout time.Duration
	// WriteTimeout is how long an MTA may take to read a reply. 0 means 10 s.
	WriteTimeout time.Duration
}

// DefaultConnections is the limit of connections unless configured otherwise. An idle one costs about 10 kB and a file
// descriptor.
const DefaultConnections = 10_000

// Options is what a [Server] is made from.
type Options struct {
	Policy *policy.Policy
	Store  *guard.Guard
	Hasher *store.Hasher
	Logger *slog.Logger
	// Node is the name of this daemon in counters that several daemons share.
	Node   string
	Limits Limits
	// HistoryFile is the file that says, over a restart, since when domains have been signing and since when there is a record, so that a store that
	// was wiped is not taken for a new one. Empty for nowhere.
	HistoryFile string
	// SummaryInterval is the time between two summary lines in the log. 0 means 5 minutes.
	SummaryInterval time.Duration
	// Clock returns the time. nil means time.Now.
	Clock func() time.Time
}

// Server is the milter: it serves MTAs' connections and does the work beside them.
type Server struct {
	log         *slog.Logger
	store       *guard.Guard
	hasher      *store.Hasher
	view        *view.View // what is known of the record of sent mail
	node        string
	limits      Limits
	every       time.Duration
	now         func() time.Time
	state       atomic.Pointer[state]
	stats       *stats
	routes      *routes.Table
	sources     *sources.Table
	guesses     *guesses.Table
	anyUser     atomic.Bool // see [policy.RecipientFacts]
	replies     *replies
	macros      []milter.Option
	sentHeaders []string // that are recorded of outbound mail

	summary  summaryState    // belongs to Run, and to Shutdown after it
	enforced map[string]bool // domains in mode auto, as logged last; belongs to Run

	acceptor *acceptor.Acceptor
}

// NewServer makes a server. It serves no MTA before [Server.Serve] is called.
func NewServer(o Options) (*Server, error) {
	if o.Policy == nil || o.Store == nil || o.Hasher == nil || o.Logger == nil {
		return nil, errors.New("filter: Policy, Store, Hasher and Logger are needed")
	}
	s := &Server{
		log: o.Logger, store: o.Store, hasher: o.Hasher, node: o.Node, limits: o.Limits, every: o.SummaryInterval, now: o.Clock,
		stats: &stats{}, routes: routes.New(), sources: sources.New(), replies: newReplies(), macros: macroRequests(), sentHeaders: evidence.Headers(),
		enforced: map[string]bool{},
	}
	if s.limits.Connections == 0 {
		s.limits.Connections = DefaultConnections
	}
	if s.limits.ReadTimeout == 0 {
		s.limits.ReadTimeout = 7210 * time.Second
	}
	if s.limits.WriteTimeout == 0 {
		s.limits.WriteTimeout = 10 * time.Second
	}
	if s.every == 0 {
		s.every = 5 * time.Minute
	}
	if s.now == nil {
		s.now = time.Now
	}
	s.acceptor = acceptor.New(acceptor.Options{Limit: s.limits.Connections, Full: s.full, Failed: s.cannotAccept})
	s.guesses = guesses.New(s.manyWrongTags)
	s.summary.since = s.now()
	s.Reload(o.Policy)
	s.view = view.New(view.Options{
		Store: s.store, Hasher: s.hasher, Logger: s.log, Node: s.node, HistoryFile: o.HistoryFile, Now: s.now,
		Ours:  func(domain string) bool { return s.state.Load().policy.Domain(domain) != nil },
		Fault: func() { s.stats.panics.Add(1) },
	})
	return s, nil
}

// Reload replaces the policy. Messages in transit stay with the one that they began with.
func (s *Server) Reload(p *policy.Policy) { s.state.Store(&state{p}) }

// Serve serves the connections of ln in a role until [Server.Shutdown] is called, and then returns nil. It closes ln.
func (s *Server) Serve(ln net.Listener, role policy.Role) error {
	return s.acceptor.Serve(ln, func(c net.Conn) { s.serveConn(c, role) })
}

// cannotAccept logs that a listener failed to accept a connection.
func (s *Server) cannotAccept(ln net.Listener, err error, pause time.Duration) {
	s.stats.acceptErrors.Add(1)
	s.log.Error("cannot accept a connection, trying again", "address", ln.Addr().String(), "error", err, "pause", pause)
}

// full counts a connection above the limit.
func (s *Server) full() {
	if s.stats.overLimit.Add(1) == 1 {
		s.log.Error("too many connections, closing further ones; see limits.connections", "limit", s.limits.Connections)
	}
}

// serveConn serves one connection in a goroutine of its own, which the library starts.
func (s *Server) serveConn(nc net.Conn, role policy.Role) {
	c := wire.New(nc, wire.Options{
		ReadTimeout:  s.limits.ReadTimeout,
		WriteTimeout: s.limits.WriteTimeout,
		Fault:        s.fault,
		Closed:       func(c *wire.Conn) { s.acceptor.Remove(c) },
	})
	if !s.acceptor.Add(c) {
		_ = nc.Close()
		return
	}
	s.stats.connections.Add(1)

	// The library gives a session no way to reach its connection, so each connection gets a library server of its own,
	// whose only connection it is.
	options := append([]milter.Option{
		milter.WithMilter(func() milter.Milter { return &session{server: s, conn: c, role: role} }),
		milter.WithNegotiationCallback(s.negotiator(role)),
	}, s.macros...)
	_ = milter.NewServer(options...).Serve(&oneConn{conn: c})
}

// negotiator answers the MTA's offer for a connection in a role.
func (s *Server) negotiator(role policy.Role) milter.NegotiationCallbackFunc {
	return func(mtaVersion, ownVersion uint32, mtaActions, _ milter.OptAction, mtaProtocol, _ milter.OptProtocol, size milter.DataSize) (
		uint32, milter.OptAction, milter.OptProtocol, milter.DataSize, error) {
		version, actions, protocol, err := negotiate(s.state.Load().policy, role, mtaVersion, ownVersion, mtaActions, mtaProtocol)
		if err == nil && role.Signs() && actions&milter.OptChangeFrom == 0 {
			s.stats.poorMTA.Add(1)
		}
		return version, actions, protocol, size, err
	}
}

// fault counts a frame at fault.
func (s *Server) fault(f wire.Fault) {
	s.stats.faults.add(f)
	s.log.Warn("malformed milter frame", "fault", string(f))
}

// Shutdown stops accepting connections, ends idle ones, lets messages under way come to their end, and writes the last
// summary. When ctx is done it cuts what is left and returns ctx's error. [Server.Run] must have ended before.
func (s *Server) Shutdown(ctx context.Context) error {
	err := s.acceptor.Shutdown(ctx)
	s.view.Close()
	s.flushCounters(context.WithoutCancel(ctx))
	s.logSummary()
	return err
}

// Ready says whether the server can do its work: nil, or what is missing.
func (s *Server) Ready(ctx context.Context) error {
	if !s.acceptor.Accepting() {
		return errors.New("not accepting connections")
	}
	if !s.store.Available() {
		return store.ErrUnavailable
	}
	return nil
}

// Connections returns how many connections of MTAs were served.
func (s *Server) Connections() uint64 { return s.stats.connections.Load() }

// oneConn is a listener with one connection.
type oneConn struct{ conn *wire.Conn }

func (l *oneConn) Accept() (net.Conn, error) {
	if c := l.conn; c != nil {
		l.conn = nil
		return c, nil
	}
	return nil, net.ErrClosed
}

func (l *oneConn) Close() error   { return nil }
func (l *oneConn) Addr() net.Addr { return &net.UnixAddr{} }

// View returns what is known of the record of sent mail.
func (s *Server) View() *view.View { return s.view }

// OtherRoutes returns the routes, other than through this filter, by which mail seems to leave whose bounces are refused, or would be:
// the latest first.
func (s *Server) OtherRoutes() []routes.Route { return s.routes.List(s.state.Load().policy, s.now()) }

// Sources returns who sends mail with the null sender that is no bounce, or that nothing proves: the largest source first.
func (s *Server) Sources() []sources.Source { return s.sources.List(s.now()) }

// Untag is [judge.Untag] with the policy in effect.
//
// QUIRK: a Postfix with no table of tagged addresses in front of the lookup service takes each recipient that it finds for a user. It asks
// for addresses without a tag, too, so that the first of them tells: at the latest the one that takes the place of a tagged recipient.
func (s *Server) Untag(recipient string) (address string, known bool) {
	if !hasTagMark(recipient) {
		s.anyUser.Store(true)
	}
	return judge.Untag(&judge.Message{Policy: s.state.Load().policy, Hasher: s.hasher, Guesses: s.guesses, Now: s.now()}, recipient)
}

// manyWrongTags logs that a mailbox or a network got beyond what is answered as ever in a day.
func (s *Server) manyWrongTags(m guesses.Many) {
	name := m.Name
	if m.What == "address" {
		name = "<" + cut(name) + ">"
	}
	s.log.Warn("many wrong tags came today, and further ones are not told from right ones until midnight UTC: most are deferred, some accepted",
		m.What, name, "limit", m.Most, "remedy", "none is needed, right tags are accepted; see bad_tags_per_day")
}

// replies holds the SMTP replies in the library's form, made once.
type replies struct {
	refuse, defer_    [policy.Count]*milter.Response
	guessing          *milter.Response
	tooManyRecipients *milter.Response
}

func newReplies() *replies {
	r := &replies{guessing: response((&policy.Verdict{Cause: policy.Guessing}).Reply())}
	for _, reason := range policy.Reasons() {
		if !reason.HasReply() {
			continue
		}
		r.refuse[reason] = response(reason.Reply(policy.Refuse))
		r.defer_[reason] = response(reason.Reply(policy.Defer))
	}
	// RFC 5321 section 4.5.3.1.10: the client sends the rest in another transaction.
	r.tooManyRecipients = response(policy.Reply{Code: 452, Enhanced: "4.5.3", Text: "Too many recipients for a bounce"})
	return r
}

// response never fails: TestRepliesAreValid makes all of them.
func response(r policy.Reply) *milter.Response {
	resp, err := milter.RejectWithCodeAndReason(r.Code, r.Enhanced+" "+r.Text)
	if err != nil {
		panic(err)
	}
	return resp
}

// of returns the reply for a verdict that refuses or defers.
func (r *replies) of(v *policy.Verdict) *milter.Response {
	if v.Cause == policy.Guessing {
		return r.guessing
	}
	if v.Action == policy.ActionDefer {
		return r.defer_[v.Reason]
	}
	return r.refuse[v.Reason]
}
