#!/bin/bash
# Software: github.com/go-logfmt/logfmt v0.6.1, which Grafana's and Prometheus' programs read logfmt with, and log/slog of Go.
#
# Input: a line that slog's TextHandler writes about what a client of SMTP said: a text with an escape character, an octet that is no
# UTF-8, or a character that is not printable. Clients may send any octets.
#
# Expected: the decoder returns the values, or leaves out the one that it cannot read.
# Happens: slog quotes as Go source (\x1b, \a, \U000e0001), the decoder unquotes as JSON, which has none of these. It ends with an error at
# such a line, and reads none of those that follow.
#
# Seen on 2026-11-30:
#   tab: 2 of 2 lines
#   escape: 0 of 2 lines, logfmt syntax error at pos 15 on line 1: invalid quoted value
#   octet: 0 of 2 lines, logfmt syntax error at pos 15 on line 1: invalid quoted value
#   tag character: 0 of 2 lines, logfmt syntax error at pos 21 on line 1: invalid quoted value
#
# What a user meets: one line about a strange client ends a report of all the log.

. "$(dirname "$0")/setup.bash"

go_module github.com/go-logfmt/logfmt@v0.6.1
cat > "$work/go/main.go" <<'GO'
package main

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"

	"github.com/go-logfmt/logfmt"
)

// withoutTime leaves out what slog writes in front, so that positions are the same each time.
func withoutTime(_ []string, a slog.Attr) slog.Attr {
	if a.Key == slog.TimeKey || a.Key == slog.LevelKey || a.Key == slog.MessageKey {
		return slog.Attr{}
	}
	return a
}

func main() {
	helo := map[string]string{"tab": "mx\t1", "escape": "mx\x1b1", "octet": "mx\xff1", "tag character": "mx\U000e00011"}[os.Args[1]]
	var b bytes.Buffer
	log := slog.New(slog.NewTextHandler(&b, &slog.HandlerOptions{ReplaceAttr: withoutTime}))
	log.Info("", "helo", helo)
	log.Info("", "helo", "mx.example.com")
	d, lines := logfmt.NewDecoder(&b), 0
	for d.ScanRecord() {
		n := 0
		for d.ScanKeyval() {
			n++
		}
		if n == 1 && d.Err() == nil {
			lines++
		}
	}
	if err := d.Err(); err != nil {
		fmt.Printf("%d of 2 lines, %v\n", lines, err)
		return
	}
	fmt.Printf("%d of 2 lines\n", lines)
}
GO
(cd "$work/go" && go build -o read .) || cannot "does not build"

echo "logfmt v0.6.1, $(go version)"
expect tab "2 of 2 lines" "$("$work/go/read" tab)"
for text in escape octet; do
	expect "$text" "0 of 2 lines, logfmt syntax error at pos 15 on line 1: invalid quoted value" "$("$work/go/read" "$text")"
done
expect "tag character" "0 of 2 lines, logfmt syntax error at pos 21 on line 1: invalid quoted value" "$("$work/go/read" "tag character")"
verdict
