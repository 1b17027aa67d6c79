/** `fetch` whose requests go to a model service through the gateway, as if an attempt had sent them. */

import type { OpenedCall } from '../session/caller.ts';
import { resultOf } from './client-lines.ts';

type OpenCall = (method: string, params: Readonly<Record<string, unknown>>) => Promise<OpenedCall>;

export function attemptFetch(
  attempt: string,
  open: OpenCall,
  asError: (error: unknown) => unknown,
): typeof globalThis.fetch {
  return async (input, init) => {
    const request = new Request(input, init);
    const { pathname, search } = new URL(request.url);
    const { signal } = request;
    signal.throwIfAborted();
    let call: OpenedCall | null = null;
    const cancel = (): void => call?.cancel();
    signal.addEventListener('abort', cancel, { once: true });
    try {
      const headers = [...request.headers];
      call = await open('request', { attempt, method: request.method, path: pathname + search, headers });
      // The answer, an error even, may be there before the last byte of the body.
      void call.send(bytesOf(request.body)).catch(cancel);
      const answer = (await resultOf(call, signal)) as unknown as AnswerHead;
      return new Response(hasBody(answer.status) ? bodyOf(call, signal, asError) : null, {
        status: answer.status,
        headers: answer.headers.map(([name, value]): [string, string] => [name, value]),
      });
    } catch (error) {
      signal.removeEventListener('abort', cancel);
      throw signal.aborted ? signal.reason : asError(error);
    }
  };
}

interface AnswerHead {
  readonly status: number;
  readonly headers: readonly (readonly [string, string])[];
}

function hasBody(status: number): boolean {
  return status !== 204 && status !== 304;
}

async function* bytesOf(body: ReadableStream<Uint8Array> | null): AsyncGenerator<Buffer> {
  if (body === null) return;
  for await (const chunk of body) yield Buffer.from(chunk);
}

function bodyOf(
  call: OpenedCall,
  signal: AbortSignal,
  asError: (error: unknown) => unknown,
): ReadableStream<Uint8Array> {
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          const chunk = await call.stream.next();
          if (chunk === null) controller.close();
          else controller.enqueue(new Uint8Array(chunk));
        } catch (error) {
          controller.error(signal.aborted ? signal.reason : asError(error));
        }
      },
      cancel: () => call.cancel(),
    },
    // One chunk at a time: the session's credits are what a slow reader holds up.
    { highWaterMark: 0 },
  );
}
