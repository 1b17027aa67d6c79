/** Keys and passwords in added lines: formats that their issuers document, and assignments of what looks random. */

import type { Flag } from '../../types.ts';
import { flagOfLines, type InspectedFile, type Line } from './inspected-file.ts';

interface SecretFormat {
  readonly what: string;
  /** Begins with letters that stand in every such key, so that looking for it stays linear. */
  readonly pattern: RegExp;
  /** Bits of entropy for each character of what follows the beginning. */
  readonly entropy: number;
}

const FORMATS: readonly SecretFormat[] = [
  { what: 'an AWS access key id', pattern: /\b(?:AKIA|ASIA)[A-Z2-7]{16}\b/g, entropy: 2.7 },
  { what: 'a GitHub token', pattern: /\bgh[pousr]_[A-Za-z0-9]{36,255}\b/g, entropy: 3.5 },
  { what: 'a GitHub token', pattern: /\bgithub_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59}\b/g, entropy: 3.5 },
  { what: 'a GitLab token', pattern: /\bglpat-[A-Za-z0-9_-]{20,255}/g, entropy: 3 },
  { what: 'a Slack token', pattern: /\bxox[abeoprs]-[A-Za-z0-9-]{20,250}/g, entropy: 2.8 },
  {
    what: 'a Slack webhook',
    pattern: /hooks\.slack\.com\/services\/T[A-Z0-9]{8,12}\/B[A-Z0-9]{8,12}\/[A-Za-z0-9]{24}/g,
    entropy: 3,
  },
  { what: 'a Stripe key', pattern: /\b[rs]k_live_[A-Za-z0-9]{20,250}/g, entropy: 3.3 },
  { what: 'an Anthropic key', pattern: /\bsk-ant-[a-z0-9]{3,10}-[A-Za-z0-9_-]{40,250}/g, entropy: 3.5 },
  { what: 'an OpenAI key', pattern: /\bsk-(?:proj|svcacct|admin)-[A-Za-z0-9_-]{40,250}/g, entropy: 3.5 },
  { what: 'an OpenAI key', pattern: /\bsk-[A-Za-z0-9]{20}T3BlbkFJ[A-Za-z0-9]{20}\b/g, entropy: 3.5 },
  { what: 'a Google API key', pattern: /\bAIza[A-Za-z0-9_-]{35}(?![A-Za-z0-9_-])/g, entropy: 3.5 },
  { what: 'an npm token', pattern: /\bnpm_[A-Za-z0-9]{36}\b/g, entropy: 3.5 },
  { what: 'a PyPI token', pattern: /\bpypi-AgEIcHlwaS5vcmc[A-Za-z0-9_-]{50,250}/g, entropy: 3.5 },
  { what: 'a SendGrid key', pattern: /\bSG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}(?![A-Za-z0-9_-])/g, entropy: 3.5 },
  { what: 'a DigitalOcean token', pattern: /\bdop_v1_[0-9a-f]{64}\b/g, entropy: 3 },
  { what: 'a Hugging Face token', pattern: /\bhf_[A-Za-z0-9]{34}\b/g, entropy: 3.5 },
  { what: 'a Telegram bot token', pattern: /\b[0-9]{8,10}:AA[A-Za-z0-9_-]{33}(?![A-Za-z0-9_-])/g, entropy: 3.5 },
  {
    what: 'a signed web token',
    pattern: /\beyJ[A-Za-z0-9_-]{15,500}\.eyJ[A-Za-z0-9_-]{15,2000}\.[A-Za-z0-9_-]{20,700}/g,
    entropy: 4,
  },
  {
    what: 'a password in an address',
    pattern:
      /\b(?:postgres(?:ql)?|mysql|mongodb(?:\+srv)?|rediss?|amqps?|https?):\/\/[A-Za-z0-9_.-]{1,60}:[^\s:@/'"`${}<>()]{12,100}@[a-z0-9.-]{4,250}/gi,
    entropy: 3.3,
  },
];

const PRIVATE_KEY = /-----BEGIN (?:(?:RSA|EC|DSA|OPENSSH|ENCRYPTED|PGP) )?PRIVATE KEY(?: BLOCK)?-----/;
const KEY_BODY = /^[\s"'+,|\\n]{0,30}[A-Za-z0-9+/]{50,}={0,2}/;
/** A name that means a secret, given a quoted (or in settings, a bare) value. */
const ASSIGNED =
  /(?:secret|token|passwd|password|api_?key|access_?key|private_?key|client_?key|auth_?key|encryption_?key|credential)s?["']?\s{0,20}(?::|=|=>|:=)\s{0,20}(["'`]?)([A-Za-z0-9+/_=.!@#%^&*~-]{20,200})/gi;
const SETTINGS = /(?:^|\/)(?:\.env[^/]*|[^/]*\.(?:env|ini|cfg|conf|properties|ya?ml|toml|tfvars))$/;

/** What people write where a key would stand. */
const PLACEHOLDER =
  /example|sample|placeholder|dummy|fake|test|mock|your|changeme|change-me|insert|replace|redacted|xxxx|\*\*\*|\.\.\.|0000|1234|abcd|qwerty|foobar|foo_|lorem|deadbeef|todo|<|\$\{|\{\{|process\.env|secrets?\.|(.)\1{5}/i;
const HASH = /^(?:sha(?:1|256|384|512)[-:=]|[0-9a-f]{7,}$|https?:|[a-z]+(?:[._/-][a-z]+)+$)/i;

/** Code `secret`; says what it looks like and how it begins, never the whole. */
export function secrets(file: InspectedFile): Flag[] {
  if (file.kind === 'delete') return [];
  let what: string | null = null;
  const found: Line[] = [];
  for (const [at, line] of file.added.entries()) {
    const seen = secretIn(line.text, file) ?? privateKey(file.added, at);
    if (seen === null) continue;
    what ??= seen;
    found.push(line);
  }
  if (found.length === 0) {
    const pieced = inPieces(file);
    if (pieced !== null) return flagOfLines(file, 'secret', [pieced.line], `looks like ${pieced.what}, in pieces`);
  }
  return flagOfLines(file, 'secret', found, `looks like ${what}`);
}

function secretIn(text: string, file: InspectedFile): string | null {
  if (text.length < 20) return null;
  return formatted(text) ?? assigned(text, SETTINGS.test(file.key));
}

function formatted(text: string): string | null {
  for (const { what, pattern, entropy } of FORMATS) {
    pattern.lastIndex = 0;
    for (let match = pattern.exec(text); match !== null; match = pattern.exec(text)) {
      const [key] = match;
      if (!PLACEHOLDER.test(key) && entropyOf(key) >= entropy) return `${what} (${key.slice(0, 6)}...)`;
    }
  }
  return null;
}

/** The end of one string and the beginning of the next, on one line or two. */
const SEAM = /(["'`])\s{0,20}(?:[+.&,]|\\|\.\.)?\s{0,99}\1/g;
const PIECE = /["'`][A-Za-z0-9+/_=.-]{1,300}["'`]\s{0,20}[+.&,\\)]{0,3}\s{0,20}$/;

/** A key whose strings are only put together when they are used. */
function inPieces(file: InspectedFile): { readonly line: Line; readonly what: string } | null {
  for (const [at, line] of file.added.entries()) {
    if (line.text.length > 2000 || !/["'`]/.test(line.text)) continue;
    let text = line.text;
    for (let n = at; n < at + 4 && PIECE.test(file.added[n]?.text.slice(0, 2000) ?? ''); n += 1) {
      text += `\n${file.added[n + 1]?.text.slice(0, 2000) ?? ''}`;
    }
    const joined = text.replace(SEAM, '');
    const what = joined === text ? null : formatted(joined);
    if (what !== null) return { line, what };
  }
  return null;
}

function assigned(text: string, bare: boolean): string | null {
  ASSIGNED.lastIndex = 0;
  for (let match = ASSIGNED.exec(text); match !== null; match = ASSIGNED.exec(text)) {
    const [whole, quote = '', value = ''] = match;
    if (quote === '' && !bare) continue;
    if (PLACEHOLDER.test(value) || HASH.test(value) || !/[0-9]/.test(value) || !/[a-z]/i.test(value)) continue;
    if (entropyOf(value) >= 3.7)
      return `a secret (${whole.slice(0, 12).replace(/["'`].*$/s, '')} = ${value.slice(0, 3)}...)`;
  }
  return null;
}

function privateKey(lines: readonly Line[], at: number): string | null {
  const text = lines[at]?.text ?? '';
  const begins = PRIVATE_KEY.exec(text);
  if (begins === null) return null;
  const rest = text.slice(begins.index + begins[0].length, begins.index + begins[0].length + 200);
  const body = [rest, ...lines.slice(at + 1, at + 6).map((line) => line.text.slice(0, 200))];
  return body.some((line) => KEY_BODY.test(line) && entropyOf(line) > 4) ? 'a private key' : null;
}

/** Shannon's entropy in bits for each character. */
function entropyOf(text: string): number {
  const counts = new Map<string, number>();
  for (const character of text) counts.set(character, (counts.get(character) ?? 0) + 1);
  let bits = 0;
  for (const count of counts.values()) bits -= (count / text.length) * Math.log2(count / text.length);
  return bits;
}
