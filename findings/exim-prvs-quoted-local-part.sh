#!/bin/bash
# Software: Exim 4.96 (Debian exim4-daemon-light 4.96-15+deb12u11), its expansion ${prvs{address}{key}{digit}}.
#
# Input: a sender whose local part must be quoted, "john doe"@example.com (RFC 5321, 4.1.2).
#
# Expected: an address with the tag inside the quotes, "prvs=0793xxxxxx=john doe"@example.com: a local part is either a
# dot-string or one quoted string, not a mixture (RFC 5321, 4.1.2).
# Happens: the tag is put before the quote. The result is no address: Exim itself, asked by ${address:...}, finds none in it.
#
# Seen on 2026-11-29:
#   (the digits depend on the day)
#   user@example.com: prvs=TAG=user@example.com, an address
#   "john doe"@example.com: prvs=TAG="john doe"@example.com, no address
#   the tag inside the quotes: an address
#
# What a user meets: mail of such a sender, signed with the expansion of Exim's documentation, is refused at MAIL by MTAs
# that check the syntax; where it is accepted, no bounce can be sent back.

. "$(dirname "$0")/setup.bash"

debs exim4-daemon-light=4.96-15+deb12u11

expand() {
	"$root/usr/sbin/exim4" -C /dev/null -be "$1" 2>/dev/null
}

# address TEXT: whether Exim finds an address in it.
address() {
	if [ "$(expand "\${address:$1}")" = "$1" ]; then echo "an address"; else echo "no address"; fi
}

# masked: with TAG for the key digit, the day and the hash.
masked() {
	sed 's/prvs=0[0-9]\{3\}[0-9a-f]\{6\}=/prvs=TAG=/'
}

"$root/usr/sbin/exim4" -C /dev/null -bV 2>/dev/null | sed -n 1p
plain=$(expand '${prvs{user@example.com}{secret}{0}}')
quoted=$(expand '${prvs{"john doe"@example.com}{secret}{0}}')
inside="\"${quoted%%\"*}john doe\"@example.com"
expect user@example.com "prvs=TAG=user@example.com, an address" "$(echo "$plain" | masked), $(address "$plain")"
expect '"john doe"@example.com' 'prvs=TAG="john doe"@example.com, no address' \
	"$(echo "$quoted" | masked), $(address "$quoted")"
expect "the tag inside the quotes" "an address" "$(address "$inside")"
verdict
