/** What the rules of both APIs are made of. */

import { Refusal } from './refusal.ts';
import { isObject, type JsonObject } from './strict-json.ts';

/** Bytes of JSON that make a token, at least, in any language that models read. */
const BYTES_PER_TOKEN = 3;
/** The most that a picture comes to, whatever its size. */
const PICTURE_TOKENS = 5_000;

export function denyFeature(name: string): never {
  throw new Refusal(
    403,
    'feature-not-allowed',
    `${name} is not available in this sandbox: the model service itself would fetch, run, keep or bill something`,
  );
}

export function modelOf(json: JsonObject): string {
  const { model } = json;
  if (typeof model === 'string' && model !== '') return model;
  throw new Refusal(400, 'bad-request', 'the body names no model');
}

/** A count of tokens that the client states. @throws Refusal where it is something else */
export function countOf(value: unknown, name: string): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
  throw new Refusal(400, 'bad-request', `${name} must be a whole number`);
}

export function streamOf(json: JsonObject): boolean {
  const { stream } = json;
  if (stream === undefined || stream === null || typeof stream === 'boolean') return stream === true;
  throw new Refusal(400, 'bad-request', 'stream must be true or false');
}

/** Every object in a value, but not below the keys in `skip`: there the content is the client's own data. */
export function* objectsIn(value: unknown, skip: ReadonlySet<string>): Generator<JsonObject> {
  if (Array.isArray(value)) {
    for (const element of value) yield* objectsIn(element, skip);
  } else if (isObject(value)) {
    yield value;
    for (const [key, member] of Object.entries(value)) if (!skip.has(key)) yield* objectsIn(member, skip);
  }
}

/** @param pictures length in bytes of each picture in the body */
export function inputTokensOf(bodyBytes: number, pictures: readonly number[]): number {
  const text = bodyBytes - pictures.reduce((sum, bytes) => sum + bytes, 0);
  const seen = pictures.reduce((sum, bytes) => sum + Math.min(PICTURE_TOKENS, Math.ceil(bytes / BYTES_PER_TOKEN)), 0);
  return Math.ceil(text / BYTES_PER_TOKEN) + seen;
}
