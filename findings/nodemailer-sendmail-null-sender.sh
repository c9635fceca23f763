#!/bin/bash
# Software: nodemailer 10.6.1 (npm), its sendmail transport.
#
# Input: a message with the envelope { from: '', to: ... }, as an automatic reply or a delivery report needs it: the null
# sender (RFC 5321, 4.5.5; RFC 3834, 3.3).
#
# Expected: the null sender, as the SMTP transport of the same library makes it of this envelope: `MAIL FROM:<>`. The
# sendmail command takes it as `-f ''` or `-f '<>'`.
# Happens: an empty envelope sender is taken for none: the command is run without -f, and so fills in the address of the
# user that runs it. `from: '<>'` is the same. sendMail reports success.
#
# Seen on 2026-11-30:
#   smtp, from: '': MAIL FROM:<>
#   sendmail, from: 'user@example.com': -i -f user@example.com sender@example.org
#   sendmail, from: '': -i sender@example.org
#   sendmail, from: '<>': -i sender@example.org
#
# What a user meets: the answers of an autoresponder come from the account of the web server, and what cannot be delivered
# comes back there as a bounce; two such autoresponders answer each other. Only `args: ['-f', '<>']` for the whole transport
# helps.

. "$(dirname "$0")/setup.bash"

npm_packages nodemailer@10.6.1

printf '#!/bin/sh\necho "$*" >"%s/arguments"\ncat >/dev/null\n' "$work" >"$work/sendmail"
chmod 755 "$work/sendmail"

cat > "$work/npm/send.cjs" <<'JS'
const net = require('node:net');
const nodemailer = require('nodemailer');

const [transport, from, program] = process.argv.slice(2);
const message = {
  from: 'user@example.com', to: 'sender@example.org', subject: 'away', text: 'I am away.',
  envelope: { from, to: 'sender@example.org' },
};

// An SMTP server that prints the MAIL command and says yes to everything.
const server = net.createServer((socket) => {
  let data = false;
  socket.write('220 mx.example.org ESMTP\r\n');
  socket.on('data', (chunk) => {
    const text = chunk.toString();
    if (data) {
      if (!/(^|\r\n)\.\r\n$/.test(text)) return;
      data = false;
    }
    if (/^MAIL/i.test(text)) console.log(text.trim());
    if (/^DATA/i.test(text)) {
      data = true;
      socket.write('354 go\r\n');
      return;
    }
    socket.write(/^QUIT/i.test(text) ? '221 bye\r\n' : '250 ok\r\n');
  });
});

server.listen(0, '127.0.0.1', async () => {
  const options = transport === 'sendmail' ? { sendmail: true, path: program }
    : { host: '127.0.0.1', port: server.address().port, ignoreTLS: true };
  await nodemailer.createTransport(options).sendMail(message);
  server.close();
});
JS

smtp() {
	node "$work/npm/send.cjs" smtp "$1" ""
}

# sendmail FROM: the arguments that the command was run with.
sendmail() {
	rm -f "$work/arguments"
	node "$work/npm/send.cjs" sendmail "$1" "$work/sendmail"
	cat "$work/arguments"
}

echo "nodemailer 10.6.1, node $(node --version)"
expect "smtp, from: ''" "MAIL FROM:<>" "$(smtp '')"
expect "sendmail, from: 'user@example.com'" "-i -f user@example.com sender@example.org" "$(sendmail user@example.com)"
expect "sendmail, from: ''" "-i sender@example.org" "$(sendmail '')"
expect "sendmail, from: '<>'" "-i sender@example.org" "$(sendmail '<>')"
verdict
