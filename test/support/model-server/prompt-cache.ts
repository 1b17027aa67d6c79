/**
 * A model of the services' prompt caching. What stands in a request is a sequence of blocks: tools, system, messages. An entry
 * is the byte-identical sequence up to a block, of one model; it can be read once the first response that writes it has begun.
 *
 * Messages: entries end at the blocks marked with `cache_control` (or at the last, where the request itself carries the mark);
 * a request reads the longest that ends at one of its marks or at most 20 blocks before. Responses: every block ends an entry.
 */

import { createHash } from 'node:crypto';
import { type Body, items, type TurnUsage } from './script.ts';

const BYTES_PER_TOKEN = 4;
/** Shorter prefixes are not kept. */
const MIN_TOKENS = 1024;
const LOOK_BACK = 20;
export const MAX_MARKS = 4;

/** What an input token costs, as a part of an uncached one's price. */
const CACHE_WRITE_FACTOR = 1.25;
const CACHE_READ_FACTOR = 0.1;

interface Block {
  /** Of everything up to here. */
  readonly key: string;
  readonly tokens: number;
  readonly isMarked: boolean;
}

export interface CachedInput {
  readonly usage: Omit<TurnUsage, 'output'>;
  /** To be called when the response begins: from here on others can read what it wrote. */
  begin(): void;
}

export class PromptCache {
  readonly #entries = new Set<string>();

  /** What a Messages request reads, writes and has to pay whole. */
  messages(body: Body): CachedInput {
    const blocks = messagesBlocks(body);
    const marks = blocks.flatMap(({ isMarked }, at) => (isMarked ? [at] : []));
    const last = marks.at(-1);
    if (last === undefined) return this.#input(blocks, 0, []);
    const written = marks.flatMap((at) => blocks[at] ?? []);
    const readable = marks.flatMap((at) => blocks.slice(Math.max(0, at - LOOK_BACK), at + 1));
    return this.#input(blocks, this.#longest(readable), written);
  }

  /** The same for a Responses request, which writes for nothing. */
  responses(body: Body): CachedInput {
    const blocks = responsesBlocks(body);
    const { usage, begin } = this.#input(blocks, this.#longest(blocks), blocks);
    return { usage: { ...usage, input: usage.input + usage.cacheWrite, cacheWrite: 0 }, begin };
  }

  clear(): void {
    this.#entries.clear();
  }

  #longest(blocks: readonly Block[]): number {
    return Math.max(0, ...blocks.filter(({ key }) => this.#entries.has(key)).map(({ tokens }) => tokens));
  }

  #input(blocks: readonly Block[], read: number, written: readonly Block[]): CachedInput {
    const kept = written.filter(({ tokens }) => tokens >= MIN_TOKENS);
    const total = blocks.at(-1)?.tokens ?? 0;
    const cacheWrite = Math.max(0, (kept.at(-1)?.tokens ?? 0) - read);
    return {
      usage: { input: total - read - cacheWrite, cacheRead: read, cacheWrite },
      begin: () => {
        for (const { key } of kept) this.#entries.add(key);
      },
    };
  }
}

/** Input cost in uncached input tokens. */
export function inputCost({ input, cacheRead, cacheWrite }: Omit<TurnUsage, 'output'>): number {
  return input + cacheRead * CACHE_READ_FACTOR + cacheWrite * CACHE_WRITE_FACTOR;
}

export function tokensOf(text: string): number {
  return Math.ceil(Buffer.byteLength(text) / BYTES_PER_TOKEN);
}

/** Blocks of a request that carry `cache_control`; the service takes {@link MAX_MARKS}. */
export function marksOf(body: Body): number {
  return messagesBlocks(body).filter(({ isMarked }) => isMarked).length;
}

function messagesBlocks(body: Body): readonly Block[] {
  const chain = new Chain(String(body.model));
  for (const tool of items(body.tools)) chain.add('tool', tool);
  for (const block of blocksOf(body.system)) chain.add('system', block);
  // What changes how messages are read makes other entries of them, not of tools and system.
  chain.mix({ tool_choice: body.tool_choice, thinking: body.thinking });
  for (const { role, content } of items(body.messages)) {
    for (const block of blocksOf(content)) chain.add(String(role), block);
  }
  return chain.blocks(body.cache_control !== undefined && body.cache_control !== null);
}

function responsesBlocks(body: Body): readonly Block[] {
  const chain = new Chain(String(body.model));
  if (typeof body.instructions === 'string') chain.add('system', { text: body.instructions });
  for (const tool of items(body.tools)) chain.add('tool', tool);
  const input = typeof body.input === 'string' ? blocksOf(body.input) : items(body.input);
  // Ids are the client's bookkeeping, no part of what the model reads.
  for (const { id: _, ...item } of input) chain.add('item', item);
  return chain.blocks(false);
}

function blocksOf(content: unknown): readonly Body[] {
  return typeof content === 'string' ? [{ type: 'text', text: content }] : items(content);
}

class Chain {
  readonly #hash = createHash('sha256');
  readonly #blocks: Block[] = [];
  #tokens = 0;

  constructor(model: string) {
    this.#hash.update(model);
  }

  add(place: string, { cache_control: mark, ...block }: Body): void {
    const text = JSON.stringify(block);
    this.#hash.update(`\0${place}\0${text}`);
    this.#tokens += tokensOf(text);
    const isMarked = mark !== undefined && mark !== null;
    this.#blocks.push({ key: this.#hash.copy().digest('hex'), tokens: this.#tokens, isMarked });
  }

  mix(value: unknown): void {
    this.#hash.update(JSON.stringify(value));
  }

  blocks(isLastMarked: boolean): readonly Block[] {
    const last = this.#blocks.pop();
    if (last !== undefined) this.#blocks.push({ ...last, isMarked: last.isMarked || isLastMarked });
    return this.#blocks;
  }
}
