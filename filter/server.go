package filter

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/d--j/go-milter"

	"github.com/bouncefilter/bouncefilter/filter/evidence"
	"github.com/bouncefilter/bouncefilter/filter/figures"
	"github.com/bouncefilter/bouncefilter/filter/guesses"
	"github.com/bouncefilter/bouncefilter/filter/internal/acceptor"
	"github.com/bouncefilter/bouncefilter/filter/internal/chunks"
	"github.com/bouncefilter/bouncefilter/filter/judge"
	"github.com/bouncefilter/bouncefilter/filter/limit"
	"github.com/bouncefilter/bouncefilter/filter/policy"
	"github.com/bouncefilter/bouncefilter/filter/routes"
	"github.com/bouncefilter/bouncefilter/filter/sources"
	"github.com/bouncefilter/bouncefilter/filter/view"
	"github.com/bouncefilter/bouncefilter/filter/wire"
	"github.com/bouncefilter/bouncefilter/store"
	"github.com/bouncefilter/bouncefilter/store/guard"
)

// Limits bounds what MTAs may use. 0 means the default.
type Limits struct {
	// Connections is how many MTA connections are served at once; further ones are closed, and the MTA does what its
	// milter_default_action says.
	Connections int
	// ConnectionsPerPeer is how many of them one host has, or one user of a unix socket; by default [limit.Share].
	ConnectionsPerPeer int
	// Memory is how many octets the messages under way may hold, all together. A message that would go beyond is deferred.
	Memory int64
	// ReadTimeout is how long an MTA may be silent, and how long the octets of a frame may take once it has begun. The default is
	// 7210 s, as in libmilter: an MTA is silent as long as the SMTP client is.
	ReadTimeout time.Duration
	// WriteTimeout is how long an MTA may take to read a reply. The default is 10 s.
	WriteTimeout time.Duration
}

const (
	// DefaultConnections is the limit of connections unless configured otherwise. An idle one costs about 7 kB and a file
	// descriptor.
	DefaultConnections = 10_000
	// DefaultMemory is what messages may hold if no limit is known for the process: some thousand ordinary bounces, or four hundred
	// of the longest.
	DefaultMemory = 256 << 20
	// negotiateTimeout is how long an MTA may be silent on a new connection. Postfix and Sendmail negotiate at once.
	negotiateTimeout = time.Minute
)

func (l Limits) withDefaults() Limits {
	l.Connections = cmp.Or(l.Connections, DefaultConnections)
	l.ConnectionsPerPeer = cmp.Or(l.ConnectionsPerPeer, limit.Share(l.Connections))
	l.Memory = cmp.Or(l.Memory, DefaultMemory)
	l.ReadTimeout = cmp.Or(l.ReadTimeout, 7210*time.Second)
	l.WriteTimeout = cmp.Or(l.WriteTimeout, 10*time.Second)
	return l
}

// Options is what a [Server] is made from.
type Options struct {
	Policy *policy.Policy
	Store  *guard.Guard
	Hasher *store.Hasher
	Logger *slog.Logger
	// Node is the name of this daemon in counters that several daemons share.
	Node   string
	Limits Limits
	// Watch is told of limits that are reached. nil for one of its own, which logs to Logger.
	Watch *limit.Watch
	// HistoryFile is the file that says, over a restart, since when domains have been signing and since when there is a record, so that a store that
	// was wiped is not taken for a new one. Empty for nowhere.
	HistoryFile string
	// Notes is how many notes of refusals and would-be refusals are kept, at most [store.MaxNotes]; 0 for none.
	Notes int
	// SummaryInterval is the time between two summary lines in the log. 0 means 5 minutes.
	SummaryInterval time.Duration
	// Genuine is called for each genuine bounce, by many goroutines. It must not wait: the MTA does. It does not change the report, and
	// keeps none of it. nil for none. Bounces that a tag proves are read only with ReadAll of the policy.
	Genuine func(Genuine)
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
	every       time.Duration
	now         func() time.Time
	genuine     func(Genuine) // nil for none
	state       atomic.Pointer[state]
	stats       *stats
	durations   *durations
	figures     *figures.Recorder
	routes      *routes.Table
	sources     *sources.Table
	guesses     *guesses.Table
	testMarks   testMarks
	anyUser     atomic.Bool // see [policy.RecipientFacts]
	replies     *replies
	macros      *wire.Requests
	sentHeaders []string // that are recorded of outbound mail

	summary  summaryState    // belongs to Run, and to Shutdown after it
	enforced map[string]bool // domains in mode auto, as logged last; belongs to Run

	acceptor *acceptor.Acceptor
	watch    *limit.Watch
	memory   ceiling
	health   *health
	started  time.Time
	faults   limit.Rate // of lines about frames at fault

	notAccepted limit.Rate // of lines about connections that cannot be accepted

	wire     wire.Options
	contents chunks.Pool // of bounces under way
	readers  readers
}

// NewServer makes a server. It serves no MTA before [Server.Serve] is called.
func NewServer(o Options) (*Server, error) {
	if o.Policy == nil || o.Store == nil || o.Hasher == nil || o.Logger == nil {
		return nil, errors.New("filter: Policy, Store, Hasher and Logger are needed")
	}
	s := &Server{
		log: o.Logger, store: o.Store, hasher: o.Hasher, node: o.Node, every: o.SummaryInterval, now: o.Clock, genuine: o.Genuine,
		stats: &stats{}, durations: newDurations(), figures: figures.New(o.Node, o.Notes, o.Hasher), routes: routes.New(), sources: sources.New(), replies: newReplies(), macros: macroRequests(), sentHeaders: evidence.Headers(),
		enforced: map[string]bool{}, readers: newReaders(),
	}
	if s.every == 0 {
		s.every = 5 * time.Minute
	}
	if s.now == nil {
		s.now = time.Now
	}
	if s.watch = o.Watch; s.watch == nil {
		s.watch = limit.NewWatch(s.log, s.now)
	}
	limits := o.Limits.withDefaults()
	s.acceptor = acceptor.New(acceptor.Options{
		Open: limit.NewOpen(limit.ConnectionOptions{
			Most: limits.Connections, PerPeer: limits.ConnectionsPerPeer,
			Name: limit.Connections, PeerName: limit.ConnectionsPerPeer, Watch: s.watch,
		}),
		Failed: s.cannotAccept,
	})
	s.memory.limit = limits.Memory
	s.wire = wire.Options{
		NegotiateTimeout: negotiateTimeout, ReadTimeout: limits.ReadTimeout, WriteTimeout: limits.WriteTimeout, Memory: &s.memory,
	}
	s.health, s.started = newHealth(), s.now()
	s.summary.since = s.started
	s.guesses = guesses.New(s.manyWrongTags)
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
	return s.acceptor.Serve(ln, func(c net.Conn) { s.serveConn(ln, c, role) })
}

// cannotAccept logs that a listener failed to accept a connection.
func (s *Server) cannotAccept(ln net.Listener, err error, pause time.Duration) {
	s.stats.acceptErrors.Add(1)
	s.health.failed(ln, err, s.now())
	if suppressed, ok := s.notAccepted.Allow(s.now()); ok {
		s.log.Error("cannot accept a connection, trying again", "address", ln.Addr().String(), "error", err, "pause", pause, "suppressed", suppressed)
	}
}

// serveConn serves one connection of a listener in a goroutine of its own. Shutdown waits for it.
func (s *Server) serveConn(ln net.Listener, nc net.Conn, role policy.Role) {
	s.health.accepted(ln)
	sess := &session{server: s, role: role}
	sess.conn = wire.New(nc, &s.wire)
	if !s.acceptor.Add(sess.conn, nc) {
		_ = nc.Close()
		return
	}
	s.stats.connections.Add(1)
	s.health.opened(sess)
	go sess.conn.Serve(sess)
}

// Shutdown stops accepting connections, ends idle ones, lets messages under way come to their end, and writes the last
// summary. When ctx is done it cuts what is left and returns ctx's error. [Server.Run] must have ended before.
func (s *Server) Shutdown(ctx context.Context) error {
	err := s.acceptor.Shutdown(ctx)
	s.view.Close()
	if err := s.FlushFigures(context.WithoutCancel(ctx)); err != nil {
		s.log.Warn("figures for reports since the last minute or longer are lost: the store did not take them before the end", "error", err)
	}
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

// panicked counts and logs a panic, a fault of this program. It is called where the panic was recovered, so that the stack shows where it came from.
func (s *Server) panicked(message string, value any) {
	s.stats.panics.Add(1)
	s.log.Error(message, "panic", value, "stack", string(debug.Stack()))
}

// manyWrongTags logs that a mailbox or a network got beyond what is answered as ever in a day.
func (s *Server) manyWrongTags(m guesses.Many) {
	name := m.Name
	if m.What == "address" {
		name = angle(name)
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
	r.tooManyRecipients = response(policy.Reply{Code: 452, Enhanced: "4.5.3", Text: "Too many recipients: this bounce has more than are read"})
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
