#!/bin/bash
# Software: postgrey 1.37 (Debian postgrey 1.37-2), the greylisting policy server for Postfix.
#
# Input: a VERP sender with a BATV tag (draft-levine-smtp-batv-01, 4.1), on two days, so with two tags:
# prvs=0787788259=list-bounces+user=example.net@example.org. The local part may hold "=" (RFC 5321, 4.1.2), and VERP puts
# one there in place of the subscriber's "@".
#
# Expected: the tag is removed, as postgrey does with prvs=TAG=user@, so that the second day's mail passes at once.
# Happens: the tag is only removed if the local part has exactly two "=". With another "=" in the address behind it, the tag
# stays a part of the key, and each day's tag is a new sender.
#
# Seen on 2026-11-30:
#   (the second try of a tag comes after the delay, here one second)
#   user: greylisted, passed, next tag: passed
#   list-bounces+user=example.net: greylisted, passed, next tag: greylisted
#
# What a user meets: mail of lists whose site tags its senders is delayed every day again, although the same client was
# let through for the same list and subscriber the day before.

. "$(dirname "$0")/setup.bash"

debs postgrey=1.37-2 libnet-server-perl=2.013-2 libberkeleydb-perl=0.64-2+b1 libio-multiplex-perl=1.16-3 \
	libnetaddr-ip-perl=4.079+dfsg-2+b1

port=$(perl -MIO::Socket::INET -e 'print IO::Socket::INET->new(LocalAddr => "127.0.0.1", Listen => 1)->sockport')
mkdir "$work/db"
: >"$work/empty"
if [ "$(id -u)" = 0 ]; then chown 65534:65534 "$work/db"; fi
# Perl ignores PERL5LIB in the taint mode that postgrey asks for.
include=()
for folder in ${PERL5LIB//:/ }; do include+=("-I$folder"); done
# The shell in between writes down the process that is to be ended.
# shellcheck disable=SC2016
unprivileged bash -c 'echo "$$" >"$0/pid"; exec "$@"' "$work/db" \
	perl -T "${include[@]}" "$root/usr/sbin/postgrey" --inet="127.0.0.1:$port" --dbdir="$work/db" --delay=1 \
	--user="$(unprivileged id -un)" --group="$(unprivileged id -gn)" --auto-whitelist-clients=100 \
	--whitelist-clients="$work/empty" --whitelist-recipients="$work/empty" 2>"$work/log" &
trap 'kill "$(cat "$work/db/pid")" 2>/dev/null || true; wait; rm -rf "$work"' EXIT

# ask SENDER: one question by the policy protocol of Postfix; "greylisted" or "passed".
ask() {
	local line answer=""
	exec 3<>"/dev/tcp/127.0.0.1/$port" || return 1
	printf '%s\n' request=smtpd_access_policy protocol_state=RCPT protocol_name=ESMTP helo_name=mx.example.org \
		client_name=mx.example.org client_address=192.0.2.1 "sender=$1" recipient=user@example.net "instance=$RANDOM" "" >&3
	while read -r line <&3 && [ -n "$line" ]; do answer=$line; done
	exec 3>&-
	case $answer in
	action=DEFER*) echo greylisted ;;
	action=DUNNO | action=PREPEND*) echo passed ;;
	*) echo "$answer" ;;
	esac
}

# days LOCAL_PART: two tries with the tag of one day, and one with the tag of the next.
days() {
	local first second third
	first=$(ask "prvs=0787788259=$1@example.org")
	sleep 2
	second=$(ask "prvs=0787788259=$1@example.org")
	third=$(ask "prvs=0788aabbcc=$1@example.org")
	echo "$first, $second, next tag: $third"
}

for _ in 1 2 3 4 5 6 7 8 9 10; do
	if answer=$(ask nobody@example.com 2>/dev/null); then break; fi
	sleep 0.5
done
[ -n "${answer:-}" ] || cannot "postgrey does not answer on port $port"

echo "postgrey 1.37"
expect user "greylisted, passed, next tag: passed" "$(days user)"
expect list-bounces+user=example.net "greylisted, passed, next tag: greylisted" "$(days list-bounces+user=example.net)"
verdict
