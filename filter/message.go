package filter

import (
	"time"

	"github.com/bouncefilter/bouncefilter/filter/evidence"
	"github.com/bouncefilter/bouncefilter/filter/judge"
	"github.com/bouncefilter/bouncefilter/filter/policy"
	"github.com/bouncefilter/bouncefilter/prvs"
)

// Limits of one message.
const (
	// maxBounceRecipients is how many recipients of one message with the null sender are judged; the next ones are
	// deferred with 452. A bounce has one recipient (RFC 5321 section 4.5.5); 100 must be accepted (4.5.3.1.10).
	maxBounceRecipients = 1000
	// maxHelo is how many octets of a HELO name are kept (RFC 5321 section 4.5.3.1.2).
	maxHelo = 255
	// maxTagged is how many tagged recipients of one ordinary message are untagged; more are left to the MTA. Wrong tags count in any
	// number.
	maxTagged = 1000
)

// message is what is known about the message under way. It lives until the next MAIL: after a refusal at DATA a client
// may repeat DATA, or RCPT and DATA, and must get the same answer.
type message struct {
	state   *state // the policy it is judged by, from beginning to end
	kind    policy.Kind
	now     time.Time
	spent   time.Duration // in callbacks that have ended
	began   time.Time     // of the callback under way; zero if there is none
	timed   bool          // spent is counted
	failed  bool          // a callback panicked: the next reply asks the MTA to try again
	test    bool          // it is one of ours, see [testMarks]
	short   bool          // there is no memory for it: the next reply defers it
	sender  string        // as the MTA gave it
	from    prvs.Address
	badFrom bool // cannot be parsed
	queueID string

	sent    evidence.Sent // what is recorded of outbound mail
	content *content      // of a bounce, as far as it is needed; nil if not
	judged  judge.Case    // a bounce, or what may be one; of other mail, the recipients in our domains

	heldContent  int // octets that were taken of the memory for messages
	heldEnvelope int // likewise

	destinations []string // the domains of the recipients of outbound mail, some of them
	leftThrough  string   // the source through which the mail seems to have left that a bounce returns, if it left another way
	leftOn       string   // on which day, YYYY-MM-DD
	route        string   // leftThrough, if enough bounces say the same; "" otherwise
	repeats      bool     // bounces of mail that took that route, or may have, come again and again
	told         bool     // the failures that a bounce reports were counted

	first    string           // the first recipient, for the log
	count    int              // recipients seen and not refused at RCPT
	doNotTag bool             // a recipient is on the do-not-tag list, or pairs with the sender
	copies   int              // of our header, that the message came with
	invalid  *judge.Recipient // the first recipient of ordinary mail that is refused for its tag; nil if there is none
	invalids int              // how many there are
	overflow bool             // there were more than maxBounceRecipients, and no reply at RCPT
}
