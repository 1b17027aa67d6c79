/**
 * `fetch` to a model service from this process, which has the key: by the connections that the coordinator makes for its
 * gateway, so that the proxy and the certificate authorities of the user's network count here as well.
 */

import { Readable } from 'node:stream';
import type { DialFor } from '../gateway/client-dials.ts';
import { createDialer } from '../gateway/dial.ts';
import type { Upstream } from '../gateway/protocol.ts';
import { UpstreamClient } from '../gateway/upstream.ts';

export interface WayOut {
  readonly upstream: Upstream;
  readonly dial: DialFor;
  /** Certificate authorities (PEM) beside the well-known ones; null: none. */
  readonly extraCa: string | null;
}

/** Of a request, these go on; what says who asks is put in here. */
const PASSED_ON = ['accept', 'anthropic-beta', 'anthropic-version', 'content-type'];

/** Only path, query, method, those headers and the body of a request count. Rejects with what broke the connection. */
export function directFetch({ upstream, dial, extraCa }: WayOut): typeof globalThis.fetch {
  const dialer = createDialer({ relay: (target) => dial(target) });
  const client = new UpstreamClient({ ...upstream, via: 'coordinator' }, dialer, extraCa);
  return async (input, init) => {
    const request = new Request(input, init);
    const { pathname, search } = new URL(request.url);
    const { signal } = request;
    signal.throwIfAborted();
    const answer = await client.ask({
      method: request.method === 'GET' ? 'GET' : 'POST',
      path: pathname + search,
      headers: Object.fromEntries([...request.headers].filter(([name]) => PASSED_ON.includes(name))),
      body: Buffer.from(await request.arrayBuffer()),
      signal,
      onSent: () => {},
    });
    const status = answer.statusCode ?? 502;
    const headers = Object.entries(answer.headersDistinct).flatMap(([name, values = []]) =>
      values.map((value): [string, string] => [name, value]),
    );
    const hasBody = status !== 204 && status !== 304;
    return new Response(hasBody ? (Readable.toWeb(answer) as ReadableStream<Uint8Array>) : null, { status, headers });
  };
}
