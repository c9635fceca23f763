#!/bin/bash
# Software: zod 4.6.7, valibot 1.5.0, arktype 2.2.10 (npm), libraries that validate the input of web services.
#
# Input: an e-mail address with "=" in its local part, which is a dot-atom (RFC 5321, 4.1.2; "=" is atext, RFC 5322, 3.2.3).
# Senders have it: with a BATV tag (prvs=1787abcdef=user@example.com, or user+prvs=1787abcdef@example.com), with VERP
# (list+user=remote.example@example.com) and with SRS (SRS0=ab12=XY=remote.example=user@example.com).
#
# Expected: they are e-mail addresses, as yup 1.7.1, joi 18.3.2, ajv-formats 3.0.1 and validator 13.15.35 say.
# Happens: the schema for e-mail addresses of all three has a pattern without "=" and refuses them. The one of zod takes the
# apostrophe of o'brien@example.com, those of valibot and arktype do not. Only valibot has another schema, rfcEmail(), that
# takes all of them.
#
# Seen on 2026-11-30:
#   (yes: it is an address)
#   user@example.com: zod yes, valibot yes, arktype yes, rfcEmail yes
#   o'brien@example.com: zod yes, valibot no, arktype no, rfcEmail yes
#   prvs=1787abcdef=user@example.com: zod no, valibot no, arktype no, rfcEmail yes
#   user+prvs=1787abcdef@example.com: zod no, valibot no, arktype no, rfcEmail yes
#   list+user=remote.example@example.com: zod no, valibot no, arktype no, rfcEmail yes
#   SRS0=ab12=XY=remote.example=user@example.com: zod no, valibot no, arktype no, rfcEmail yes
#
# What a user meets: a web hook that gets bounces or inbound mail as JSON, and has a schema of envelope sender and recipient,
# answers 400 to each message of a site that tags its senders, and to each bounce of a list with VERP.

. "$(dirname "$0")/setup.bash"

npm_packages zod@4.6.7 valibot@1.5.0 arktype@2.2.10

cat > "$work/npm/judge.mjs" <<'JS'
import { z } from 'zod';
import * as v from 'valibot';
import { type } from 'arktype';

const schemas = {
	zod: (a) => z.email().safeParse(a).success,
	valibot: (a) => v.safeParse(v.pipe(v.string(), v.email()), a).success,
	arktype: (a) => typeof type('string.email')(a) === 'string',
	rfcEmail: (a) => v.safeParse(v.pipe(v.string(), v.rfcEmail()), a).success,
};
const address = process.argv[2];
console.log(Object.entries(schemas).map(([name, is]) => `${name} ${is(address) ? 'yes' : 'no'}`).join(', '));
JS

# judge ADDRESS: what the schemas say.
judge() { (cd "$work/npm" && node judge.mjs "$1"); }

echo "zod 4.6.7, valibot 1.5.0, arktype 2.2.10, node $(node --version)"
refused="zod no, valibot no, arktype no, rfcEmail yes"
expect user@example.com "zod yes, valibot yes, arktype yes, rfcEmail yes" "$(judge user@example.com)"
expect "o'brien@example.com" "zod yes, valibot no, arktype no, rfcEmail yes" "$(judge "o'brien@example.com")"
for address in prvs=1787abcdef=user@example.com user+prvs=1787abcdef@example.com list+user=remote.example@example.com \
	SRS0=ab12=XY=remote.example=user@example.com; do
	expect "$address" "$refused" "$(judge "$address")"
done
verdict
