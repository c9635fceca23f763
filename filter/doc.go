// Package filter is bouncefilter's milter: it signs the envelope senders of outbound mail, judges bounces that come in,
// and talks to the MTA.
//
// [NewPolicy] turns [Settings] into an immutable [Policy], whose methods are pure: facts in, [Verdict] out, no I/O, no
// clock. [NewServer] serves the milter protocol with a Policy, a store and a logger; [Server.Reload] replaces the Policy
// between two messages. A listener is served in a [Role], for one direction of mail or for both. Every outcome has a
// [Reason], and everything that is ever said about a reason (SMTP reply, log word, metric label, header value, sentence)
// stands in one table, in reason.go.
//
// What a bounce says is read by package bounce; what it proves follows from the record of sent mail, in proof.go (what counts
// as a proof, and how often) and inquiry.go (what the store is asked). What is revoked comes in notices, see [Revocation]. [Explain] tells each step to a verdict in words.
//
// The package does not read configuration files and does not open stores or sockets.
package filter
