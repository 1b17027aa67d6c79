/** JSON that means the same to every parser: no key twice, no extreme depth, proper UTF-8. */

import { LIMITS } from './limits.ts';

export class JsonFault extends Error {
  override readonly name = 'JsonFault';
}

export type JsonObject = { readonly [name: string]: unknown };

const OBJECT = 0x7b;
const ARRAY = 0x5b;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** @throws JsonFault when it is anything but one object, or could be read in two ways */
export function parseStrictJson(body: Buffer): JsonObject {
  const text = decode(body);
  refuseAmbiguity(text);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new JsonFault('the body is not JSON');
  }
  if (!isObject(value)) throw new JsonFault('the body is not a JSON object');
  return value;
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function decode(body: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(body);
  } catch {
    throw new JsonFault('the body is not UTF-8');
  }
}

/** Walks the text once, so that depth is known before a parser recurses; whether it is JSON at all is the parser's to say. */
function refuseAmbiguity(text: string): void {
  /** Keys of each open object, null for an array. */
  const open: (Set<string> | null)[] = [];
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) {
      const end = endOfString(text, at);
      const keys = open.at(-1);
      if (keys && isKey(text, end)) addKey(keys, text.slice(at, end));
      at = end - 1;
    } else if (code === OBJECT || code === ARRAY) {
      open.push(code === OBJECT ? new Set() : null);
      if (open.length > LIMITS.jsonDepth) throw new JsonFault(`the body is nested deeper than ${LIMITS.jsonDepth}`);
    } else if (code === OBJECT + 2 || code === ARRAY + 2) {
      open.pop();
    }
  }
}

/** Index behind the closing quote. */
function endOfString(text: string, start: number): number {
  for (let at = text.indexOf('"', start + 1); at !== -1; at = text.indexOf('"', at + 1)) {
    let backslashes = 0;
    while (text.charCodeAt(at - 1 - backslashes) === BACKSLASH) backslashes += 1;
    if (backslashes % 2 === 0) return at + 1;
  }
  throw new JsonFault('the body is not JSON');
}

function isKey(text: string, end: number): boolean {
  let at = end;
  while (at < text.length && ' \t\n\r'.includes(text.charAt(at))) at += 1;
  return text.charAt(at) === ':';
}

/** The same key may be written in many ways: `model` is `mode\u006c`. */
function addKey(keys: Set<string>, literal: string): void {
  let key: unknown;
  try {
    key = JSON.parse(literal);
  } catch {
    throw new JsonFault('the body is not JSON');
  }
  if (typeof key !== 'string' || keys.has(key)) throw new JsonFault(`the key ${literal.slice(0, 60)} is there twice`);
  keys.add(key);
}
