// Secrets are taken out of what is logged or passed on, whatever their encoding and wherever the chunks end.
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MASK, Redactor } from '../../src/gateway/redact.ts';
import { Replacer } from '../../src/gateway/replace.ts';

const secret = fc
  .string({ minLength: 12, maxLength: 60, unit: fc.constantFrom(...'abcXYZ0189-_+/ "\\é'.split('')) })
  .filter((text) => new Set(text).size > 5);
const filler = fc.string({ maxLength: 40, unit: fc.constantFrom(...'kqw ~\n'.split('')) });

/** How a secret may be written; the text around it is inside of what is encoded. */
const ENCODINGS: Readonly<Record<string, (around: readonly [string, string], secret: string) => string>> = {
  raw: ([before, after], one) => before + one + after,
  json: ([before, after], one) => JSON.stringify({ message: before + one + after }),
  url: ([before, after], one) => encodeURIComponent(before + one + after),
  form: ([before, after], one) => encodeURIComponent(before + one + after).replaceAll('%20', '+'),
  'lower-case percent': ([before, after], one) =>
    encodeURIComponent(before + one + after).replace(/%[0-9A-F]{2}/g, (octet) => octet.toLowerCase()),
  base64: ([before, after], one) => Buffer.from(before + one + after).toString('base64'),
  'base64 for URLs': ([before, after], one) => Buffer.from(before + one + after).toString('base64url'),
  hex: ([before, after], one) => Buffer.from(before + one + after).toString('hex'),
  'upper-case hex': ([before, after], one) =>
    Buffer.from(before + one + after)
      .toString('hex')
      .toUpperCase(),
};

async function through(redactor: Redactor, bytes: Buffer, sizes: readonly number[]): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for (let at = 0, turn = 0; at < bytes.length; turn += 1) {
    const size = sizes[turn % sizes.length] ?? 1;
    chunks.push(bytes.subarray(at, at + size));
    at += size;
  }
  return buffer(Readable.from(chunks).pipe(redactor.stream()));
}

const sizes = fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1, maxLength: 8 });

describe('a redactor', () => {
  it.each(Object.entries(ENCODINGS))('lets no secret out in %s', async (_, encode) => {
    await fc.assert(
      fc.asyncProperty(secret, filler, filler, sizes, async (one, before, after, cuts) => {
        const redactor = new Redactor([one]);
        const encoded = encode([before, after], one);
        const clean = await through(redactor, Buffer.from(encoded), cuts);
        expect(clean.toString()).toContain(MASK);
        const alone = encode(['', ''], one).replace(/^\{"message":"|"\}$/g, '');
        for (const form of [one, alone]) expect(clean.toString()).not.toContain(form);
        expect(redactor.text(encoded)).toBe(clean.toString());
      }),
    );
  });

  it('leaves nothing of a secret in base64 but what its neighbours share', () => {
    fc.assert(
      fc.property(secret, fc.integer({ min: 0, max: 5 }), fc.integer({ min: 0, max: 5 }), (one, before, after) => {
        const bytes = Buffer.concat([Buffer.alloc(before), Buffer.from(one), Buffer.alloc(after)]);
        const clean = new Redactor([one]).text(bytes.toString('base64'));
        // Whole zero bytes before and after, and at most one character on each side that has bits of both.
        expect(clean).toMatch(/^A*[^[]?\[redacted\][^[]?A*=*$/);
      }),
    );
  });

  it('changes nothing where there is no secret, and gives the very same value back', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(secret, { maxLength: 3 }),
        fc.uint8Array({ maxLength: 500 }),
        sizes,
        async (all, raw, cuts) => {
          const redactor = new Redactor(all.map((one) => `sk-test-${one}`));
          const bytes = Buffer.from(raw);
          expect((await through(redactor, bytes, cuts)).equals(bytes)).toBe(true);
          expect(redactor.bytes(bytes)).toBe(bytes);
        },
      ),
    );
    const lone = 'a lone surrogate \ud800 stays';
    expect(new Redactor(['sk-test-1234']).text(lone)).toBe(lone);
  });

  it('changes nothing but the secrets', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(filler, { minLength: 1, maxLength: 5 }), sizes, async (parts, cuts) => {
        const bytes = Buffer.from(parts.join('sk-test-0123456789'));
        const clean = await through(new Redactor(['sk-test-0123456789']), bytes, cuts);
        expect(clean.toString()).toBe(parts.join(MASK));
      }),
    );
  });

  it('prefers the longer of two secrets that begin alike', async () => {
    const redactor = new Redactor(['sk-test-1', 'sk-test-12345678']);
    expect(redactor.text('sk-test-12345678 sk-test-123')).toBe(`${MASK} ${MASK}23`);
    const parts = [...Buffer.from('sk-test-12345678 sk-test-123')].map((byte) => Buffer.from([byte]));
    expect((await buffer(Readable.from(parts).pipe(redactor.stream()))).toString()).toBe(`${MASK} ${MASK}23`);
  });

  it('passes on at once what cannot be part of a secret', () => {
    const replacer = new Replacer([{ find: Buffer.from('sk-test-0123456789'), put: Buffer.from(MASK) }]);
    expect(replacer.push(Buffer.from('data: hello\n\n')).toString()).toBe('data: hello\n\n');
    expect(replacer.push(Buffer.from('data: sk-te')).toString()).toBe('data: ');
    expect(replacer.push(Buffer.from('nt\n\n')).toString()).toBe('sk-tent\n\n');
  });

  it('finds nothing of nothing', () => {
    expect(new Redactor(['', '']).text('all as it was')).toBe('all as it was');
    expect(new Redactor([]).text('')).toBe('');
  });
});

describe('replacing', () => {
  it('is the same whatever the chunks are', () => {
    const word = fc.string({ minLength: 1, maxLength: 5, unit: fc.constantFrom('a', 'b') });
    fc.assert(
      fc.property(
        fc.array(word, { minLength: 1 }),
        fc.string({ unit: fc.constantFrom('a', 'b', 'c') }),
        sizes,
        (find, text, cuts) => {
          const replacements = find.map((one, index) => ({ find: Buffer.from(one), put: Buffer.from(`<${index}>`) }));
          const whole = new Replacer(replacements);
          const expected = whole.push(Buffer.from(text)).toString() + whole.end().toString();
          const replacer = new Replacer(replacements);
          let pieces = '';
          for (let at = 0, turn = 0; at < text.length; turn += 1) {
            const size = cuts[turn % cuts.length] ?? 1;
            pieces += replacer.push(Buffer.from(text.slice(at, at + size))).toString();
            at += size;
          }
          expect(pieces + replacer.end().toString()).toBe(expected);
          expect(expected.replace(/<\d+>/g, '').length).toBeLessThanOrEqual(text.length);
          for (const one of find) expect(expected.split(/<\d+>/).some((part) => part.includes(one))).toBe(false);
        },
      ),
    );
  });
});
