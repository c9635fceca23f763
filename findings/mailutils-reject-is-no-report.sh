#!/bin/bash
# Software: the sieve of GNU Mailutils 3.15 (Debian mailutils 1:3.15-4), its reject action.
#
# Input: any message to a mailbox with a script that rejects it (RFC 5429, 2.2).
#
# Expected: a multipart/report of a message/disposition-notification (RFC 5429, 2.2.1; RFC 8098, 3), from the null sender
# (RFC 8098, 3), with a From field (RFC 5322, 3.6) and marked Auto-Submitted (RFC 3834, 3.1.7).
# Happens: a multipart/mixed, with the fields of a notification in a message/delivery-status that has neither a
# Reporting-MTA nor a group per recipient (RFC 3464, 2.1); no From, no Auto-Submitted, and MAILER-DAEMON of the mailbox's
# domain as envelope sender.
#
# Seen on 2026-11-30:
#   type: multipart/mixed
#   second part: message/delivery-status
#   Disposition: automatic-action/MDN-sent-automatically;deleted
#   From fields: 0
#   Auto-Submitted fields: 0
#   envelope sender: MAILER-DAEMON@example.net
#
# What a user meets: software that reads bounces does not know the rejection for one, autoresponders take it for mail, and
# where it cannot be delivered there is a bounce to MAILER-DAEMON.

. "$(dirname "$0")/setup.bash"

debs mailutils=1:3.15-4 libmailutils9=1:3.15-4 libgsasl18=2.2.0-1+deb12u2 libgssglue1=0.7-1.1 libltdl7=2.4.7-7~deb12u1 \
	libmariadb3=1:10.11.19-0+deb12u1 libntlm0=1.6-4 libfribidi0=1.0.8-2.1

cat > "$work/reject.sieve" <<'SIEVE'
require ["reject"];
reject "I do not want this.";
SIEVE
printf '#!/bin/sh\n{ echo "arguments: $*"; cat; } >"%s/answer"\n' "$work" >"$work/sendmail"
chmod 755 "$work/sendmail"
cat >"$work/mbox" <<'MESSAGE'
From sender@example.org Mon Nov 30 10:00:00 2026
Return-Path: <sender@example.org>
From: A Sender <sender@example.org>
To: user@example.net
Subject: hello
Message-ID: <original@example.org>

text

MESSAGE

HOME=$work LD_LIBRARY_PATH=$libraries "$root/usr/bin/sieve" --no-config -L "$libraries/mailutils9" \
	-M "sendmail:$work/sendmail" -e user@example.net -f "$work/mbox" "$work/reject.sieve" >&2
[ -e "$work/answer" ] || cannot "nothing was rejected"
# The header of the rejection: all to the first empty line.
sed '/^$/q' "$work/answer" >"$work/header"

LD_LIBRARY_PATH=$libraries "$root/usr/bin/sieve" --version | sed -n 1p
expect type multipart/mixed "$(sed -n 's/^Content-Type: \([^;]*\);.*/\1/p' "$work/header")"
expect "second part" message/delivery-status "$(sed -n 's/^Content-Type: \(message\/d[^;]*\).*/\1/p' "$work/answer")"
expect Disposition "automatic-action/MDN-sent-automatically;deleted" "$(sed -n 's/^Disposition: //p' "$work/answer")"
expect "From fields" 0 "$(grep -ci '^From:' "$work/header" || true)"
expect "Auto-Submitted fields" 0 "$(grep -ci '^Auto-Submitted:' "$work/header" || true)"
expect "envelope sender" MAILER-DAEMON@example.net "$(sed -n 's/^arguments: .*-f \([^ ]*\) .*/\1/p' "$work/answer")"
verdict
