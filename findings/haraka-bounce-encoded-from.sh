#!/bin/bash
# Software: haraka-plugin-bounce 2.2.1 with haraka-email-message 1.4.4 (npm), the plugin's hash validation.
#
# Input: a message whose From has an encoded word (RFC 2047), as any sender's name outside ASCII has, and a bounce that
# returns it unchanged in a message/rfc822 part (RFC 3464, RFC 6522).
#
# Expected: the hash that the plugin put into the outgoing message is found valid in the bounce.
# Happens: the hash is made over the decoded From, and checked over the field as it is in the returned message, still
# encoded. The two differ, so the bounce of a message that was really sent is refused.
#
# Seen on 2026-11-29:
#   From: Sender <sender@example.com>: accepted
#   From: =?UTF-8?Q?J=C3=BCrgen?= <sender@example.com>: refused, hash does not match
#
# What a user meets: with reject.hash_validation=true all bounces of users with such a name are refused for good, and they
# never learn that their mail was not delivered; users with an ASCII name see nothing wrong.

. "$(dirname "$0")/setup.bash"

npm_packages haraka-plugin-bounce@2.2.1 haraka-email-message@1.4.4 @haraka/email-address@3.1.6

cat > "$work/npm/bounce.cjs" <<'JS'
const { Address } = require('@haraka/email-address');
const { Body, Header } = require('haraka-email-message');
const bounce = require('haraka-plugin-bounce');

global.DENY = 902; // Haraka gives its plugins the constants as globals
const fields = [
  `From: ${process.argv[2]}\n`,
  `Date: ${new Date().toUTCString().replace('GMT', '+0000')}\n`,
  'Message-ID: <original@example.com>\n',
];

// The plugin as Haraka would configure it, with just enough of a connection around it.
function setUp(relaying, isBounce, header) {
  const seen = [];
  const plugin = Object.assign(Object.create(bounce), {
    cfg: {
      check: { hash_validation: true, hash_date: true },
      reject: { hash_validation: true },
      skip: {},
      validation: { hash_algorithm: 'sha256', secret: '0123456789abcdef0123456789abcdef', max_hash_age_days: 6 },
      whitelist: {},
    },
    loginfo() {},
  });
  const transaction = {
    header,
    rcpt_to: [new Address('<sender@example.com>')],
    results: { get: () => ({ isa: isBounce }), add: (_, result) => seen.push(result) },
  };
  return { plugin, connection: { relaying, transaction, loginfo() {} }, seen };
}

function parse(lines) {
  const header = new Header();
  header.parse(lines);
  return header;
}

const out = setUp(true, false, parse(fields));
let hash;
out.connection.transaction.add_header = (_, value) => { hash = value; };
out.plugin.create_validation_hash(() => {}, out.connection);

const report = `Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b
Content-Type: text/plain

The message was not delivered.

--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.net

Final-Recipient: rfc822; user@example.net
Action: failed
Status: 5.1.1

--b
Content-Type: message/rfc822

${fields.join('')}X-Haraka-Bounce-Validation: ${hash}
Subject: original

text
--b--
`.split(/(?<=\n)/);
const end = report.indexOf('\n');
const back = setUp(false, true, parse(['From: MAILER-DAEMON@mx.example.net\n', ...report.slice(0, end)]));
const body = new Body(back.connection.transaction.header);
for (const line of report.slice(end + 1)) body.parse_more(line);
body.parse_end();
back.connection.transaction.body = body;
back.plugin.validate_bounce((code) => {
  const said = code === DENY ? `refused, ${back.seen[0].msg}` : back.seen[0].pass ? 'accepted' : JSON.stringify(back.seen);
  console.log(`judged: ${said}`);
}, back.connection);
JS

judge() {
	node "$work/npm/bounce.cjs" "$1" 2>/dev/null | sed -n 's/^judged: //p'
}

echo "haraka-plugin-bounce 2.2.1, node $(node --version)"
expect "From: Sender <sender@example.com>" accepted "$(judge 'Sender <sender@example.com>')"
expect "From: =?UTF-8?Q?J=C3=BCrgen?= <sender@example.com>" "refused, hash does not match" \
	"$(judge '=?UTF-8?Q?J=C3=BCrgen?= <sender@example.com>')"
verdict
