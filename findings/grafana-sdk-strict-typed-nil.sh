#!/bin/bash
# Software: github.com/grafana/grafana-foundation-sdk/go v0.0.22, package dashboard.
#
# Input: a dashboard in JSON with all fields that its schema requires, to UnmarshalJSONStrict, which says whether a file that was written by
# hand is one.
#
# Expected: nil.
# Happens: an error that is not nil and lists no fault: a list of faults without any, in an interface. A field too much is found.
#
# Seen on 2026-11-30:
#   valid: nil false, list of faults true, of length 0
#   with a field too much: nil false, list of faults true, of length 1
#
# What a user meets: a check of dashboards in CI refuses each one, and says nothing about why.

. "$(dirname "$0")/setup.bash"

go_module github.com/grafana/grafana-foundation-sdk/go@v0.0.22
cat > "$work/go/main.go" <<'GO'
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

func main() {
	text := []byte(os.Args[1])
	var plain, strict dashboard.Dashboard
	if err := json.Unmarshal(text, &plain); err != nil {
		fmt.Println("not read:", err)
		return
	}
	err := strict.UnmarshalJSONStrict(text)
	var faults cog.BuildErrors
	fmt.Printf("nil %v, list of faults %v, of length %d\n", err == nil, errors.As(err, &faults), len(faults))
}
GO
(cd "$work/go" && go mod tidy >/dev/null 2>&1; go build -o read .) || cannot "does not build"

echo "grafana-foundation-sdk v0.0.22, $(go version)"
valid='{"title":"x","schemaVersion":42,"annotations":{},"templating":{},"time":{"from":"now-1h","to":"now"}}'
expect valid "nil false, list of faults true, of length 0" "$("$work/go/read" "$valid")"
expect "with a field too much" "nil false, list of faults true, of length 1" "$("$work/go/read" "${valid/\{/\{\"nosuchfield\":1,}")"
verdict
