#!/bin/bash
# Software: Mail::Verp 0.06 (Debian libmail-verp-perl 0.06+dfsg-4).
#
# Input: a VERP address of a sender whose local part has a hyphen, such as list-bounces@example.org:
# "-" is atext (RFC 5322, 3.2.3).
#
# Expected: decode() gives back the sender and the recipient that encode() was given.
# Happens: encode() escapes the separator, by default "-", in the recipient alone; decode() splits at the first one. The
# rest of the sender becomes part of the recipient. A separator that the sender's local part lacks avoids it.
#
# Seen on 2026-11-29:
#   list@example.org, -: list@example.org user@example.net
#   list-bounces@example.org, -: list@example.org bounces-user@example.net
#   list-bounces@example.org, +: list-bounces@example.org user@example.net
#
# What a user meets: with the most usual name of a list's bounce address every bounce is credited to a recipient that does
# not exist, bounces-user@ in place of user@: no subscriber is ever found to be dead.

. "$(dirname "$0")/setup.bash"

debs libmail-verp-perl=0.06+dfsg-4

round() {
	perl -MMail::Verp -e '
		my ($sender, $separator) = @ARGV;
		my $verp = Mail::Verp->new(separator => $separator);
		print join(" ", $verp->decode($verp->encode($sender, "user\@example.net"))), "\n"' "$1" "$2"
}

perl -MMail::Verp -e 'print "Mail::Verp $Mail::Verp::VERSION\n"'
expect "list@example.org, -" "list@example.org user@example.net" "$(round list@example.org -)"
expect "list-bounces@example.org, -" "list@example.org bounces-user@example.net" "$(round list-bounces@example.org -)"
expect "list-bounces@example.org, +" "list-bounces@example.org user@example.net" "$(round list-bounces@example.org +)"
verdict
