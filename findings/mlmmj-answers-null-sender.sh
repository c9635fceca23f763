#!/bin/bash
# Software: mlmmj 1.3.0 (Debian mlmmj 1.3.0-4).
#
# Input: an automatic message to a command address of a list, list+subscribe@ or list+help@: its envelope sender is null
# (Return-Path: <>), and it is marked `Auto-Submitted: auto-replied` (RFC 3834, 5).
#
# Expected: no answer, neither to the null sender nor to a message that is marked so (RFC 3834, 2). mlmmj keeps to that for
# the list itself: a post from the null sender is dropped, where any other sender who is not subscribed gets a refusal.
# Happens: the command is carried out for the address in From: it gets the help text, or the question whether it wants to be
# subscribed. Neither is marked Auto-Submitted (RFC 3834, 3.1.7).
#
# Seen on 2026-11-30:
#   list, sender author@example.org: to author@example.org, marked 0 times
#   list, sender null: no answer
#   list+help, sender null: to author@example.org, marked 0 times
#   list+subscribe, sender null: to author@example.org, marked 0 times
#
# What a user meets: autoresponders and bounces that reach a command address are answered, and each forged From makes the
# list write to a third party: backscatter that is no bounce.

. "$(dirname "$0")/setup.bash"

debs mlmmj=1.3.0-4

list=$work/list
mkdir -p "$list"/{incoming,queue/discarded,archive,text,subconf,unsubconf,bounce,control,moderation,requeue} \
	"$list"/{subscribers.d,digesters.d,nomailsubs.d}
cp "$root"/usr/share/mlmmj/text.skel/en/* "$list/text"
echo list@example.com >"$list/control/listaddress"
echo owner@example.com >"$list/control/owner"
echo 127.0.0.1 >"$list/control/relayhost"
echo 1 >"$list/index"
touch "$list/control/subonlypost"

# The relay: prints every line that it gets, says yes to everything and writes down its port.
cat > "$work/relay.pl" <<'PERL'
use IO::Socket::INET;

my ($port_file, $log) = @ARGV;
my $server = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => 0, Listen => 5) or die $!;
open my $port, '>', "$port_file.new" or die $!;
print $port $server->sockport, "\n";
close $port;
rename "$port_file.new", $port_file;
open my $out, '>>', $log or die $!;
$out->autoflush;
while (my $client = $server->accept) {
    print $client "220 relay.example.com ESMTP\r\n";
    my $data = 0;
    while (my $line = <$client>) {
        $line =~ s/[\r\n\0]+//g;
        print $out "$line\n";
        if ($data) { next unless $line eq '.'; $data = 0 }
        if ($line =~ /^DATA$/i) { $data = 1; print $client "354 go\r\n"; next }
        print $client "250 ok\r\n";
        last if $line =~ /^QUIT/i;
    }
}
PERL
: >"$work/mail"
perl "$work/relay.pl" "$list/control/smtpport" "$work/mail" &
relay=$!
trap 'kill "$relay" 2>/dev/null || true; rm -rf "$work"' EXIT
for _ in 1 2 3 4 5 6 7 8 9 10; do
	if [ -e "$list/control/smtpport" ]; then break; fi
	sleep 0.2
done

# judge ADDRESS SENDER: what is sent because of a message from this envelope sender to this address of the list.
judge() {
	: >"$work/mail"
	cat >"$list/incoming/message" <<MESSAGE
Return-Path: <$2>
Delivered-To: $1@example.com
From: The Author <author@example.org>
To: $1@example.com
Subject: away
Message-ID: <original@example.org>
Auto-Submitted: auto-replied

I am away.
MESSAGE
	"$root/usr/bin/mlmmj-process" -L "$list/" -m "$list/incoming/message" >/dev/null 2>&1 || true
	for _ in 1 2 3 4 5 6; do
		sleep 0.5
		if grep -q '^QUIT' "$work/mail"; then break; fi
	done
	if ! grep -q '^RCPT' "$work/mail"; then
		echo "no answer"
		return
	fi
	echo "to $(sed -n 's/^RCPT TO:<\(.*\)>.*/\1/p' "$work/mail"), marked" \
		"$(sed -n '/^DATA/,/^$/p' "$work/mail" | grep -ci '^Auto-Submitted:' || true) times"
}

"$root/usr/bin/mlmmj-process" -V 2>&1 | sed -n 1p
expect "list, sender author@example.org" "to author@example.org, marked 0 times" "$(judge list author@example.org)"
expect "list, sender null" "no answer" "$(judge list "")"
expect "list+help, sender null" "to author@example.org, marked 0 times" "$(judge list+help "")"
expect "list+subscribe, sender null" "to author@example.org, marked 0 times" "$(judge list+subscribe "")"
verdict
