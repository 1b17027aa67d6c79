/** `run --json`: one event a line. */

import type { EventBus } from '../../src/events.ts';
import { safeJson } from '../../src/sanitise.ts';

/** Writes every event of the bus to `out` until closed. */
export function createJsonLines(bus: EventBus, out: { write(text: string): unknown }): { close(): void } {
  return { close: bus.on((event) => void out.write(`${safeJson(event)}\n`)) };
}
