#!/bin/bash
# Software: Mail::DeliveryStatus::BounceParser 1.543 (Debian libmail-deliverystatus-bounceparser-perl 1.543+repacked-1).
#
# Input: one RFC 3464 report about two recipients, each with its own group of fields and its own Action (2.3, 2.3.3): one
# failed for good, the other delayed, delivered or relayed.
#
# Expected: a bounce, of the recipient that failed.
# Happens: the first group whose Action is neither "failed" nor "expanded" ends the reading, and the whole report is then
# no bounce. What failed before it is still listed, what failed after it is not.
#
# Seen on 2026-11-29:
#   failed alone: bounce=1 dead@example.net
#   failed, then delayed: bounce=0 dead@example.net
#   delayed, then failed: bounce=0
#   delivered, then failed: bounce=0
#
# What a user meets: the documented test, is_bounce, hides a permanent failure whenever one report tells of several
# recipients with different fates, as after a mail to two people at one site. Reading the addresses all the same helps only
# when the failed one comes first.

. "$(dirname "$0")/setup.bash"

debs libmail-deliverystatus-bounceparser-perl=1.543+repacked-1 libmime-tools-perl=5.510-1 libmailtools-perl=2.21-2 \
	libtimedate-perl=2.3300-2

group() {
	case $1 in
	failed) printf 'Final-Recipient: rfc822; dead@example.net\nAction: failed\nStatus: 5.1.1\n\n' ;;
	delayed) printf 'Final-Recipient: rfc822; other@example.net\nAction: delayed\nStatus: 4.2.2\n\n' ;;
	delivered) printf 'Final-Recipient: rfc822; other@example.net\nAction: delivered\nStatus: 2.0.0\n\n' ;;
	esac
}

judge() {
	{
		cat <<'REPORT'
From: MAILER-DAEMON@mx.example.net
To: sender@example.com
Subject: Delivery report
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b
Content-Type: text/plain

About your message.

--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.net

REPORT
		for action; do group "$action"; done
		echo "--b--"
	} | perl -MMail::DeliveryStatus::BounceParser -e '
		my $b = Mail::DeliveryStatus::BounceParser->new(join "", <STDIN>);
		print join(" ", "bounce=" . $b->is_bounce, $b->addresses), "\n"'
}

perl -MMail::DeliveryStatus::BounceParser -e 'print "BounceParser $Mail::DeliveryStatus::BounceParser::VERSION\n"'
expect "failed alone" "bounce=1 dead@example.net" "$(judge failed)"
expect "failed, then delayed" "bounce=0 dead@example.net" "$(judge failed delayed)"
expect "delayed, then failed" "bounce=0" "$(judge delayed failed)"
expect "delivered, then failed" "bounce=0" "$(judge delivered failed)"
verdict
