// Package filter is the milter: it signs the envelope senders of outbound mail, and refuses bounces that answer no mail sent from here.
//
// [NewServer] makes a [Server], [Server.Serve] serves the connections of MTAs, [Server.Run] does the work beside the mail path, and
// [Server.Shutdown] ends both. Each connection has a session, which turns the events of the milter protocol into facts, and verdicts into
// replies. It decides nothing itself:
//
//   - package policy decides, and has all that is said about reasons and causes;
//   - package judge takes a bounce through the stages of SMTP and collects the facts;
//   - package evidence has what is recorded about sent mail and looked up about bounces;
//   - package view is what this daemon knows of the record.
//
// All changes to a message are in apply.go, after the decision.
//
// A fault of this package costs no mail: a callback that panics makes the MTA try again, and a bounce that cannot be read is judged by
// its tag alone.
package filter
