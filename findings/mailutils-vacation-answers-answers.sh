#!/bin/bash
# Software: the sieve of GNU Mailutils 3.15 (Debian mailutils 1:3.15-4), its vacation action.
#
# Input: an automatic reply, marked `Auto-Submitted: auto-replied` (RFC 3834, 5), sent to a mailbox with a vacation script.
#
# Expected: no answer: an automatic responder should not answer a message marked with any other keyword than "no" (RFC
# 3834, 2; RFC 5230, 4.6). And what it sends should be marked itself (RFC 3834, 3.1.7).
# Happens: the message is answered. The answer is not marked, and its envelope sender is the mailbox's owner. A message
# with `Precedence: bulk`, which no RFC asks to respect, is not answered.
#
# Seen on 2026-11-29:
#   Auto-Submitted: auto-replied: answered by user@example.net, marked 0 times
#   Auto-Submitted: auto-generated: answered by user@example.net, marked 0 times
#   Precedence: bulk: not answered
#
# What a user meets: two such mailboxes on leave answer each other's notices until their records of who was answered stop
# them; a notification system's mail is answered; and a notice that cannot be delivered comes back to the owner as a bounce.

. "$(dirname "$0")/setup.bash"

debs mailutils=1:3.15-4 libmailutils9=1:3.15-4 libgsasl18=2.2.0-1+deb12u2 libgssglue1=0.7-1.1 libltdl7=2.4.7-7~deb12u1 \
	libmariadb3=1:10.11.19-0+deb12u1 libntlm0=1.6-4 libfribidi0=1.0.8-2.1

cat > "$work/vacation.sieve" <<'SIEVE'
require ["vacation"];
vacation :days 7 :subject "away" "I am away.";
SIEVE
printf '#!/bin/sh\n{ echo "arguments: $*"; cat; } >"%s/answer"\n' "$work" >"$work/sendmail"
chmod 755 "$work/sendmail"

# judge FIELD: what becomes of a message with this header field.
judge() {
	rm -rf "$work/answer" "$work"/.vacation*
	cat >"$work/mbox" <<MESSAGE
From sender@example.org Sun Nov 29 10:00:00 2026
From: A Sender <sender@example.org>
To: user@example.net
Subject: hello
Message-ID: <original@example.org>
$1

text

MESSAGE
	HOME=$work LD_LIBRARY_PATH=$libraries "$root/usr/bin/sieve" --no-config -L "$libraries/mailutils9" \
		-M "sendmail:$work/sendmail" -e user@example.net -f "$work/mbox" "$work/vacation.sieve" >&2
	if [ ! -e "$work/answer" ]; then
		echo "not answered"
		return
	fi
	echo "answered by $(sed -n 's/^arguments: .*-f \([^ ]*\) .*/\1/p' "$work/answer")," \
		"marked $(grep -ci '^Auto-Submitted:' "$work/answer" || true) times"
}

LD_LIBRARY_PATH=$libraries "$root/usr/bin/sieve" --version | sed -n 1p
expect "Auto-Submitted: auto-replied" "answered by user@example.net, marked 0 times" \
	"$(judge 'Auto-Submitted: auto-replied')"
expect "Auto-Submitted: auto-generated" "answered by user@example.net, marked 0 times" \
	"$(judge 'Auto-Submitted: auto-generated')"
expect "Precedence: bulk" "not answered" "$(judge 'Precedence: bulk')"
verdict
