#!/bin/bash
# Software: mailparser 3.14.2 (npm), the parser that goes with Nodemailer.
#
# Input: In-Reply-To, Message-ID and References with a comment beside the identifier. Comments may stand there: msg-id is
# [CFWS] "<" ... ">" [CFWS] (RFC 5322, 3.6.4). Several mail programs write the original's date or author into such a
# comment.
#
# Expected: the identifier alone.
# Happens: whatever does not begin with "<" or end with ">" gets one: the comment stays, with a stray bracket behind it, and
# in References each word of it becomes an identifier of its own.
#
# Seen on 2026-11-29:
#   messageId: <original@example.com> (by hand)>
#   inReplyTo: <original@example.com> (of Sunday)>
#   references: <first@example.com> <(and)> <original@example.com>
#
# What a user meets: an automatic reply or a bounce that names the original is not found under its identifier: it opens a
# new ticket, or counts as an answer to nothing.

. "$(dirname "$0")/setup.bash"

npm_packages mailparser@3.14.2

# parsed PROPERTY FIELD: what the parser makes of a message with this header field.
parsed() {
	(cd "$work/npm" && node -e '
		const { simpleParser } = require("mailparser");
		const [property, field] = process.argv.slice(1);
		simpleParser(`From: a@example.org\r\n${field}\r\n\r\ntext\r\n`).then((mail) => {
			console.log([mail[property]].flat().join(" "));
		});' "$@")
}

echo "mailparser 3.14.2, node $(node --version)"
expect "inReplyTo, no comment" "<original@example.com>" "$(parsed inReplyTo 'In-Reply-To: <original@example.com>')"
expect messageId "<original@example.com> (by hand)>" "$(parsed messageId 'Message-ID: <original@example.com> (by hand)')"
expect inReplyTo "<original@example.com> (of Sunday)>" \
	"$(parsed inReplyTo 'In-Reply-To: <original@example.com> (of Sunday)')"
expect references "<first@example.com> <(and)> <original@example.com>" \
	"$(parsed references 'References: <first@example.com> (and) <original@example.com>')"
verdict
