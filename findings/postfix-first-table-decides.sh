#!/bin/bash
# Software: Postfix 3.7.11 (Debian postfix 3.7.11-0+deb12u1), the tables unionmap and pipemap.
#
# Input: relocated_maps with one entry for a domain, @example.com, and an address in it, user@example.com (RFC 5321, 4.1.2).
# Indexed tables are searched for the address and then for its parts, regular expressions for the address (relocated(5)).
#
# Expected: the entry is also found where unionmap adds a table of regular expressions to its table, or pipemap puts one in
# front that takes off a BATV tag (draft-levine-smtp-batv-01, 4.1).
# Happens: the first table decides: behind regular expressions the parts are searched nowhere, the entry is never found.
# DATABASE_README says only that each table gets the query; `postmap -q` takes its argument as the whole key.
#
# Seen on 2026-11-30:
#   (TABLE has an entry for @example.com; OTHERS and UNTAG are regular expressions)
#   TABLE: found
#   OTHERS, TABLE: found
#   unionmap:{TABLE,OTHERS}: found
#   unionmap:{OTHERS,TABLE}: not found
#   pipemap:{UNTAG,TABLE}: not found
#   pipemap:{UNTAG,TABLE} with an entry for user@example.com: found
#   postmap -q @example.com pipemap:{UNTAG,TABLE}: example.org
#
# What a user meets: after an untagging table is put in front, all entries for domains are without effect, with no warning.
# Access tables are searched in the same way: there it concerns the refusals as well as the exceptions.

. "$(dirname "$0")/setup.bash"

debs postfix=3.7.11-0+deb12u1

mkdir -p "$work/postfix" "$work/queue" "$work/data"
touch "$work/postfix/master.cf"
cat > "$work/postfix/untag" <<'REGEXP'
/^prvs=[0-9]{4}[0-9a-f]{6}=(.*)$/ ${1}
/^(.*)$/ ${1}
REGEXP
echo '/^other@/ example.net' >"$work/postfix/others"
table="inline:{{@example.com=example.org}}"
full="inline:{{user@example.com=example.org}}"
others="regexp:$work/postfix/others"
untag="regexp:$work/postfix/untag"

# postfix_command PROGRAM ARGUMENTS...: runs a program of the package with the configuration below.
postfix_command() {
	MAIL_CONFIG=$work/postfix LD_LIBRARY_PATH=$root/usr/lib/postfix "$root/usr/$1" "${@:2}"
}

# resolve RELOCATED_MAPS: asks the address resolver of Postfix, in its stand-alone mode, what is to become of the address.
resolve() {
	cat > "$work/postfix/main.cf" <<CONFIGURATION
compatibility_level = 3.6
queue_directory = $work/queue
data_directory = $work/data
daemon_directory = $root/usr/lib/postfix/sbin
command_directory = $root/usr/sbin
shlib_directory = $root/usr/lib/postfix
meta_directory = $work/postfix
mail_owner = daemon
setgid_group = utmp
myhostname = mx.example.net
mydestination =
alias_maps =
relay_domains = example.com
relocated_maps = $1
CONFIGURATION
	local answer
	answer=$(printf '%s\0' request resolve sender "" address user@example.com "" |
		postfix_command lib/postfix/sbin/trivial-rewrite -S -t unix -n rewrite | tr '\0' ' ')
	case $answer in
	*"transport error nexthop 5.1.6 User has moved to example.org "*) echo found ;;
	*"transport relay nexthop example.com "*) echo "not found" ;;
	*) echo "$answer" ;;
	esac
}

first=$(resolve "$table") || cannot "the address resolver does not start"
echo "Postfix $(postfix_command sbin/postconf -h mail_version)"
expect TABLE found "$first"
expect "OTHERS, TABLE" found "$(resolve "$others, $table")"
expect "unionmap:{TABLE,OTHERS}" found "$(resolve "unionmap:{$table,$others}")"
expect "unionmap:{OTHERS,TABLE}" "not found" "$(resolve "unionmap:{$others,$table}")"
expect "pipemap:{UNTAG,TABLE}" "not found" "$(resolve "pipemap:{$untag,$table}")"
expect "pipemap:{UNTAG,TABLE} with an entry for user@example.com" found "$(resolve "pipemap:{$untag,$full}")"
expect "postmap -q @example.com pipemap:{UNTAG,TABLE}" example.org \
	"$(postfix_command sbin/postmap -q @example.com "pipemap:{$untag,$table}")"
verdict
