package e2e

import "testing"

// mta is the mail server of a site. Scenario tables run against each of them.
type mta interface {
	// ports returns the port for everybody and the one that demands a login.
	ports() (everybody, submission int)
	// sendmail hands in a message with the sendmail command.
	sendmail(from string, to []string, message string) error
	// mailbox returns where the mail of an address of the site ends up.
	mailbox(address string) mailbox
	// drain waits until the queue is empty: everything delivered or bounced.
	drain(t *testing.T)
	// reply turns a reply of the mail server into what the tables have: the words of Postfix and of the milter.
	reply(words string) string
	// nullSender is what the Return-Path of delivered mail calls the null sender.
	nullSender() string
	// showsRecipients says whether delivered mail has X-Original-To and Delivered-To.
	showsRecipients() bool
	log() string
}
