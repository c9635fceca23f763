#!/bin/bash
# Software: Sisimai 4.25.15 (Debian libsisimai-perl 4.25.15-1).
#
# Input: an RFC 3464 report whose Final-Recipient field is folded after the ";": a long address may need that, and any
# header field may be folded where white space is allowed (RFC 3464, 2.1.1; RFC 5322, 2.2.3).
#
# Expected: the failed address, as without the line break. Sisimai unfolds the Diagnostic-Code of the same group.
# Happens: no address, and as a report without one is left out, no bounce at all.
#
# Seen on 2026-11-30:
#   Final-Recipient on one line: user@example.net, userunknown
#   Final-Recipient folded: nothing found
#   Diagnostic-Code folded: user@example.net, userunknown
#
# What a user meets: the bounces of an MTA that folds its fields are silently not counted, so the dead addresses stay on
# the list. If it folds long fields only, that concerns the long addresses, such as those of SRS.

. "$(dirname "$0")/setup.bash"

debs libsisimai-perl=4.25.15-1 libclass-accessor-lite-perl=0.08-3 libjson-perl=4.10000-1

cat > "$work/read.pl" <<'PERL'
use Sisimai;

my $found = Sisimai->make($ARGV[0]);
print $found ? join(" ", map { $_->recipient->address . ", " . $_->reason } @$found) : "nothing found", "\n";
PERL

# read_report RECIPIENT_FIELD DIAGNOSTIC_FIELD
read_report() {
	cat >"$work/report" <<REPORT
Return-Path: <>
From: MAILER-DAEMON@mx.example.net
To: sender@example.com
Subject: Undelivered mail
Date: Mon, 30 Nov 2026 10:00:00 +0000
Message-ID: <report@mx.example.net>
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b
Content-Type: text/plain

The message was not delivered.

--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.net

$1
Action: failed
Status: 5.1.1
$2

--b
Content-Type: message/rfc822

Date: Mon, 30 Nov 2026 09:59:00 +0000
From: sender@example.com
To: user@example.net
Subject: hello
Message-ID: <original@example.com>

text
--b--
REPORT
	perl "$work/read.pl" "$work/report"
}

recipient="Final-Recipient: rfc822; user@example.net"
diagnostic="Diagnostic-Code: smtp; 550 5.1.1 no such user"
found="user@example.net, userunknown"
perl -MSisimai -e 'print "Sisimai ", Sisimai->version, "\n"'
expect "Final-Recipient on one line" "$found" "$(read_report "$recipient" "$diagnostic")"
expect "Final-Recipient folded" "nothing found" "$(read_report "${recipient/; /;$'\n' }" "$diagnostic")"
expect "Diagnostic-Code folded" "$found" "$(read_report "$recipient" "${diagnostic/; /;$'\n' }")"
verdict
