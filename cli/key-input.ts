/** What a terminal sends, as keys: characters cut in two are put together, and an escape that nothing follows is a key. */

import { StringDecoder } from 'node:string_decoder';
import type { Key } from '../src/plan/session/key.ts';
import { KeyDecoder } from './key-decoder.ts';

export class KeyInput {
  readonly #decoder = new KeyDecoder();
  readonly #text = new StringDecoder('utf8');
  readonly #onKeys: (keys: readonly Key[]) => void;
  #flush: NodeJS.Timeout | null = null;

  constructor(onKeys: (keys: readonly Key[]) => void) {
    this.#onKeys = onKeys;
  }

  push(data: Buffer | string): void {
    this.stop();
    this.#onKeys(this.#decoder.push(typeof data === 'string' ? data : this.#text.write(data)));
    const { waits } = this.#decoder;
    if (waits !== null) this.#flush = setTimeout(() => this.#onKeys(this.#decoder.flush()), waits);
  }

  /** What is begun and not whole is not waited for any more. */
  stop(): void {
    if (this.#flush !== null) clearTimeout(this.#flush);
    this.#flush = null;
  }
}
