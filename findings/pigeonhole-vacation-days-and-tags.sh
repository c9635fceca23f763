#!/bin/bash
# Software: Pigeonhole 0.5.19 with Dovecot 2.3.19.1 (Debian dovecot-sieve, dovecot-core 1:2.3.19.1+dfsg1-2.1+deb12u7).
#
# Input: three messages of one correspondent to a mailbox with `vacation :days 7` (RFC 5230, 4.1). The envelope sender
# carries a BATV tag (draft-levine-smtp-batv-01, 4.1): the same on one day, another one on the next.
#
# Expected: one answer in seven days, as without tags.
# Happens: who was answered is remembered by the envelope sender as it stands, so every new tag is a new correspondent. The
# answer's To also shows the tagged address instead of the name and address of the message's From.
#
# Seen on 2026-11-29:
#   sender@example.org, three times: 1 answers
#   prvs=0787788259=sender@example.org, twice, then prvs=0788aabbcc=sender@example.org: 2 answers
#   To of the answer: <prvs=0788aabbcc=sender@example.org>
#
# What a user meets: correspondents at a site that tags its mail get the same notice every day instead of once a week, and
# those who answer it with "reply" write to an address that expires.

. "$(dirname "$0")/setup.bash"

debs dovecot-core=1:2.3.19.1+dfsg1-2.1+deb12u7 dovecot-sieve=1:2.3.19.1+dfsg1-2.1+deb12u7

cat > "$work/vacation.sieve" <<'SIEVE'
require ["vacation"];
vacation :days 7 :subject "away" "I am away.";
SIEVE
cat > "$work/message" <<'MESSAGE'
From: A Sender <sender@example.org>
To: user@example.net
Subject: hello
Message-ID: <original@example.org>

text
MESSAGE
cat > "$work/sendmail" <<SENDMAIL
#!/bin/sh
grep '^To: ' >>"$work/home/answers"
SENDMAIL
chmod 755 "$work/sendmail"

# home: an empty home directory, in which nobody was answered yet.
home() {
	rm -rf "$work/home"
	mkdir -p "$work/home/mail/cur" "$work/home/mail/new" "$work/home/mail/tmp"
	: >"$work/home/answers"
	if [ "$(id -u)" = 0 ]; then chown -R 65534:65534 "$work/home"; fi
}

# deliver SENDER: one delivery, with no configuration but what is named here.
deliver() {
	unprivileged env HOME="$work/home" LD_LIBRARY_PATH="$root/usr/lib/dovecot" "$root/usr/lib/dovecot/dovecot-lda" -O \
		-o mail_plugin_dir="$root/usr/lib/dovecot/modules" -o mail_plugins=sieve -o mail_location="maildir:$work/home/mail" \
		-o plugin/sieve="file:$work/vacation.sieve" -o sendmail_path="$work/sendmail" -o hostname=mx.example.net \
		-o postmaster_address=postmaster@example.net -o log_path="$work/home/log" -o stats_writer_socket_path= \
		-f "$1" -a user@example.net <"$work/message"
}

echo "Pigeonhole 0.5.19, dovecot-sieve 1:2.3.19.1+dfsg1-2.1+deb12u7"
home
for sender in sender@example.org sender@example.org sender@example.org; do deliver "$sender"; done
expect "sender@example.org, three times" "1 answers" "$(grep -c ^To: "$work/home/answers") answers"

home
today=prvs=0787788259=sender@example.org tomorrow=prvs=0788aabbcc=sender@example.org
for sender in "$today" "$today" "$tomorrow"; do deliver "$sender"; done
expect "$today, twice, then $tomorrow" "2 answers" "$(grep -c ^To: "$work/home/answers") answers"
expect "To of the answer" "<$tomorrow>" "$(sed -n 's/^To: //p' "$work/home/answers" | tail -1 | tr -d '\r')"
verdict
