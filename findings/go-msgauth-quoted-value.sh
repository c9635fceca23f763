#!/bin/bash
# Software: github.com/emersion/go-msgauth v0.7.0, its package authres.
#
# Input: an Authentication-Results field whose value of smtp.mailfrom is a quoted string: the value of a property is a token, a
# quoted string (RFC 2045, 5.1) or an address (RFC 8601, 2.2). The library itself writes a quoted string if the address has "=",
# as envelope senders have with a BATV tag, with VERP and with SRS.
#
# Expected: the value without the quotes, as from the field in which it is not quoted.
# Happens: Parse keeps the quotes as part of the value. So what Format writes is not what Parse reads back.
#
# Seen on 2026-11-30:
#   user@example.com: written user@example.com, read user@example.com
#   prvs=1787abcdef=user@example.com: written "prvs=1787abcdef=user@example.com", read "prvs=1787abcdef=user@example.com"
#   list+user=remote.example@example.com: written "list+user=remote.example@example.com", read "list+user=remote.example@example.com"
#   parsed without quotes: prvs=1787abcdef=user@example.com
#   parsed with quotes: "prvs=1787abcdef=user@example.com"
#
# What a user meets: the sender of SPF's result differs from that of the envelope in two quotes, and its domain ends in one
# (example.com"): alignment with From fails, and lists of allowed senders do not match, only for senders with "=".

. "$(dirname "$0")/setup.bash"

go_module github.com/emersion/go-msgauth@v0.7.0
cat > "$work/go/main.go" <<'GO'
package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/emersion/go-msgauth/authres"
)

// from returns the envelope sender in a field.
func from(field string) string {
	_, results, err := authres.Parse(field)
	if err != nil || len(results) != 1 {
		return fmt.Sprint(len(results), " results, error: ", err)
	}
	return results[0].(*authres.SPFResult).From
}

func main() {
	if os.Args[1] == "parse" {
		fmt.Println(from("mx.example.net; spf=pass smtp.mailfrom=" + os.Args[2]))
		return
	}
	field := authres.Format("mx.example.net", []authres.Result{&authres.SPFResult{Value: authres.ResultPass, From: os.Args[2]}})
	_, written, _ := strings.Cut(field, "smtp.mailfrom=")
	fmt.Printf("written %s, read %s\n", written, from(field))
}
GO
(cd "$work/go" && go build -o authres .) || cannot "does not build"

# again ADDRESS: what is written of an envelope sender, and read again.
again() { "$work/go/authres" again "$1"; }

echo "go-msgauth v0.7.0, $(go version)"
expect user@example.com "written user@example.com, read user@example.com" "$(again user@example.com)"
for address in prvs=1787abcdef=user@example.com list+user=remote.example@example.com; do
	expect "$address" "written \"$address\", read \"$address\"" "$(again "$address")"
done
tagged=prvs=1787abcdef=user@example.com
expect "parsed without quotes" "$tagged" "$("$work/go/authres" parse "$tagged")"
expect "parsed with quotes" "\"$tagged\"" "$("$work/go/authres" parse "\"$tagged\"")"
verdict
