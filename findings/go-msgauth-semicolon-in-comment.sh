#!/bin/bash
# Software: github.com/emersion/go-msgauth v0.7.0, its package authres.
#
# Input: an Authentication-Results field (RFC 8601, 2.2) with a ";" inside a comment or inside the quoted string of a
# reason. Comments may stand between all tokens, and both a comment and a quoted string may hold ";" (RFC 5322, 3.2.2 and
# 3.2.4). Verifiers like to put their reasons there.
#
# Expected: the results, as without the ";".
# Happens: the field is cut at every ";" before comments and quotes are looked at. Parse returns an error, and only what
# stood before the ";": a result without its properties, and none of the results behind it.
#
# Seen on 2026-11-29:
#   (sender is permitted): spf=pass bounce@example.org, dkim=pass example.org
#   (permitted; by policy): spf=pass , error: msgauth: malformed authentication method and value
#   reason="good; by policy": spf=pass , error: msgauth: malformed authentication method and value
#
# What a user meets: who takes the error as "no results" treats authenticated mail as unauthenticated; who goes on with what
# came back has a pass for an empty address and misses DKIM and DMARC.

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

func main() {
	_, results, err := authres.Parse(os.Args[1])
	var seen []string
	for _, result := range results {
		switch r := result.(type) {
		case *authres.SPFResult:
			seen = append(seen, fmt.Sprintf("spf=%s %s", r.Value, r.From))
		case *authres.DKIMResult:
			seen = append(seen, fmt.Sprintf("dkim=%s %s", r.Value, r.Domain))
		}
	}
	if err != nil {
		seen = append(seen, "error: "+err.Error())
	}
	fmt.Println(strings.Join(seen, ", "))
}
GO
(cd "$work/go" && go build -o parse .) || cannot "does not build"

parse() {
	"$work/go/parse" "mx.example.net; spf=pass $1 smtp.mailfrom=bounce@example.org; dkim=pass header.d=example.org"
}

echo "go-msgauth v0.7.0, $(go version)"
broken="spf=pass , error: msgauth: malformed authentication method and value"
expect "(sender is permitted)" "spf=pass bounce@example.org, dkim=pass example.org" "$(parse '(sender is permitted)')"
expect "(permitted; by policy)" "$broken" "$(parse '(permitted; by policy)')"
expect 'reason="good; by policy"' "$broken" "$(parse 'reason="good; by policy"')"
verdict
