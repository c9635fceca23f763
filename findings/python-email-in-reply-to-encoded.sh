#!/bin/bash
# Software: the package email of Python 3.11.2 (Debian python3.11-minimal and libpython3.11-stdlib 3.11.2-6+deb12u6).
#
# Input: a message identifier of 81 octets, in the In-Reply-To of an automatic reply (RFC 3834, 3.1.6) that is made with
# EmailMessage. It has no place to fold (RFC 5322, 3.6.4), and a line may have 998 octets (RFC 5322, 2.1.1).
#
# Expected: the identifier as it is, as Message-ID keeps it, on a line longer than 78 octets.
# Happens: In-Reply-To and References are folded as if they were text: what does not fit in 78 octets becomes encoded words.
# These are not allowed in a message identifier (RFC 2047, 5), so no reader decodes them there.
#
# Seen on 2026-11-30:
#   Message-ID: kept
#   In-Reply-To: =?utf-8?q?=3C...
#   References: =?utf-8?q?=3C...
#   In-Reply-To of 40 octets: kept
#
# What a user meets: replies to the mail of some systems, and to theirs only, do not join the thread, and a filter that
# looks for its own Message-ID in automatic replies and reports does not find it.

. "$(dirname "$0")/setup.bash"

debs python3.11-minimal=3.11.2-6+deb12u9 libpython3.11-minimal=3.11.2-6+deb12u9 libpython3.11-stdlib=3.11.2-6+deb12u9
python=$root/usr/bin/python3.11

cat > "$work/reply.py" <<'PYTHON'
import sys
from email.message import EmailMessage

name, identifier = sys.argv[1:]
message = EmailMessage()
message[name] = identifier
written = message.as_bytes().decode().split(":", 1)[1].strip()
print("kept" if written == identifier else written[:14] + "...")
PYTHON

# reply FIELD IDENTIFIER: how the field of this name is written.
reply() {
	PYTHONHOME=$root/usr PYTHONPATH='' "$python" "$work/reply.py" "$1" "$2"
}

long="<$(printf '%062d' 7)@mail.example.org>"
PYTHONHOME=$root/usr "$python" --version
echo "identifier of ${#long} octets"
expect Message-ID kept "$(reply Message-ID "$long")"
expect In-Reply-To "=?utf-8?q?=3C0..." "$(reply In-Reply-To "$long")"
expect References "=?utf-8?q?=3C0..." "$(reply References "$long")"
expect "In-Reply-To of 40 octets" kept "$(reply In-Reply-To "<$(printf '%021d' 7)@mail.example.org>")"
verdict
