#!/bin/bash
# Software: Pigeonhole 0.5.19 (Debian dovecot-sieve 1:2.3.19.1+dfsg1-2.1+deb12u7) and mailbot of maildrop 2.9.3 (Debian
# maildrop 2.9.3-2.1).
#
# Input: a message with `Auto-Submitted: no (written by a person)`. The field may hold comments, and parameters after the
# keyword (RFC 3834, 5); "no" says that no program sent the message, as if the field were absent.
#
# Expected: an answer, as to `Auto-Submitted: no`.
# Happens: both compare the whole text after the colon with "no", so a comment or a parameter makes the message an
# automatic one, and nothing is answered.
#
# Seen on 2026-11-29:
#   pigeonhole, no: answered
#   pigeonhole, no (written by a person): not answered
#   pigeonhole, no; example=1: not answered
#   mailbot, no: answered
#   mailbot, no (written by a person): not answered
#   mailbot, no; example=1: not answered
#
# What a user meets: a person's mail is not answered, neither the vacation notice nor a ticket system's receipt. Pigeonhole
# logs the message as auto-submitted; mailbot says nothing.

. "$(dirname "$0")/setup.bash"

debs dovecot-core=1:2.3.19.1+dfsg1-2.1+deb12u7 dovecot-sieve=1:2.3.19.1+dfsg1-2.1+deb12u7 \
	maildrop=2.9.3-2.1 libcourier-unicode4=2.1.2-2+b2

cat > "$work/vacation.sieve" <<'SIEVE'
require ["vacation"];
vacation :subject "away" "I am away.";
SIEVE
echo "I am away." >"$work/text"

message() {
	cat <<MESSAGE
From: A Sender <sender@example.org>
To: user@example.net
Subject: hello
Message-ID: <original@example.org>
Auto-Submitted: $1

text
MESSAGE
}

# marked: reads what a program printed, and tells whether there is an answer in it.
marked() {
	if grep -q 'I am away'; then echo answered; else echo "not answered"; fi
}

pigeonhole() {
	rm -rf "$work/home"
	mkdir -p "$work/home/mail/cur" "$work/home/mail/new" "$work/home/mail/tmp"
	if [ "$(id -u)" = 0 ]; then chown -R 65534:65534 "$work/home"; fi
	unprivileged env HOME="$work/home" LD_LIBRARY_PATH="$root/usr/lib/dovecot" "$root/usr/lib/dovecot/dovecot-lda" -O \
		-o mail_plugin_dir="$root/usr/lib/dovecot/modules" -o mail_plugins=sieve \
		-o mail_location="maildir:$work/home/mail" -o plugin/sieve="file:$work/vacation.sieve" \
		-o sendmail_path="$work/sendmail" -o hostname=mx.example.net -o postmaster_address=postmaster@example.net \
		-o log_path="$work/home/log" -o stats_writer_socket_path= -f sender@example.org -a user@example.net
	cat "$work/home/answer" 2>/dev/null | marked
}
printf '#!/bin/sh\ncat >"%s/home/answer"\n' "$work" >"$work/sendmail"
chmod 755 "$work/sendmail"

mailbot() {
	LD_LIBRARY_PATH=$libraries "$root/usr/bin/mailbot" -t "$work/text" -A 'From: user@example.net' cat | marked
}

echo "Pigeonhole 0.5.19, maildrop 2.9.3"
for program in pigeonhole mailbot; do
	expect "$program, no" answered "$(message no | $program)"
	expect "$program, no (written by a person)" "not answered" "$(message 'no (written by a person)' | $program)"
	expect "$program, no; example=1" "not answered" "$(message 'no; example=1' | $program)"
done
verdict
