/** Takes given secrets out of texts and byte streams, by value, in the encodings that they usually travel in. */

import type { Transform } from 'node:stream';
import { type Replacement, Replacer, replacing } from './replace.ts';

export const MASK = '[redacted]';
/** Shorter ones are looked for as they are: parts of their encodings would be found by chance. */
const LEAST_TO_ENCODE = 8;
/** A shorter password is in every package by chance. */
const LEAST_SECRET = 8;

export class Redactor {
  readonly #replacements: readonly Replacement[];

  /** @param secrets empty ones are left out */
  constructor(secrets: readonly string[]) {
    const forms = new Set(secrets.filter((secret) => secret !== '').flatMap(formsOf));
    const put = Buffer.from(MASK);
    this.#replacements = [...forms].map((form) => ({ find: Buffer.from(form), put }));
  }

  /** The text without the secrets; the very same text where there is none. */
  text(text: string): string {
    const bytes = Buffer.from(text);
    const clean = this.bytes(bytes);
    return clean === bytes ? text : clean.toString();
  }

  /** The bytes without the secrets; the very same buffer where there is none. */
  bytes(bytes: Buffer): Buffer {
    if (!this.#replacements.some(({ find }) => bytes.includes(find))) return bytes;
    const replacer = new Replacer(this.#replacements);
    return Buffer.concat([replacer.push(bytes), replacer.end()]);
  }

  /** The same for a stream, wherever its chunks end; holds back only an end that a secret could begin with. */
  stream(): Transform {
    return replacing(this.#replacements);
  }
}

/** What of an `authorization` header is secret: the header, the credentials in it and, of `Basic`, the password. */
export function secretsOf(authorization: string): readonly string[] {
  const [scheme = '', credentials = ''] = authorization.split(/ +(.*)/s);
  const pair = scheme.toLowerCase() === 'basic' ? Buffer.from(credentials, 'base64').toString() : '';
  const all = [authorization, credentials, pair, pair.slice(pair.indexOf(':') + 1)];
  return all.filter((secret) => secret.length >= LEAST_SECRET);
}

/** Every way that a secret is written: as it is, in JSON, in URLs, in hexadecimal and in base64, alone or within more. */
function formsOf(secret: string): readonly string[] {
  const bytes = Buffer.from(secret);
  const json = JSON.stringify(secret).slice(1, -1);
  // A lone surrogate has no form in UTF-8, nor in URLs.
  const url = encodeURIComponent(bytes.toString());
  const plain = [secret, json, json.replaceAll('/', '\\/'), url, lowerPercent(url), url.replaceAll('%20', '+')];
  if (bytes.length < LEAST_TO_ENCODE) return plain;
  const hex = bytes.toString('hex');
  const percent = hex.replace(/../g, '%$&');
  const base64 = [0, 1, 2].flatMap((offset) => {
    const core = base64Within(bytes, offset);
    return [
      core,
      core.replaceAll('+', '-').replaceAll('/', '_'),
      core.replaceAll('/', '\\/'),
      encodeURIComponent(core),
    ];
  });
  return [...plain, hex, hex.toUpperCase(), percent, percent.toUpperCase(), ...base64];
}

function lowerPercent(url: string): string {
  return url.replace(/%[0-9A-F]{2}/g, (octet) => octet.toLowerCase());
}

/** The characters that are the same in the base64 of anything that has these bytes at `offset` modulo 3. */
function base64Within(bytes: Buffer, offset: number): string {
  const all = Buffer.concat([Buffer.alloc(offset), bytes]).toString('base64');
  return all.slice(Math.ceil((offset * 8) / 6), Math.floor(((offset + bytes.length) * 8) / 6));
}
