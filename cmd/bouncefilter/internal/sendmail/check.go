package sendmail

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/mta"
)

// leastTimeout is how long Sendmail should wait for bouncefilter at the least: it answers in milliseconds, but for a store that
// does not answer.
const leastTimeout = time.Second

// Check says what is missing or dangerous in a configuration.
func Check(c *Config, site mta.Site) []mta.Finding {
	k := &checker{c: c, site: site}
	if older(c.Version, 8, 14) {
		k.find(mta.LevelError, "version-old", "", fmt.Sprintf("This is Sendmail %s. Before 8.14 a milter cannot change the sender, so nothing could be signed.", c.Version))
	}
	k.milter()
	k.tags()
	k.rewriting()
	k.submission()
	return k.findings
}

type checker struct {
	c        *Config
	site     mta.Site
	findings []mta.Finding
}

func (k *checker) find(level mta.Level, name, where, what string, cure ...string) {
	if where != "" {
		where = ": " + where
	}
	k.findings = append(k.findings, mta.Finding{Level: level, Name: name, Where: k.c.Path + where, What: what, Cure: cure})
}

// milter looks at whether Sendmail asks bouncefilter, and what it does when nobody answers.
func (k *checker) milter() {
	m := k.c.milter(k.site)
	if m == nil {
		what := "Sendmail does not ask bouncefilter: nothing is signed, and no bounce is judged."
		if len(k.c.Milters) > 0 {
			what += " The milters that it knows are at other addresses."
		}
		k.find(mta.LevelError, "milter-missing", "INPUT_MAIL_FILTER", what, "in sendmail.mc, above the MAILER lines:", filterLine(k.site))
		return
	}
	where := fmt.Sprintf("line %d (X%s)", m.Line, m.Name)
	if !slices.Contains(k.c.Filters, m.Name) {
		k.find(mta.LevelError, "milter-unused", "O InputMailFilters", m.Name+" is defined (MAIL_FILTER), but not asked.",
			"in sendmail.mc, INPUT_MAIL_FILTER instead of MAIL_FILTER")
	}
	switch {
	case strings.Contains(m.Flags, "R"):
		k.find(mta.LevelError, "milter-rejects", where, "F=R: while bouncefilter is down, all mail is refused for good.", "F=T in its INPUT_MAIL_FILTER: clients try again")
	case !strings.ContainsAny(m.Flags, "T4") && k.site.Signs():
		k.find(mta.LevelError, "milter-accepts", where, "Without F=T mail leaves unsigned while bouncefilter is down, and its bounces will be refused.", "F=T in its INPUT_MAIL_FILTER: clients try again")
	}
	for _, letter := range []string{"S", "R", "E"} {
		if d, err := time.ParseDuration(m.Timeouts[letter]); err == nil && d < leastTimeout {
			k.find(mta.LevelWarning, "milter-timeout", where, fmt.Sprintf("The timeout T=%s:%s is short: a busy machine takes longer now and then.", letter, m.Timeouts[letter]), "T=C:10s;S:10s;R:10s;E:5m")
		}
	}
	if strings.HasPrefix(m.Socket, "inet") {
		k.find(mta.LevelNote, "milter-tcp", where, "Over TCP each command of a client costs about 40 ms (Nagle's algorithm and delayed acknowledgements). A unix socket does not.",
			`listen = ["unix:/run/bouncefilter/milter.sock"]  in bouncefilter's configuration; then bouncefilter setup sendmail`)
	}
	if s, looked := k.c.Sockets[m.Socket]; looked && s.Unsafe != "" {
		k.find(mta.LevelError, "socket-unsafe", m.Socket, "Sendmail does not use this socket: "+s.Unsafe+".", "a folder that only bouncefilter's user may write: chmod 755")
	} else if looked && s.Dead {
		k.find(mta.LevelError, "socket-dead", m.Socket, "Nobody answers there.", "systemctl start bouncefilter")
	}
	for _, d := range k.c.Daemons {
		if own, set := d.Options["inputmailfilters"]; set && !slices.Contains(words(own), m.Name) {
			k.find(mta.LevelError, "daemon-without-milter", fmt.Sprintf("line %d (DaemonPortOptions, Name=%s)", d.Line, d.Options["name"]),
				"This port has a list of milters of its own, without bouncefilter.", "take InputMailFilters out of its DAEMON_OPTIONS")
		}
	}
}

// tags looks at whether tagged recipients are known.
func (k *checker) tags() {
	if !k.site.Verifies() || !slices.Contains(k.site.Forms, "standard") {
		return // user+prvs=TAG@ is known where user is
	}
	if len(k.c.Untag) == 0 && len(k.c.Untagged) == 0 {
		k.find(mta.LevelError, "tags-refused", "rule set 0", "Tagged recipients are refused as unknown users: the bounces of all signed mail are lost, those that Sendmail makes itself included.",
			"in sendmail.mc the rules of deploy/sendmail, or: bouncefilter setup sendmail")
		return
	}
	for _, d := range k.site.Domains {
		known, asked := k.c.Untagged[d]
		if !asked {
			known = slices.ContainsFunc(k.c.Untag, func(class string) bool { return k.c.has(class, d) })
		}
		if !known {
			k.find(mta.LevelError, "tags-refused", "rule set 0", fmt.Sprintf("Tags of %s are not taken off: bounces of its mail are refused as for unknown users.", d),
				"C{"+domainClass+"}"+d+"  below LOCAL_CONFIG")
		}
	}
}

// rewriting looks at what changes a sender after it was signed.
func (k *checker) rewriting() {
	if !k.c.Envelope || !k.site.Signs() {
		return
	}
	if k.c.Masquerade != "" {
		for _, d := range k.site.Domains {
			if d != k.c.Masquerade && (k.c.has("w", d) || k.c.has("M", d)) {
				k.find(mta.LevelError, "masquerade-envelope", "MASQUERADE_AS", fmt.Sprintf("Envelope senders in %s become addresses in %s after they were signed, so that the signature fits no more and bounces are refused.", d, k.c.Masquerade),
					"take FEATURE(`masquerade_envelope') out of sendmail.mc, or "+d+" out of bouncefilter's domains")
			}
		}
	}
	if k.c.Generics {
		k.find(mta.LevelWarning, "generics-envelope", "FEATURE(`genericstable')", "With masquerade_envelope the genericstable is asked for envelope senders as well. A signed sender is not found there, and stays as it is.",
			"let the addresses in the envelope be those that are signed: take FEATURE(`masquerade_envelope') out of sendmail.mc")
	}
}

// submission looks at the way of mail that is handed in with the sendmail command.
func (k *checker) submission() {
	if !k.site.Signs() {
		return
	}
	if !k.c.Submit {
		k.find(mta.LevelWarning, "submit-direct", "submit.cf", "There is no submit.cf: the sendmail command puts mail into the queue itself, past all milters, and it leaves unsigned.",
			"FEATURE(`msp', `[127.0.0.1]')  in submit.mc")
		return
	}
	loopback := netip.MustParseAddr("127.0.0.1")
	if !slices.ContainsFunc(k.site.Networks, func(p netip.Prefix) bool { return p.Contains(loopback) }) {
		k.find(mta.LevelWarning, "submit-unsigned", "submit.cf", "Mail of the sendmail command comes by SMTP from 127.0.0.1, which is not in outbound.networks: it leaves unsigned.",
			`networks = ["127.0.0.0/8", "::1/128"]  in the table [outbound] of bouncefilter's configuration`)
	}
}
