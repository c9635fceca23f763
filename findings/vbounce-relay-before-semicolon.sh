#!/bin/bash
# Software: SpamAssassin 4.0.1 (Debian spamassassin 4.0.1-1~deb12u1), its VBounce plugin.
#
# Input: a bounce that returns a message which did pass the relay named in welcomelist_bounce_relays. The relay's Received
# field ends "by mx.example.com; DATE": the clauses with, id and for are optional (RFC 5321, 4.4), and no space is needed
# before the ";".
#
# Expected: the relay is found in the returned message, so the bounce is taken for one of our own mail.
# Happens: a relay's name is found only with white space on both sides; "mx.example.com;" is none. The same holds for
# "mx.example.com(comment)".
#
# Seen on 2026-11-29:
#   by mx.example.com with ESMTP; DATE: ours
#   by mx.example.com; DATE: not ours
#   by mx.example.com (Postfix) with ESMTP id 1; DATE: ours
#   by mx.example.com(Postfix) with ESMTP id 1; DATE: not ours
#
# What a user meets: behind a relay that writes its field so, every genuine bounce hits BOUNCE_MESSAGE, and goes where the
# rule set's own advice sends backscatter.

. "$(dirname "$0")/setup.bash"

debs spamassassin=4.0.1-1~deb12u1 libhtml-parser-perl=3.81-1+deb12u1 libhtml-tagset-perl=3.20-6 \
	libnetaddr-ip-perl=4.079+dfsg-2+b1 libnet-dns-perl=1.36-1+deb12u1 libsys-hostname-long-perl=1.5-3 \
	libmail-dkim-perl=1.20230212-2~deb12u1 libmailtools-perl=2.21-2

cat > "$work/judge.pl" <<'PERL'
use Mail::SpamAssassin;

my ($by, $home) = @ARGV;
my $filter = Mail::SpamAssassin->new({
    dont_copy_prefs => 1, local_tests_only => 1, userstate_dir => $home, home_dir_for_helpers => $home,
    config_text => <<'RULES',
util_rb_tld com net org
loadplugin Mail::SpamAssassin::Plugin::Check
loadplugin Mail::SpamAssassin::Plugin::VBounce
use_bayes 0
welcomelist_bounce_relays mx.example.com
body OURS eval:check_welcomelist_bounce_relays()
score OURS 0.1
RULES
});
my $status = $filter->check_message_text(<<"BOUNCE");
Return-Path: <>
From: MAILER-DAEMON\@mx.example.net
To: sender\@example.com
Subject: Undelivered mail
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b
Content-Type: text/plain

The message was not delivered.

--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.net

Final-Recipient: rfc822; user\@example.net
Action: failed
Status: 5.1.1

--b
Content-Type: message/rfc822

Received: from [192.0.2.1]
\t$by; Sun, 29 Nov 2026 09:59:00 +0000
Message-ID: <original\@example.com>
From: sender\@example.com
To: user\@example.net

text
--b--
BOUNCE
print $status->get_names_of_tests_hit eq "OURS" ? "ours\n" : "not ours\n";
PERL

judge() {
	perl "$work/judge.pl" "$1" "$work/home"
}
mkdir "$work/home"

perl -MMail::SpamAssassin -e 'print "SpamAssassin ", Mail::SpamAssassin::Version(), "\n"'
expect "by mx.example.com with ESMTP; DATE" ours "$(judge 'by mx.example.com with ESMTP')"
expect "by mx.example.com; DATE" "not ours" "$(judge 'by mx.example.com')"
expect "by mx.example.com (Postfix) with ESMTP id 1; DATE" ours "$(judge 'by mx.example.com (Postfix) with ESMTP id 1')"
expect "by mx.example.com(Postfix) with ESMTP id 1; DATE" "not ours" \
	"$(judge 'by mx.example.com(Postfix) with ESMTP id 1')"
verdict
