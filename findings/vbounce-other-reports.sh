#!/bin/bash
# Software: SpamAssassin 4.0.1 (Debian spamassassin 4.0.1-1~deb12u1), its VBounce plugin with the rules of the package.
#
# Input: reports that are no bounces. multipart/report is the container of many kinds of report, told apart by its
# report-type (RFC 6522, 3): feedback-report, here on a message that failed DMARC (RFC 5965, 2; RFC 6591, 3.1), tlsrpt of
# SMTP TLS Reporting (RFC 8460, 5.3), disposition-notification of a read message (RFC 8098, 3).
#
# Expected: only delivery-status is a bounce.
# Happens: only read receipts are left out: the others hit BOUNCE_MESSAGE. Their content cannot excuse them: a TLS report
# returns no message, and a failure report returns a forged one, which did not pass the own relay.
#
# Seen on 2026-11-30:
#   report-type=delivery-status: BOUNCE_MESSAGE
#   report-type=disposition-notification: no bounce
#   report-type=feedback-report: BOUNCE_MESSAGE
#   report-type=tlsrpt: BOUNCE_MESSAGE
#   the TLS report in a multipart/mixed: no bounce
#
# What a user meets: at a site that sorts mail by this rule, the daily TLS reports and the reports on forged mail go where
# backscatter goes.

. "$(dirname "$0")/setup.bash"

debs spamassassin=4.0.1-1~deb12u1 libhtml-parser-perl=3.81-1+deb12u1 libhtml-tagset-perl=3.20-6 \
	libnetaddr-ip-perl=4.079+dfsg-2+b1 libnet-dns-perl=1.36-1+deb12u1 libsys-hostname-long-perl=1.5-3 \
	libmail-dkim-perl=1.20230212-2~deb12u1 libmailtools-perl=2.21-2

cat > "$work/judge.pl" <<'PERL'
use Mail::SpamAssassin;

my ($rules, $home) = @ARGV;
sub content { my ($file) = @_; local $/; return <$file> }
open my $file, '<', $rules or die "$rules: $!";
my $filter = Mail::SpamAssassin->new({
    dont_copy_prefs => 1, local_tests_only => 1, userstate_dir => $home, home_dir_for_helpers => $home,
    config_text => <<'SETTINGS' . content($file),
util_rb_tld com net org
loadplugin Mail::SpamAssassin::Plugin::Check
loadplugin Mail::SpamAssassin::Plugin::VBounce
use_bayes 0
welcomelist_bounce_relays mx.example.com
SETTINGS
});
my $hits = $filter->check_message_text(content(\*STDIN))->get_names_of_tests_hit;
print $hits =~ /\b(BOUNCE_MESSAGE)\b/ ? "$1\n" : "no bounce\n";
PERL
mkdir "$work/home"

# judge CONTENT_TYPE PART_TYPE PART
judge() {
	perl "$work/judge.pl" "$root/usr/share/spamassassin/20_vbounce.cf" "$work/home" <<MESSAGE
From: Reports <reports@example.net>
To: user@example.com
Subject: report
Date: Mon, 30 Nov 2026 10:00:00 +0000
Message-ID: <report@example.net>
MIME-Version: 1.0
Content-Type: $1; boundary="b"

--b
Content-Type: text/plain

This is a report.

--b
Content-Type: $2

$3

--b--
MESSAGE
}

dsn=$'Reporting-MTA: dns; mx.example.net\n\nFinal-Recipient: rfc822; user@example.net\nAction: failed\nStatus: 5.1.1'
mdn=$'Final-Recipient: rfc822; user@example.net\nDisposition: manual-action/MDN-sent-manually; displayed'
arf="Feedback-Type: auth-failure
User-Agent: example/1
Version: 1
Auth-Failure: dmarc
Authentication-Results: mx.example.net; dmarc=fail header.from=example.com
Reported-Domain: example.com
Source-IP: 192.0.2.1

--b
Content-Type: text/rfc822-headers

Received: from forger.example.org (forger.example.org [192.0.2.1])
	by mx.example.net with ESMTP; Mon, 30 Nov 2026 09:59:00 +0000
From: user@example.com
To: user@example.net
Message-ID: <forged@example.com>"
tls='{"organization-name": "example", "policies": []}'

# report EXPECTED TYPE PART_TYPE PART
report() {
	expect "report-type=$2" "$1" "$(judge "multipart/report; report-type=$2" "$3" "$4")"
}

perl -MMail::SpamAssassin -e 'print "SpamAssassin ", Mail::SpamAssassin::Version(), "\n"'
report BOUNCE_MESSAGE delivery-status message/delivery-status "$dsn"
report "no bounce" disposition-notification message/disposition-notification "$mdn"
report BOUNCE_MESSAGE feedback-report message/feedback-report "$arf"
report BOUNCE_MESSAGE tlsrpt application/tlsrpt+json "$tls"
expect "the TLS report in a multipart/mixed" "no bounce" "$(judge multipart/mixed application/tlsrpt+json "$tls")"
verdict
