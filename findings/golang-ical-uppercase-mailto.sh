#!/bin/bash
# Software: github.com/arran4/golang-ical v0.3.4, Attendee.Email.
#
# Input: the reply to an invitation by mail (iMIP, RFC 6047, 2), whose ATTENDEE is a mailto URI (RFC 5545, 3.3.3 and
# 3.8.4.1) that is not written as the library writes it: the scheme in capitals, which is the same scheme (RFC 3986, 3.1),
# and "+" as "%2B" (RFC 6068, 2).
#
# Expected: the address.
# Happens: Email removes "mailto:" in small letters and does nothing else. With another spelling it returns the URI, with no
# error; the escapes stay.
#
# Seen on 2026-11-30:
#   mailto:user@example.org: user@example.org
#   MAILTO:user@example.org: MAILTO:user@example.org
#   mailto:list%2Buser@example.org: list%2Buser@example.org
#
# What a user meets: a service that asks who of the invited has answered finds an address that it never invited, and a
# message sent to it comes back: "MAILTO:user" is no local part, and "list%2Buser" is another one.

. "$(dirname "$0")/setup.bash"

go_module github.com/arran4/golang-ical@v0.3.4
cat > "$work/go/main.go" <<'GO'
package main

import (
	"fmt"
	"os"
	"strings"

	ics "github.com/arran4/golang-ical"
)

func main() {
	lines := []string{
		"BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//example//EN", "METHOD:REPLY",
		"BEGIN:VEVENT", "UID:1@example.com", "DTSTAMP:20261130T100000Z", "ORGANIZER:mailto:organizer@example.com",
		"ATTENDEE;PARTSTAT=ACCEPTED:" + os.Args[1],
		"END:VEVENT", "END:VCALENDAR", "",
	}
	calendar, err := ics.ParseCalendar(strings.NewReader(strings.Join(lines, "\r\n")))
	if err != nil {
		fmt.Println("error:", err)
		return
	}
	fmt.Println(calendar.Events()[0].Attendees()[0].Email())
}
GO
(cd "$work/go" && go build -o attendee .) || cannot "does not build"

echo "golang-ical v0.3.4, $(go version)"
for pair in \
	"mailto:user@example.org user@example.org" \
	"MAILTO:user@example.org MAILTO:user@example.org" \
	"mailto:list%2Buser@example.org list%2Buser@example.org"; do
	expect "${pair% *}" "${pair#* }" "$("$work/go/attendee" "${pair% *}")"
done
verdict
