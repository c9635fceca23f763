package config

import (
	"time"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/tomlfile"
	"github.com/bouncefilter/bouncefilter/filter/policy"
	"github.com/bouncefilter/bouncefilter/store/guard"
)

// file is the configuration as it is written. deploy/bouncefilter.toml says what each option means; a test holds the
// two together.
type file struct {
	Domains     []string         `toml:"domains"`
	DomainsFile tomlfile.Strings `toml:"domains_file"`
	Domain      []domainTable    `toml:"domain"`

	Mode        string `toml:"mode"`
	TagForm     string `toml:"tag_form"`
	Untagged    string `toml:"untagged"`
	BadTag      string `toml:"bad_tag"`
	BadTags     int    `toml:"bad_tags_per_day"`
	Lifetime    int    `toml:"lifetime"`
	TagRotation int    `toml:"tag_rotation"`
	Delimiters  string `toml:"delimiters"`
	Header      string `toml:"header"`
	Hostname    string `toml:"hostname"`

	Listen      []string        `toml:"listen"`
	Listener    []listenerTable `toml:"listener"`
	SocketMode  string          `toml:"socket_mode"`
	SocketGroup string          `toml:"socket_group"`
	HTTP        string          `toml:"http"`
	WebConfig   string          `toml:"web_config"`

	StateDir     string        `toml:"state_dir"`
	Store        string        `toml:"store"`
	StoreTimeout time.Duration `toml:"store_timeout"`
	Keys         string        `toml:"keys"`
	HashSecret   string        `toml:"hash_secret"`
	Node         string        `toml:"node"`

	KeyDistribution string `toml:"key_distribution"`
	KeyRotation     int    `toml:"key_rotation"`

	Outbound      outboundTable      `toml:"outbound"`
	Exempt        exemptTable        `toml:"exempt"`
	DoNotTag      doNotTagTable      `toml:"do_not_tag"`
	Skip          []skipTable        `toml:"skip"`
	Proof         proofTable         `toml:"proof"`
	MailerDaemons mailerDaemonsTable `toml:"mailer_daemons"`
	Socketmap     socketmapTable     `toml:"socketmap"`
	Actions       map[string]string  `toml:"actions"`
	Log           logTable           `toml:"log"`
	Events        eventsTable        `toml:"events"`
	Report        reportTable        `toml:"report"`
	Limits        limitsTable        `toml:"limits"`
}

// domainTable is a domain with settings of its own. What is empty is as for all domains.
type domainTable struct {
	Name     string   `toml:"name"`
	Aliases  []string `toml:"aliases"`
	Mode     string   `toml:"mode"`
	TagForm  string   `toml:"tag_form"`
	Untagged string   `toml:"untagged"`
}

type outboundTable struct {
	Authenticated bool     `toml:"authenticated"`
	Local         bool     `toml:"local"`
	Networks      []string `toml:"networks"`
	Daemons       []string `toml:"daemons"`
}

type exemptTable struct {
	Recipients []string `toml:"recipients"`
	Senders    []string `toml:"senders"`
	Networks   []string `toml:"networks"`
	Helo       []string `toml:"helo"`
}

type doNotTagTable struct {
	Recipients []string `toml:"recipients"`
	Senders    []string `toml:"senders"`
	Known      bool     `toml:"known"`
}

// skipTable pairs senders with recipients to whom their mail is not signed.
type skipTable struct {
	Senders    []string `toml:"senders"`
	Recipients []string `toml:"recipients"`
}

type proofTable struct {
	Retention             int      `toml:"retention"`
	BouncesAtLeast        int      `toml:"bounces_at_least"`
	BouncesPerRecipient   int      `toml:"bounces_per_recipient"`
	RepliesPerDay         int      `toml:"replies_per_day"`
	UnprovenPerDay        int      `toml:"unproven_per_day"`
	UnprovenBouncesPerDay int      `toml:"unproven_bounces_per_day"`
	UnclearPerDay         int      `toml:"unclear_per_day"`
	AuthservIDs           []string `toml:"authserv_ids"`
	AddMessageID          bool     `toml:"add_message_id"`
}

type mailerDaemonsTable struct {
	Senders []string `toml:"senders"`
	Refuse  bool     `toml:"refuse"`
}

type socketmapTable struct {
	Listen string `toml:"listen"`
}

type logTable struct {
	Reports         bool          `toml:"reports"`
	Level           string        `toml:"level"`
	Format          string        `toml:"format"`
	SummaryInterval time.Duration `toml:"summary_interval"`
}

type reportTable struct {
	Notes int `toml:"notes"`
}

// DefaultListen is where the MTA finds the milter unless configured otherwise. It is a TCP port because that is the one
// address that Postfix reaches with and without chroot, for every user of the daemon: a chrooted smtpd sees no socket in /run,
// and only root could make one in Postfix' queue directory.
const DefaultListen = "tcp:127.0.0.1:8766"

// DefaultHTTP is where page, metrics and health are served unless configured otherwise.
const DefaultHTTP = "127.0.0.1:8767"

// defaults returns the configuration of a site that configures nothing. Paths stay empty: they depend on the state
// directory.
func defaults(h Host) file {
	out, proofs, daemons := policy.DefaultOutbound(), policy.DefaultProofs(), policy.DefaultMailerDaemons()
	f := file{
		Mode:        policy.ModeAuto.String(),
		TagForm:     "standard",
		Untagged:    atEnd,
		BadTag:      atEnd,
		BadTags:     policy.DefaultWrongTagsPerDay,
		Lifetime:    7,
		TagRotation: 1,
		Delimiters:  "+",
		Header:      policy.DefaultHeaderName,
		Hostname:    h.Name,

		Listen:     []string{DefaultListen},
		SocketMode: "0660",
		HTTP:       DefaultHTTP,

		StateDir:     h.StateDir,
		StoreTimeout: guard.DefaultTimeout,
		Node:         h.Name,

		KeyDistribution: distributeFiles,

		Outbound: outboundTable{Authenticated: out.Authenticated, Local: out.Local},
		Exempt:   exemptTable{Recipients: policy.DefaultExemptRecipients()},
		Proof: proofTable{
			Retention: proofs.Retention, BouncesAtLeast: proofs.BouncesAtLeast, BouncesPerRecipient: proofs.BouncesPerRecipient,
			RepliesPerDay: proofs.RepliesPerDay, UnprovenPerDay: proofs.UnprovenPerDay, UnclearPerDay: proofs.UnclearPerDay, AddMessageID: true,
		},
		MailerDaemons: mailerDaemonsTable{Senders: daemons.Senders, Refuse: daemons.Refuse},
		Log:           logTable{Reports: true, Level: "info", Format: FormatLogfmt, SummaryInterval: 5 * time.Minute},
	}
	f.Report.Notes = 200
	for _, n := range out.Networks {
		f.Outbound.Networks = append(f.Outbound.Networks, n.String())
	}
	f.Limits, f.Events = defaultLimits(), defaultEvents()
	return f
}
