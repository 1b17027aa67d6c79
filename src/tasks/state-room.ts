/**
 * Room for the state on the coordinator's own disk: with little left nothing more is started, with hardly any the agents are
 * ended one by one, as long as what they did can still be taken in. A spare file holds room for the last records.
 */

import { randomBytes } from 'node:crypto';
import { existsSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { type Room, roomAt } from '../room.ts';
import type { Amount } from '../sandbox/sandbox.ts';
import type { Holds } from './holds.ts';
import { freeOf, type Level, levelOf, MARKS } from './marks.ts';
import type { Shortage } from './watermarks.ts';

const LOOK_EVERY_MS = 500;
const SHORT_TRANSCRIPT = 4 * 1024 ** 2;
const SPARE = 'spare';
/** Records are small: this is room for thousands. On a small disk it is this part of it. */
const SPARE_ROOM = { bytes: 8 * 1024 ** 2, part: 0.005 } as const;

export interface StateRoomParts {
  /** The state's folder. */
  readonly directory: string;
  readonly holds: Holds;
  /** Called again and again while the state can hardly be written. */
  onOut(shortage: Shortage): void;
  /** What there is; not given: asked of the file system. A failure is passed over. */
  readonly look?: () => Promise<Room>;
}

export class StateRoom implements Disposable {
  readonly #parts: StateRoomParts;
  #level: Level = 'ample';
  #timer: NodeJS.Timeout | undefined;
  #isOver = false;

  constructor(parts: StateRoomParts) {
    this.#parts = parts;
  }

  /** Looks once before anything is started, and from then on. */
  async begin(): Promise<void> {
    await this.#round();
  }

  /** There is room for what is needed, but not for anything else. */
  get isOut(): boolean {
    return this.#level === 'out';
  }

  /** Whether there is room for more of a transcript of this size, bytes: with little left, only for how one begins. */
  takesTranscript(written: number): boolean {
    return this.#level === 'ample' || (this.#level === 'low' && written < SHORT_TRANSCRIPT);
  }

  /** Gives up the spare file; false: there was none. */
  giveSpare(): boolean {
    if (!existsSync(this.#spare)) return false;
    rmSync(this.#spare, { force: true });
    return true;
  }

  /** Resolves a little later, once the state can be written again, or it is not waited for any more. */
  async untilRoom(isAwaited: () => boolean): Promise<void> {
    do await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
    while (this.isOut && isAwaited());
  }

  [Symbol.dispose](): void {
    this.#isOver = true;
    clearTimeout(this.#timer);
    rmSync(this.#spare, { force: true });
  }

  get #spare(): string {
    return path.join(this.#parts.directory, SPARE);
  }

  async #round(): Promise<void> {
    const { directory, look = () => roomAt(directory) } = this.#parts;
    const room = await look().catch(() => null);
    if (this.#isOver) return;
    if (room !== null) this.#judge(room);
    this.#timer = setTimeout(() => void this.#round(), LOOK_EVERY_MS).unref();
  }

  #judge({ disk, inodes }: Room): void {
    const before = this.#level;
    const [byBytes, byInodes] = [levelOf(disk, MARKS.state, before), levelOf(inodes, MARKS.inodes, before)];
    this.#level = worse(byBytes, byInodes);
    const free = byBytes === 'ample' ? `${inodes.free} of ${inodes.total} inodes` : freeOf(disk);
    if ((this.#level === 'ample') !== (before === 'ample')) {
      const phrase = `the disk of the repository's state is nearly full (${free} free)`;
      this.#parts.holds.set('state', this.#level === 'ample' ? null : phrase);
    }
    if (this.#level === 'ample') this.#lay(disk);
    if (this.#level !== 'out') return;
    const reason = `ended while its work could still be kept: the disk of the repository's state is nearly full (${free} free)`;
    this.#parts.onOut({ why: 'state', reason });
  }

  /** Not of zeros: a file system may keep those in no room at all. */
  #lay({ total }: Amount): void {
    const bytes = Math.floor(Math.min(SPARE_ROOM.bytes, SPARE_ROOM.part * total));
    if (statSync(this.#spare, { throwIfNoEntry: false })?.size === bytes) return;
    try {
      writeFileSync(this.#spare, randomBytes(bytes), { mode: 0o600 });
    } catch {
      // It was to help where nothing else does.
    }
  }
}

function worse(one: Level, other: Level): Level {
  const order: readonly Level[] = ['ample', 'low', 'out'];
  return order.indexOf(one) >= order.indexOf(other) ? one : other;
}
