#!/bin/bash
# Software: postsrsd 1.10 (Debian postsrsd 1.10-2+b1); address-rfc2821 2.2.1 (npm), the envelope parser of Haraka.
#
# Input: a BATV tag on a VERP sender, with a local part of 58 octets, so within the 64 of RFC 5321, 4.5.3.1.1. A forwarder
# rewrites it by SRS.
#
# Expected: an address that the next MTA accepts, or an answer of postsrsd that there is none.
# Happens: SRS adds its hash, day and the whole domain to the local part. postsrsd hands out 89 octets, and takes them back
# without a word; a parser that keeps to the limit refuses the sender.
#
# Seen on 2026-11-29:
#   octets before: 58
#   octets after: 89
#   back again: the same address
#   address-rfc2821, before: accepted
#   address-rfc2821, after: RFC-5321 local-part exceeds 64 octets
#
# What a user meets: mail of a list whose site tags its senders is refused behind a forwarder, at MAIL, by the MTAs that
# keep to the limit, and delivered by the others. The bounce goes to the forwarder's SRS address and so to the list, which
# counts it against the subscriber.

. "$(dirname "$0")/setup.bash"

debs postsrsd=1.10-2+b1
npm_packages address-rfc2821@2.2.1

sender=prvs=0787788259=news-bounces+a.subscriber=mail.example.net@lists.example.org
forward=21801 reverse=21802

echo "0123456789abcdef" >"$work/secret"
"$root/usr/sbin/postsrsd" -4 -s "$work/secret" -d forwarder.example.com -f "$forward" -r "$reverse" &
daemon=$!
trap 'kill "$daemon" 2>/dev/null || true; rm -rf "$work"' EXIT

# ask PORT ADDRESS: one question by the tcp_table protocol of Postfix.
ask() {
	local code answer
	exec 3<>"/dev/tcp/127.0.0.1/$1" || return 1
	echo "get $2" >&3
	read -r code answer <&3
	exec 3>&-
	echo "$answer"
}

octets() {
	local local_part=${1%@*}
	echo "${#local_part}"
}

parse() {
	(cd "$work/npm" && node -e '
		const { Address } = require("address-rfc2821");
		try {
			new Address(`<${process.argv[1]}>`);
			console.log("accepted");
		} catch (err) {
			console.log(err.message);
		}' "$1")
}

for try in 1 2 3 4 5 6 7 8 9 10; do
	if rewritten=$(ask "$forward" "$sender" 2>/dev/null); then break; fi
	sleep 0.2
done
[ -n "$rewritten" ] || cannot "postsrsd does not answer on port $forward"

echo "postsrsd 1.10, address-rfc2821 2.2.1"
echo "before: $sender"
echo "after: $rewritten"
expect "octets before" 58 "$(octets "$sender")"
expect "octets after" 89 "$(octets "$rewritten")"
expect "back again" "$sender" "$(ask "$reverse" "$rewritten")"
expect "address-rfc2821, before" accepted "$(parse "$sender")"
expect "address-rfc2821, after" "RFC-5321 local-part exceeds 64 octets" "$(parse "$rewritten")"
verdict
