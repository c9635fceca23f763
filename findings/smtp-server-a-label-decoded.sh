#!/bin/bash
# Software: smtp-server 3.21.6 (npm).
#
# Input: MAIL and RCPT with a domain in A-labels, xn--bcher-kva.example, and no SMTPUTF8: ordinary ASCII addresses
# (RFC 5321, 2.3.5; RFC 5890, 2.3.2.1).
#
# Expected: the application gets the address as it was sent; without SMTPUTF8 there is nothing but ASCII in an envelope
# (RFC 6531, 3.3).
# Happens: it gets the domain in U-labels, user@bücher.example, in session.envelope and in the arguments of onMailFrom and
# onRcptTo, while session.envelope.smtpUtf8 is false. What was sent is kept nowhere. The local part is left as it is.
#
# Seen on 2026-11-30:
#   MAIL FROM:<user@xn--bcher-kva.example>: user@bücher.example, smtpUtf8 false
#   RCPT TO:<user@xn--bcher-kva.example>: user@bücher.example
#   RCPT TO:<user@example.com>: user@example.com
#
# What a user meets: a list of own domains in A-labels, as DNS, certificates and MTAs have them, does not match, and mail to
# them is refused; a BATV or SRS hash made over the A-labels does not hold for the address that comes back; and the envelope
# cannot be handed on to a server without SMTPUTF8.

. "$(dirname "$0")/setup.bash"

npm_packages smtp-server@3.21.6

cat > "$work/npm/session.cjs" <<'JS'
const net = require('node:net');
const { SMTPServer } = require('smtp-server');

const [from, to] = process.argv.slice(2);
const server = new SMTPServer({
  authOptional: true,
  disabledCommands: ['STARTTLS'],
  onData(stream, session, callback) {
    stream.resume();
    stream.on('end', () => {
      const { mailFrom, rcptTo, smtpUtf8 } = session.envelope;
      console.log(`MAIL ${mailFrom.address}, smtpUtf8 ${smtpUtf8}`);
      console.log(`RCPT ${rcptTo[0].address}`);
      callback();
    });
  },
});

const listener = server.listen(0, '127.0.0.1', () => {
  const message = 'Subject: hello\r\n\r\ntext\r\n.';
  const commands = ['EHLO mx.example.org', `MAIL FROM:<${from}>`, `RCPT TO:<${to}>`, 'DATA', message, 'QUIT'];
  const client = net.connect(listener.address().port, '127.0.0.1');
  client.on('data', (chunk) => {
    // One command for each reply; only its last line has a space behind the code.
    if (/(^|\r\n)\d{3} [^\r\n]*\r\n$/.test(chunk.toString()) && commands.length) client.write(`${commands.shift()}\r\n`);
  });
  client.on('close', () => server.close());
});
JS

# session FROM TO: what the application gets of the envelope.
session() {
	node "$work/npm/session.cjs" "$1" "$2"
}

echo "smtp-server 3.21.6, node $(node --version)"
a_label=user@xn--bcher-kva.example
expect "MAIL FROM:<$a_label>" "user@bücher.example, smtpUtf8 false" \
	"$(session "$a_label" user@example.com | sed -n 's/^MAIL //p')"
expect "RCPT TO:<$a_label>" "user@bücher.example" "$(session sender@example.org "$a_label" | sed -n 's/^RCPT //p')"
expect "RCPT TO:<user@example.com>" user@example.com "$(session sender@example.org user@example.com | sed -n 's/^RCPT //p')"
verdict
