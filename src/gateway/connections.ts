/** Connections on the agents' socket, so that no sandbox can take the others' place: all look alike until a token is shown. */

import type { Socket } from 'node:net';
import type { Attempt } from './attempts.ts';
import { LIMITS } from './limits.ts';

export class Connections {
  /** Those that showed no token yet, the oldest first, with when they came. */
  readonly #strangers = new Map<Socket, number>();
  readonly #of = new Map<Attempt, Set<Socket>>();

  add(socket: Socket): void {
    socket.on('error', () => socket.destroy());
    const now = performance.now();
    this.#strangers.set(socket, now);
    socket.once('close', () => this.#strangers.delete(socket));
    for (const [oldest, since] of this.#strangers) {
      if (this.#strangers.size <= LIMITS.strangers || now - since < LIMITS.strangerTime) return;
      this.#strangers.delete(oldest);
      oldest.destroy();
    }
  }

  /** The connection is the attempt's from here on; false where it has too many. */
  claim(socket: Socket, attempt: Attempt): boolean {
    this.#strangers.delete(socket);
    const own = this.#of.get(attempt) ?? new Set();
    if (own.has(socket)) return true;
    if (own.size >= LIMITS.connectionsPerAttempt) return false;
    this.#of.set(attempt, own.add(socket));
    socket.once('close', () => {
      own.delete(socket);
      if (own.size === 0) this.#of.delete(attempt);
    });
    return true;
  }

  /** Cuts everything of an attempt that is over. */
  drop(attempt: Attempt): void {
    for (const socket of this.#of.get(attempt) ?? []) socket.destroy();
  }
}
