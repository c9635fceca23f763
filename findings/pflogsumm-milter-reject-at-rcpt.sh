#!/bin/bash
# Software: pflogsumm 1.1.5 (Debian pflogsumm 1.1.5-8).
#
# Input: the lines that smtpd(8) of Postfix logs if a milter rejects a recipient or a message at DATA: "milter-reject: RCPT from ...",
# "milter-reject: DATA from ...".
#
# Expected: they count as rejected, as they do if Postfix itself rejects ("reject: RCPT from ...") and if a milter rejects at the end of the
# message, which cleanup(8) logs ("milter-reject: END-OF-MESSAGE from ...").
# Happens: they are in no number and in no list.
#
# Seen on 2026-11-30:
#   rejected by a milter at the end of the message: 1
#   rejected by Postfix at RCPT: 1
#   rejected by a milter at RCPT: 0
#   rejected by a milter at DATA: 0
#
# What a user meets: what a milter refuses before the content comes (SPF, greylisting, wrong recipients) is missing in the daily summary.

. "$(dirname "$0")/setup.bash"

debs pflogsumm=1.1.5-8

# rejected LINE: how many messages pflogsumm counts as rejected in a log of this line.
rejected() {
	echo "Nov 30 08:26:03 mx postfix/$1; from=<> to=<user@example.com> proto=ESMTP helo=<client.example>" |
		perl "$root/usr/sbin/pflogsumm" | sed -n 's/^ *\([0-9]*\) *rejected.*/\1/p'
}

expect "rejected by a milter at the end of the message" 1 \
	"$(rejected 'cleanup[6119]: 10685B8A541: milter-reject: END-OF-MESSAGE from unknown[192.0.2.9]: 5.7.1 Command rejected')"
expect "rejected by Postfix at RCPT" 1 \
	"$(rejected 'smtpd[6116]: NOQUEUE: reject: RCPT from unknown[192.0.2.9]: 550 5.7.1 Command rejected')"
expect "rejected by a milter at RCPT" 0 \
	"$(rejected 'smtpd[6116]: NOQUEUE: milter-reject: RCPT from unknown[192.0.2.9]: 550 5.7.1 Command rejected')"
expect "rejected by a milter at DATA" 0 \
	"$(rejected 'smtpd[6116]: 3F1F5B8A541: milter-reject: DATA from unknown[192.0.2.9]: 550 5.7.1 Command rejected')"
verdict
