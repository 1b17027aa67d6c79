/**
 * What the agent has written and the engine's log has not taken yet, paced: nothing is dropped of the first bytes, the
 * agent waits instead; of what comes after them faster than the pace, the oldest is dropped and counted. So an agent
 * that never stops printing costs the host a bounded rate, and the end of what it said is always there.
 */

import { type Ending, MAX_BODY, type OutputFrame, type OutputStream } from './frames.ts';

export interface Pace {
  /** So much of the output is never dropped: as much as one part of a transcript. */
  readonly wholeBytes: number;
  /** The end that is kept of the rest. */
  readonly keptBytes: number;
  /** Above this the agent waits, while nothing may be dropped. */
  readonly waitBytes: number;
  /** Passed on at once after a silence; the engine's log holds more than that. */
  readonly burstBytes: number;
  /** While nothing may be dropped, and after that. */
  readonly bytesPerSecond: { readonly whole: number; readonly later: number };
}

export const PACE: Pace = {
  wholeBytes: 64 * 1024 ** 2,
  keptBytes: 12 * 1024 ** 2,
  waitBytes: 1024 ** 2,
  burstBytes: 16 * 1024 ** 2,
  bytesPerSecond: { whole: 8 * 1024 ** 2, later: 1024 ** 2 },
};

/** Of what is dropped in between, few large gaps say more than many small ones. */
const LEAST_WAIT_MS = { whole: 1, later: 250 };
/** What a piece costs beyond its bytes: a backlog of tiny ones is bounded too. */
const PIECE_COST = 64;

interface Piece {
  readonly stream: OutputStream;
  /** What is left of it. */
  data: Buffer;
  next: Piece | null;
}

export class Backlog {
  readonly #pace: Pace;
  #first: Piece | null = null;
  #last: Piece | null = null;
  #cost = 0;
  /** Position of the first byte that was neither taken nor dropped. */
  #at = 0;
  #seen = 0;
  /** Bytes before the first piece that were dropped and not told yet. */
  #dropped = 0;
  #allowance: number;
  #allowedAt: number;

  /** @param now milliseconds of a clock that never goes back */
  constructor(pace: Pace, now: number) {
    this.#pace = pace;
    this.#allowance = pace.burstBytes;
    this.#allowedAt = now;
  }

  get isEmpty(): boolean {
    return this.#first === null;
  }

  /** The agent is to wait until some of this was taken. */
  get isFull(): boolean {
    return !this.#mayDrop && this.#cost > this.#pace.waitBytes;
  }

  add(stream: OutputStream, data: Buffer): void {
    if (data.length === 0) return;
    const piece: Piece = { stream, data, next: null };
    if (this.#last === null) this.#first = piece;
    else this.#last.next = piece;
    this.#last = piece;
    this.#seen += data.length;
    this.#cost += data.length + PIECE_COST;
    while (this.#mayDrop && this.#cost > this.#pace.keptBytes) {
      this.#dropped += this.#first?.data.length ?? 0;
      this.#shift();
    }
  }

  /** The next frame, if there is one and it may be passed on by now. */
  take(now: number): OutputFrame | null {
    return this.waitMs(now) > 0 ? null : this.takeAnyway();
  }

  /** Milliseconds until the pace allows another frame. */
  waitMs(now: number): number {
    const { burstBytes } = this.#pace;
    const phase = this.#mayDrop ? 'later' : 'whole';
    const bytesPerSecond = this.#pace.bytesPerSecond[phase];
    const earned = ((now - this.#allowedAt) / 1000) * bytesPerSecond;
    this.#allowance = Math.min(this.#allowance + earned, burstBytes);
    this.#allowedAt = now;
    const debtMs = Math.ceil((-this.#allowance / bytesPerSecond) * 1000);
    return debtMs <= 0 ? 0 : Math.max(debtMs, LEAST_WAIT_MS[phase]);
  }

  /** The next frame whatever the pace. */
  takeAnyway(): OutputFrame | null {
    const at = this.#at;
    if (this.#dropped > 0) {
      const count = this.#dropped;
      this.#at += count;
      this.#dropped = 0;
      return { kind: 'dropped', at, count };
    }
    const stream = this.#first?.stream;
    if (stream === undefined) return null;
    const data = this.#gather(stream);
    this.#at += data.length;
    this.#allowance -= data.length;
    return { kind: 'bytes', at, stream, data };
  }

  /** The last frame of all. */
  end(ending: Ending): OutputFrame {
    return { kind: 'end', at: this.#at, ...ending };
  }

  get #mayDrop(): boolean {
    return this.#seen > this.#pace.wholeBytes;
  }

  /** Neighbouring pieces of one stream, as many as go into one frame. */
  #gather(stream: OutputStream): Buffer {
    const parts: Buffer[] = [];
    let left = MAX_BODY;
    for (let piece = this.#first; piece?.stream === stream && left > 0; piece = this.#first) {
      const part = piece.data.subarray(0, left);
      parts.push(part);
      left -= part.length;
      if (part.length === piece.data.length) this.#shift();
      else {
        piece.data = piece.data.subarray(part.length);
        this.#cost -= part.length;
      }
    }
    return Buffer.concat(parts);
  }

  #shift(): void {
    const piece = this.#first;
    if (piece === null) return;
    this.#cost -= piece.data.length + PIECE_COST;
    this.#first = piece.next;
    if (this.#first === null) this.#last = null;
  }
}
