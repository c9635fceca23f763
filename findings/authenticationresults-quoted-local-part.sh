#!/bin/bash
# Software: Mail::AuthenticationResults 2.20230112 (Debian libmail-authenticationresults-perl 2.20230112-1).
#
# Input: an Authentication-Results field with an address whose local part is a quoted string, `smtp.mailfrom="the user"@example.com`:
# the value of a property may be [[local-part] "@"] domain-name (RFC 8601, 2.2), and a local part may be quoted (RFC 5321, 4.1.2).
# An address with a space and a BATV tag is one: "prvs=1787abcdef=the user"@example.com.
#
# Expected: the address.
# Happens: the value ends with the quoted string, and "@example.com" becomes a property of its own, without a value. If another
# property follows, the whole field is refused.
#
# Seen on 2026-11-30:
#   user@example.com: spf=pass [smtp.mailfrom: user@example.com], dkim=pass [header.d: example.com]
#   "the user"@example.com: spf=pass [smtp.mailfrom: the user] [@example.com: ], dkim=pass [header.d: example.com]
#   "prvs=1787abcdef=the user"@example.com: spf=pass [smtp.mailfrom: prvs=1787abcdef=the user] [@example.com: ], dkim=pass [header.d: example.com]
#   "the user"@example.com smtp.helo=mx.example.com: error: not expecting a string
#
# What a user meets: a sender without a domain, or mail that counts as not authenticated at all, DKIM included.

. "$(dirname "$0")/setup.bash"

debs libmail-authenticationresults-perl=2.20230112-1 libclone-perl=0.46-1 libjson-perl=4.10000-1

# parsed VALUE: what the parser makes of a field with this value of smtp.mailfrom.
parsed() {
	perl -e '
		use Mail::AuthenticationResults::Parser;
		my $field = "mx.example.net; spf=pass smtp.mailfrom=$ARGV[0]; dkim=pass header.d=example.com";
		my $results = eval { Mail::AuthenticationResults::Parser->new()->parse($field) };
		if (!$results) { print "error: ", $@ =~ s/ at \S+ line .*//sr, "\n"; exit }
		print join(", ", map {
			join " ", $_->key . "=" . $_->value, map { "[" . $_->key . ": " . $_->value . "]" } @{$_->children}
		} @{$results->search({isa => "entry"})->children}), "\n";' "$1"
}

echo "Mail::AuthenticationResults $(perl -MMail::AuthenticationResults -e 'print Mail::AuthenticationResults->VERSION')"
dkim="dkim=pass [header.d: example.com]"
expect user@example.com "spf=pass [smtp.mailfrom: user@example.com], $dkim" "$(parsed user@example.com)"
expect '"the user"@example.com' "spf=pass [smtp.mailfrom: the user] [@example.com: ], $dkim" "$(parsed '"the user"@example.com')"
expect '"prvs=1787abcdef=the user"@example.com' "spf=pass [smtp.mailfrom: prvs=1787abcdef=the user] [@example.com: ], $dkim" \
	"$(parsed '"prvs=1787abcdef=the user"@example.com')"
expect '"the user"@example.com smtp.helo=mx.example.com' "error: not expecting a string" \
	"$(parsed '"the user"@example.com smtp.helo=mx.example.com')"
verdict
