/** Sends a turn as server-sent events, as slowly, as torn or as broken as its script says. */

import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import type { ServerEvent, Service, Telling } from './service.ts';

/** @param begin called when the first event goes out */
export async function sendEvents(
  response: ServerResponse,
  service: Service,
  telling: Telling,
  begin: () => void,
): Promise<void> {
  const { gate, trouble, sliceBytes } = telling.turn;
  const write = (text: string): Promise<void> => writeSlices(response, Buffer.from(text), sliceBytes);
  response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-cache' });
  response.flushHeaders();
  for (const [at, event] of service.events(telling).entries()) {
    if (at === trouble?.afterEvents) {
      if (trouble.how === 'cut') {
        response.destroy(new Error('cut'));
        return;
      }
      if ('error' in trouble.how) {
        await write(format(service.errorEvent(trouble.how.error)));
        break;
      }
      await write(trouble.how.raw);
    }
    await gate?.pass();
    if (response.destroyed) return;
    if (at === 0) begin();
    await write(format(event));
  }
  response.end();
}

function format({ event, data }: ServerEvent): string {
  return `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
}

async function writeSlices(response: ServerResponse, bytes: Buffer, size = bytes.length): Promise<void> {
  for (let at = 0; at < bytes.length; at += size) {
    const hasRoom = response.write(bytes.subarray(at, at + size));
    if (!hasRoom && !response.destroyed) await Promise.race([once(response, 'drain'), once(response, 'close')]);
    // Each slice a packet of its own, as far as the kernel agrees.
    if (size < bytes.length) await new Promise((resolve) => setImmediate(resolve));
  }
}
