#!/bin/bash
# Software: flufl.bounce 4.0 (Debian python3-flufl.bounce 4.0-3), Mail::DeliveryStatus::BounceParser 1.543 (Debian
# libmail-deliverystatus-bounceparser-perl 1.543+repacked-1), Sisimai 4.25.15 (Debian libsisimai-perl 4.25.15-1).
#
# Input: a failure report whose second part is message/global-delivery-status (RFC 6533, 5.1), here with an address in
# ASCII and the type rfc822: the fields are those of RFC 3464. An MTA that supports SMTPUTF8 may send this form, and
# chasquid sends it for all its reports.
#
# Expected: the failed address, as from the same report with message/delivery-status.
# Happens: none of the three knows the media type. BounceParser finds a bounce of no address, the others no bounce.
#
# Seen on 2026-11-29:
#   flufl, delivery-status: user@example.net
#   flufl, global-delivery-status: nothing
#   bounceparser, delivery-status: user@example.net
#   bounceparser, global-delivery-status: nothing
#   sisimai, delivery-status: user@example.net
#   sisimai, global-delivery-status: nothing
#
# What a user meets: bounces of such MTAs are not counted: a list or a mailing service goes on sending to addresses that it
# was told are dead, without an error anywhere.

. "$(dirname "$0")/setup.bash"

debs python3-flufl.bounce=4.0-3 python3-public=2.3-4 python3-zope.interface=5.5.2-1+b1 \
	python3-pkg-resources=66.1.1-1+deb12u2 \
	libmail-deliverystatus-bounceparser-perl=1.543+repacked-1 libmime-tools-perl=5.510-1 libmailtools-perl=2.21-2 \
	libtimedate-perl=2.3300-2 \
	libsisimai-perl=4.25.15-1 libclass-accessor-lite-perl=0.08-3 libjson-perl=4.10000-1

report() {
	cat <<REPORT
From: MAILER-DAEMON@mx.example.net
To: sender@example.com
Subject: Undelivered mail
Date: Sun, 29 Nov 2026 10:00:00 +0000
Message-ID: <report@mx.example.net>
MIME-Version: 1.0
Content-Type: multipart/report; report-type=$1; boundary="b"

--b
Content-Type: text/plain

The message was not delivered.

--b
Content-Type: message/$1

Reporting-MTA: dns; mx.example.net

Final-Recipient: rfc822; user@example.net
Action: failed
Status: 5.1.1

--b
Content-Type: message/rfc822

Message-ID: <original@example.com>
Date: Sun, 29 Nov 2026 09:59:00 +0000
From: sender@example.com
To: user@example.net
Subject: original

text
--b--
REPORT
}

flufl() {
	/usr/bin/python3 -c '
import email, sys
from flufl.bounce import scan_message
found = scan_message(email.message_from_file(sys.stdin))
print(*[a.decode() for a in found] or ["nothing"])'
}

bounceparser() {
	perl -MMail::DeliveryStatus::BounceParser -e '
		my $b = Mail::DeliveryStatus::BounceParser->new(join "", <STDIN>);
		print join(" ", $b->addresses) || "nothing", "\n"'
}

sisimai() {
	perl -MSisimai -e '
		my $text = join "", <STDIN>;
		my $found = Sisimai->make(\$text) || [];
		print join(" ", map { $_->recipient->address } @$found) || "nothing", "\n"'
}

echo "flufl.bounce 4.0-3, BounceParser 1.543, $(perl -MSisimai -e 'print "Sisimai ", Sisimai->version')"
for parser in flufl bounceparser sisimai; do
	expect "$parser, delivery-status" user@example.net "$(report delivery-status | $parser)"
	expect "$parser, global-delivery-status" nothing "$(report global-delivery-status | $parser)"
done
verdict
