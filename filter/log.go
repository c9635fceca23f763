package filter

import (
	"context"
	"log/slog"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/bouncefilter/bouncefilter/filter/bounce"
	"github.com/bouncefilter/bouncefilter/filter/figures"
	"github.com/bouncefilter/bouncefilter/filter/policy"
	"github.com/bouncefilter/bouncefilter/prvs"
)

// maxLogText is how many octets of untrusted text a log attribute holds. An address has at most 320 (RFC 5321 sections
// 4.5.3.1.1 and 4.5.3.1.2); what is longer is an attempt at something.
const maxLogText = 320

// cut shortens untrusted text for the log. The handler quotes it.
func cut(s string) string {
	if len(s) <= maxLogText {
		return s
	}
	n := maxLogText
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "..."
}

// angle writes an untrusted address or Message-ID for the log: all are in angle brackets, the null sender, too, and none is in two pairs.
func angle(s string) string {
	if len(s) >= 2 && s[0] == '<' && s[len(s)-1] == '>' {
		s = s[1 : len(s)-1]
	}
	return "<" + cut(s) + ">"
}

var messages = [...]string{policy.Inbound: "inbound", policy.Outgoing: "outbound", policy.Bounce: "bounce", policy.Daemon: "bounce", policy.Unsigned: "outbound"}

// logVerdict writes the line about one verdict: of a message, or of all its recipients that were treated alike.
func (s *Server) logVerdict(ctx context.Context, sess *session, level slog.Level, v *policy.Verdict, o *figures.Observation, recipients int) {
	if !s.log.Enabled(ctx, level) {
		return
	}
	msg := sess.msg
	attrs := make([]slog.Attr, 0, 28)
	if msg.test { // before all that outsiders write, so that no program that reads lines by pattern is deceived
		attrs = append(attrs, slog.Bool("test", true))
	}
	if msg.queueID != "" {
		attrs = append(attrs, slog.String("queue_id", cut(msg.queueID)))
	}
	attrs = append(attrs, slog.String("client", sess.clientName()),
		slog.String("sender", angle(msg.sender)), slog.String("recipient", angle(o.Recipient)))
	if recipients > 1 {
		attrs = append(attrs, slog.Int("recipients", recipients))
	}
	text := func(name, value string) {
		if value != "" {
			attrs = append(attrs, slog.String(name, value))
		}
	}
	attrs = append(attrs, slog.String("reason", o.Reason), slog.String("action", o.Action))
	text("would_be", o.Would)
	text("cause", o.Cause)
	if v.Reason == policy.Signed || v.Tag.Status == prvs.Valid || v.Tag.Status == prvs.Expired {
		attrs = append(attrs, slog.Int("tag_key", int(v.Tag.Number)), slog.String("tag_expires", v.Tag.Expiry.String()))
		if v.BySignature {
			attrs = append(attrs, slog.String("method", "signature"))
		}
	} else if v.Tag.Status == prvs.UnknownKey || v.Tag.Status == prvs.Unverifiable {
		attrs = append(attrs, slog.Int("tag_key", int(v.Tag.Number)))
	}
	if v.Spent {
		attrs = append(attrs, slog.String("allowance", "spent"))
	}
	if msg.judged.Report != nil {
		attrs = appendReport(attrs, msg.judged.Report)
	}
	text("domain", o.Domain)
	text("sign", string(o.Sign))
	text("own_host", o.OwnHost)
	text("left_through", o.LeftThrough)
	text("left_on", o.LeftOn)
	text("other_route", o.Route)
	if len(o.Failures) > 0 {
		text("failures", figures.FormatFailures(o.Failures))
	}
	if d := o.Destinations; len(d) > 1 || len(d) == 1 && !isDestination(d[0], o.Recipient) {
		text("destinations", strings.Join(d, ","))
	}
	attrs = append(attrs, slog.Duration("duration", sess.spent().Round(time.Microsecond)))
	// Not by LogAttrs, which looks for the line of the source that calls it: a percent of what a message costs, for what no line shows.
	line := slog.NewRecord(time.Now(), level, messages[msg.kind], 0)
	line.AddAttrs(attrs...)
	_ = s.log.Handler().Handle(ctx, line) // like package slog: the queue of the log counts its errors
}

// isDestination says whether a destination is the domain of a recipient.
func isDestination(destination, recipient string) bool {
	domain := domainOf(recipient)
	return domain == destination || figures.Destination(domain) == destination
}

// appendReport adds what a bounce says: what it is, what it answers, and what became of the first recipient it names.
func appendReport(attrs []slog.Attr, r *bounce.Report) []slog.Attr {
	text := func(name, value string) {
		if value != "" {
			attrs = append(attrs, slog.String(name, cut(value)))
		}
	}
	text("report", string(r.Kind))
	text("family", r.Family)
	address := func(name, value string) {
		if value != "" {
			attrs = append(attrs, slog.String(name, angle(value)))
		}
	}
	address("original", r.Original().MessageID)
	text("reporting_mta", r.ReportingMTA)
	if len(r.Recipients) == 0 {
		return attrs
	}
	first := &r.Recipients[0]
	address("reported_recipient", first.Address)
	if n := len(r.Recipients); n > 1 {
		attrs = append(attrs, slog.Int("reported_recipients", n))
	}
	text("reported_action", first.Action)
	if first.Status != "" || first.Code == 0 {
		text("reported_status", first.Status)
	} else {
		attrs = append(attrs, slog.Int("reported_code", first.Code))
	}
	return attrs
}

// clientName is how the log names the client.
func (s *session) clientName() string {
	switch {
	case s.local:
		return "local"
	case !s.client.IsValid():
		return "unknown"
	}
	return s.client.String()
}

// formatTime writes a time as the log does.
func formatTime(t time.Time) string { return t.UTC().Format(time.RFC3339) }
