#!/bin/bash
# Software: pyspf 2.0.14 (Debian python3-spf 2.0.14-3), Mail::SPF 2.9.0 (Debian libmail-spf-perl 2.9.0-5),
# blitiri.com.ar/go/spf v1.6.0.
#
# Input: the sender of an internationalized message, user@bücher.example: with SMTPUTF8 the domain in MAIL may be written in
# U-labels (RFC 6531, 3.3).
#
# Expected: the result of the same domain in A-labels, xn--bcher-kva.example: all U-labels are converted before they are
# used for SPF (RFC 8616, 4).
# Happens: the DNS is asked for the octets of the U-label, has no such name, and the result is "none", without an error.
#
# Seen on 2026-11-30:
#   (the DNS is a stub that knows xn--bcher-kva.example, with "v=spf1 ip4:192.0.2.1 -all"; the client is 192.0.2.1, and then 192.0.2.2)
#   pyspf, xn--bcher-kva.example: pass, fail
#   pyspf, bücher.example: none, none
#   Mail::SPF, xn--bcher-kva.example: pass, fail
#   Mail::SPF, bücher.example: none, none
#   go/spf, xn--bcher-kva.example: pass, fail
#   go/spf, bücher.example: none, none
#
# What a user meets: unless the caller converts the sender first, which the documentation of none of the three asks for,
# mail of such a domain has neither the pass that DMARC may need nor, if the sender is forged, a fail.

. "$(dirname "$0")/setup.bash"

debs python3-spf=2.0.14-3 python3-dns=3.2.1-2 libmail-spf-perl=2.9.0-5 libnet-dns-perl=1.36-1+deb12u1 \
	libnetaddr-ip-perl=4.079+dfsg-2+b1 liberror-perl=0.17029-2 liburi-perl=5.17-1
go_module blitiri.com.ar/go/spf@v1.6.0

cat > "$work/check.py" <<'PYTHON'
import sys

import spf

def lookup(name, kind, *_, **__):
    if kind == "TXT" and name.rstrip(".").lower() == "xn--bcher-kva.example":
        return [((name, kind), (b"v=spf1 ip4:192.0.2.1 -all",))]
    return []

spf.DNSLookup = lookup
print(spf.check2(i=sys.argv[2], s=sys.argv[1], h="mx.example.org")[0])
PYTHON

cat > "$work/check.pl" <<'PERL'
package Stub;
use Net::DNS;

sub new { bless {}, shift }
sub errorstring { '' }
sub udppacketsize { 1 }
sub send {
    my ($self, $name, $kind) = @_;
    my $packet = Net::DNS::Packet->new($name, $kind);
    $packet->header->qr(1);
    $packet->push(answer => Net::DNS::RR->new(qq($name 60 IN TXT "v=spf1 ip4:192.0.2.1 -all")))
        if $kind eq 'TXT' && $name =~ /^xn--bcher-kva\.example\.?$/i;
    return $packet;
}
sub query { goto &send }

package main;
use Mail::SPF;

my ($sender, $client) = @ARGV;
utf8::decode($sender);
my $request = Mail::SPF::Request->new(
    scope => 'mfrom', identity => $sender, ip_address => $client, helo_identity => 'mx.example.org');
print Mail::SPF::Server->new(dns_resolver => Stub->new)->process($request)->code, "\n";
PERL

cat > "$work/go/main.go" <<'GO'
package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"strings"

	"blitiri.com.ar/go/spf"
)

type stub struct{}

func (stub) LookupTXT(_ context.Context, name string) ([]string, error) {
	if strings.EqualFold(strings.TrimSuffix(name, "."), "xn--bcher-kva.example") {
		return []string{"v=spf1 ip4:192.0.2.1 -all"}, nil
	}
	return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
}

func (stub) LookupMX(context.Context, string) ([]*net.MX, error)        { return nil, nil }
func (stub) LookupIPAddr(context.Context, string) ([]net.IPAddr, error) { return nil, nil }
func (stub) LookupAddr(context.Context, string) ([]string, error)        { return nil, nil }

func main() {
	result, _ := spf.CheckHostWithSender(net.ParseIP(os.Args[2]), "mx.example.org", os.Args[1], spf.WithResolver(stub{}))
	fmt.Println(result)
}
GO
(cd "$work/go" && go build -o check .) || cannot "does not build"

# check PROGRAM DOMAIN: the results for the two clients.
check() {
	local client all=()
	for client in 192.0.2.1 192.0.2.2; do
		case $1 in
		pyspf) all+=("$(/usr/bin/python3 "$work/check.py" "user@$2" "$client")") ;;
		Mail::SPF) all+=("$(perl "$work/check.pl" "user@$2" "$client")") ;;
		go/spf) all+=("$("$work/go/check" "user@$2" "$client")") ;;
		esac
	done
	echo "${all[0]}, ${all[1]}"
}

echo "pyspf 2.0.14, Mail::SPF 2.9.0, go/spf v1.6.0"
for program in pyspf Mail::SPF go/spf; do
	expect "$program, xn--bcher-kva.example" "pass, fail" "$(check "$program" xn--bcher-kva.example)"
	expect "$program, bücher.example" "none, none" "$(check "$program" bücher.example)"
done
verdict
