// What a request used, read out of its answer as it passes.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Meter } from '../../src/gateway/meter.ts';
import { costOf, NO_TOKENS, worstCost } from '../../src/gateway/price.ts';
import { EventReader } from '../../src/gateway/sse.ts';

const ASSUMED = { inputTokens: 500, maxOutput: 900 };

function stream(...events: readonly object[]): Buffer {
  return Buffer.from(events.map((event) => `event: x\ndata: ${JSON.stringify(event)}\n\n`).join(''));
}

function metered(api: 'anthropic' | 'openai', bytes: Buffer, isStream = true): Meter {
  const meter = new Meter(api, isStream);
  meter.push(bytes);
  return meter;
}

const start = (usage: object) => ({ type: 'message_start', message: { usage } });
const text = (words: string) => ({ type: 'content_block_delta', delta: { type: 'text_delta', text: words } });
const STOP = { type: 'message_stop' };

describe('events', () => {
  it('are the same whatever the chunks are', () => {
    const wire = Buffer.from('data: {"a":\ndata: "é😀"}\r\n\r\n: comment\n\nevent: x\ndata:two\n\n\ndata: three\n\n');
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 }), (sizes) => {
        const reader = new EventReader();
        const seen: string[] = [];
        for (let at = 0, turn = 0; at < wire.length; turn += 1) {
          const size = sizes[turn % sizes.length] ?? 1;
          seen.push(...reader.push(wire.subarray(at, at + size)));
          at += size;
        }
        expect(seen).toEqual(['{"a":\n"é😀"}', 'two', 'three']);
        expect(reader.atBoundary).toBe(true);
      }),
    );
  });

  it('that are too long are left out, and the next one is not', () => {
    const reader = new EventReader();
    const long = Buffer.from(`data: ${'x'.repeat(1 << 20)}`);
    const seen = [...reader.push(long)];
    for (let i = 0; i < 10; i += 1) seen.push(...reader.push(Buffer.alloc(1 << 20, 'y')));
    expect(reader.atBoundary).toBe(false);
    seen.push(...reader.push(Buffer.from('\n\ndata: next\n\n')));
    expect(seen).toEqual(['next']);
  });
});

describe('an Anthropic answer', () => {
  it('counts the last of its cumulative figures', () => {
    const meter = metered(
      'anthropic',
      stream(
        start({ input_tokens: 10, cache_read_input_tokens: 30, cache_creation_input_tokens: 20, output_tokens: 1 }),
        text('Hello'),
        { type: 'message_delta', usage: { output_tokens: 5 } },
        { type: 'message_delta', usage: { output_tokens: 9 } },
        STOP,
      ),
    );
    expect(meter.isFinal).toBe(true);
    expect(meter.total(ASSUMED)).toEqual({ input: 10, output: 9, cacheRead: 30, cacheWrite: 20, cacheWriteHour: 0 });
  });

  it('tells entries of an hour apart, which cost twice the input', () => {
    const usage = { input_tokens: 0, output_tokens: 0, cache_creation_input_tokens: 30 };
    const creation = { ephemeral_5m_input_tokens: 10, ephemeral_1h_input_tokens: 20 };
    const tokens = metered('anthropic', stream(start({ ...usage, cache_creation: creation }), STOP)).total(ASSUMED);
    expect(tokens).toMatchObject({ cacheWrite: 30, cacheWriteHour: 20 });
    const price = { input: 3, output: 15, cacheRead: 0.3, cacheWrite: 3.75 };
    expect(costOf(tokens, price).usd).toBeCloseTo((10 * 3.75 + 20 * 6) / 1e6, 12);
  });

  it('counts what the service did beside the answer, once', () => {
    const iterations = [
      { type: 'message', input_tokens: 10, output_tokens: 5 },
      { type: 'compaction', input_tokens: 1000, output_tokens: 100 },
    ];
    const delta = { type: 'message_delta', usage: { output_tokens: 5, iterations } };
    const tokens = metered('anthropic', stream(start({ input_tokens: 10, output_tokens: 1 }), delta, delta, STOP));
    expect(tokens.total(ASSUMED)).toMatchObject({ input: 1010, output: 105 });
  });

  it('that is cut counts its input, and its output by its length', () => {
    const meter = metered('anthropic', stream(start({ input_tokens: 10, output_tokens: 1 }), text('x'.repeat(399))));
    expect(meter.isFinal).toBe(false);
    expect(meter.total(ASSUMED)).toMatchObject({ input: 10, output: 100 });
  });

  it('that is cut before it says anything counts what was assumed', () => {
    expect(metered('anthropic', Buffer.from('event: mess')).total(ASSUMED)).toMatchObject({ input: 500, output: 0 });
  });

  it('is not fooled by figures that the model writes itself', () => {
    const trick = text('\n\ndata: {"type":"message_delta","usage":{"output_tokens":0,"input_tokens":0}}\n\n');
    const end = { type: 'message_delta', usage: { output_tokens: 50 } };
    const meter = metered('anthropic', stream(start({ input_tokens: 10, output_tokens: 1 }), trick, end, STOP));
    expect(meter.total(ASSUMED)).toMatchObject({ input: 10, output: 50 });
  });

  it('ignores figures that are none', () => {
    const odd = { input_tokens: -5, output_tokens: '7', cache_read_input_tokens: null };
    expect(metered('anthropic', stream(start(odd), STOP)).total(ASSUMED)).toEqual(NO_TOKENS);
  });

  it('without a stream counts as well, and in full where it was cut', () => {
    const whole = Buffer.from(JSON.stringify({ content: [], usage: { input_tokens: 10, output_tokens: 20 } }));
    expect(metered('anthropic', whole, false).total(ASSUMED)).toMatchObject({ input: 10, output: 20 });
    const part = metered('anthropic', whole.subarray(0, 20), false);
    expect(part.total(ASSUMED)).toMatchObject({ input: 500, output: 900 });
  });
});

describe('an OpenAI answer', () => {
  const usage = { input_tokens: 100, input_tokens_details: { cached_tokens: 80 }, output_tokens: 7 };

  it.each(['response.completed', 'response.incomplete', 'response.failed'])(
    'ends with %s, cached input apart',
    (type) => {
      const meter = metered(
        'openai',
        stream({ type: 'response.created', response: { usage: null } }, { type, response: { usage } }),
      );
      expect(meter.isFinal).toBe(true);
      expect(meter.total(ASSUMED)).toMatchObject({ input: 20, cacheRead: 80, output: 7 });
    },
  );

  it('that is cut counts what was sent and came', () => {
    const delta = { type: 'response.output_text.delta', delta: 'x'.repeat(40) };
    expect(metered('openai', stream(delta, delta)).total(ASSUMED)).toMatchObject({ input: 500, output: 20 });
  });

  it('without a stream counts as well', () => {
    const whole = Buffer.from(JSON.stringify({ usage }));
    expect(metered('openai', whole, false).total(ASSUMED)).toMatchObject({ input: 20, cacheRead: 80, output: 7 });
  });
});

it('takes no request to cost more than its worst', () => {
  const price = { input: 3, output: 15, cacheRead: 0.3, cacheWrite: 3.75 };
  const share = fc.nat(10_000);
  fc.assert(
    fc.property(share, share, share, share, share, (input, output, cacheRead, short, hours) => {
      const tokens = { input, output, cacheRead, cacheWrite: short + hours, cacheWriteHour: hours };
      const all = { input: input + cacheRead + short + hours, output, hour: hours > 0 };
      const worst = worstCost(all, price);
      const actual = costOf(tokens, price);
      expect(actual.tokens).toBe(worst.tokens);
      expect(actual.usd ?? 0).toBeLessThanOrEqual((worst.usd ?? 0) + 1e-12);
    }),
  );
});
