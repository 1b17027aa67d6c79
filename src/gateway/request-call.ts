/** The call `request`: a model request of an agent that thinks on the coordinator, on the same way as all others. */

import { CallFault } from '../session/protocol.ts';
import type { Call } from '../session/serve.ts';
import type { Gateway } from './gateway.ts';
import { apiOf } from './model-request.ts';
import { serveModel } from './model-service.ts';
import { textParam } from './params.ts';
import { Refusal, refusalBody, refusalHeaders } from './refusal.ts';

export async function serveRequestCall(gateway: Gateway, call: Call): Promise<void> {
  const { params } = call;
  const attempt = gateway.attempts.byId(textParam(params, 'attempt'));
  if (attempt === null) throw new CallFault('ATTEMPT_UNKNOWN', 'no such attempt was ever opened');
  const method = textParam(params, 'method');
  const target = textParam(params, 'path');
  const reply = (status: number, headers: Readonly<Record<string, string>>): Promise<void> =>
    call.reply({ status, headers: Object.entries(headers) });
  let head: Promise<void> | null = null;
  try {
    await serveModel(
      gateway,
      { attempt, method, target, headers: headersParam(params.headers), body: call.body, signal: call.signal },
      {
        head: (status, headers) => {
          head = reply(status, headers);
        },
        write: async (chunk) => {
          await head;
          await call.out.write(chunk).catch(() => {});
        },
      },
    );
  } catch (error) {
    if (!(error instanceof Refusal) || head !== null) throw error;
    await reply(error.status, refusalHeaders(error));
    await call.out.write(refusalBody(apiOf(target), error));
  }
}

/** Lower-case names; only pairs of texts count. */
function headersParam(value: unknown): Readonly<Record<string, string>> {
  const headers: Record<string, string> = {};
  for (const pair of Array.isArray(value) ? value : []) {
    if (Array.isArray(pair) && typeof pair[0] === 'string' && typeof pair[1] === 'string') {
      headers[pair[0].toLowerCase()] = pair[1];
    }
  }
  return headers;
}
