#!/bin/bash
# Software: mailbot of maildrop 2.9.3 (Debian maildrop 2.9.3-2.1).
#
# Input: any message, and mailbot's documented options for an abuse report, -T feedback and -R abuse.
#
# Expected: a report of RFC 5965 whose second part has Feedback-Type, User-Agent and Version, each of which must be there
# exactly once (3.1).
# Happens: the second part has no Feedback-Type, whatever -R says and however the options are ordered.
#
# Seen on 2026-11-29:
#   -T feedback -R abuse: Arrival-Date User-Agent Version
#   -R fraud -T feedback: Arrival-Date User-Agent Version
#   -T replyfeedback -R abuse: Arrival-Date User-Agent Version
#
# What a user meets: a complaint that mailbot sends is not a valid feedback report; a receiver that sorts by Feedback-Type
# rejects it or files it nowhere, and mailbot's user believes that the abuse was reported.

. "$(dirname "$0")/setup.bash"

debs maildrop=2.9.3-2.1 libcourier-unicode4=2.1.2-2+b2

echo "This is a report." >"$work/text"

# fields OPTION...: the names of the fields in the machine-readable part of a report.
fields() {
	LD_LIBRARY_PATH=$libraries "$root/usr/bin/mailbot" -t "$work/text" -A 'From: abuse@example.net' -N "$@" cat <<'MESSAGE' |
From: A Sender <sender@example.org>
To: user@example.net
Subject: buy this
Message-ID: <original@example.org>

text
MESSAGE
		sed -n '/^Content-Type: message\/feedback-report/,/^--/p' | sed '1,/^$/d' | sed -n 's/^\([A-Za-z-]*\): .*/\1/p' |
		sort | xargs
}

echo "maildrop 2.9.3"
for options in "-T feedback -R abuse" "-R fraud -T feedback" "-T replyfeedback -R abuse"; do
	# shellcheck disable=SC2086 # several words on purpose
	expect "$options" "Arrival-Date User-Agent Version" "$(fields $options)"
done
verdict
