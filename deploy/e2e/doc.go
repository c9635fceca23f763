// Package e2e tests bouncefilter inside a mail system as a site would run it: a real Postfix with port 25, submission
// with SASL and the sendmail command, a real redis-server or the embedded store, mailboxes and relayed domains, the real
// binary with a real configuration file, and an SMTP server that plays the rest of the world.
//
// Software that other sites run answers our mail in peers_test.go: Exim, Sendmail, Dovecot with Sieve. What a site itself
// may run beside us, as deploy/roles.md has it, begins with roles_test.go: OpenDKIM, rspamd, PostSRSd, other instances of
// Postfix.
//
// A real Prometheus reads the metrics and evaluates the rules of deploy/monitoring in monitoring_test.go.
//
// A week of made-up mail, of which is known what is right, is played in week_test.go: weekmail_test.go makes it up. deploy/pictures makes the
// pictures of the manual of it.
//
// Faults of store, network, disk, clocks and keys, while mail goes out through one host and comes back to two, are the rows of
// faults_test.go, which prints what became of every message.
//
// The package has tests only. They need root (Postfix does), Postfix with its pcre tables, redis-server and
// saslpasswd2; without them every test skips and says so. deploy/test installs all of it and sets
// BOUNCEFILTER_REQUIRE_SERVERS, which turns a missing server from a reason to skip into a failure.
//
// Everything lives in one temporary folder and listens on the loopback network: Postfix has its own configuration,
// queue and data directories and does not touch an installed one. Its configuration is what deploy/postfix has a
// postmaster type; the commands and files are taken from there, and only domains, directory and the address of the
// milter are replaced.
//
// Addresses say who is talking:
//
//	127.0.0.1  the site's own servers
//	127.0.0.2  the internal network: may relay, is signed
//	127.0.0.9  the rest of the world
//
// A test that needs a running site begins with newSite; what a site has is described there, in site_test.go. Rows of
// scenario tables run one after the other against one site, so that counters can be compared before and after.
package e2e
