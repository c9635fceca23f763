#!/bin/bash
# Software: flufl.bounce 4.0 (Debian python3-flufl.bounce 4.0-3), the bounce detector of Mailman 3.
#
# Input: an RFC 3464 report whose Final-Recipient has a "=" in its local part. "=" is atext (RFC 5322, 3.2.3), so the
# address needs no quotes. Such recipients are common where mail is forwarded or tagged: SRS0=..., prvs=..., and the VERP
# address of a list that is subscribed to another list.
#
# Expected: the failed address.
# Happens: the field is read as MIME parameters: all from the "=" on is taken as a parameter's value and dropped, and what
# is left is folded to lower case. It has no domain.
#
# Seen on 2026-11-29:
#   user@example.net: user@example.net
#   list+user=example.org@example.net: list+user
#   SRS0=AbCd=X7=example.org=user@example.net: srs0
#
# What a user meets: the detector reports success, so no other detector is asked; the result matches no subscriber, and the
# dead address of such a subscriber is mailed for ever, its bounces counted for nobody.

. "$(dirname "$0")/setup.bash"

debs python3-flufl.bounce=4.0-3 python3-public=2.3-4 python3-zope.interface=5.5.2-1+b1 python3-pkg-resources=66.1.1-1+deb12u2
echo "flufl.bounce 4.0-3, $(/usr/bin/python3 --version)"

failed() {
	/usr/bin/python3 - "$1" <<'PYTHON'
import email
import sys
from flufl.bounce import scan_message

report = f"""From: MAILER-DAEMON@mx.example.net
To: sender@example.com
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b
Content-Type: text/plain

The message was not delivered.

--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.net

Final-Recipient: rfc822; {sys.argv[1]}
Action: failed
Status: 5.1.1

--b--
"""
print(*(a.decode() for a in sorted(scan_message(email.message_from_string(report)))))
PYTHON
}

for pair in \
	"user@example.net user@example.net" \
	"list+user=example.org@example.net list+user" \
	"SRS0=AbCd=X7=example.org=user@example.net srs0"; do
	expect "${pair% *}" "${pair#* }" "$(failed "${pair% *}")"
done
verdict
