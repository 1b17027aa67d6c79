/** The coordinator's calls (see protocol.ts). The newest session wins: an older coordinator, or its remains, is cut off. */

import { createServer, type Server, type Socket } from 'node:net';
import { CallFault } from '../session/protocol.ts';
import { type Call, type Handler, serve } from '../session/serve.ts';
import type { ModelApi } from '../types.ts';
import { DialError } from './dial.ts';
import type { Gateway } from './gateway.ts';
import { accessParam, capsParam, configurationParam, numberParam, textParam } from './params.ts';
import { serveRequestCall } from './request-call.ts';
import { tryKey } from './try-key.ts';

export function createControlServer(gateway: Gateway): Server {
  const handlers = controlCalls(gateway);
  let current: Socket | null = null;
  return createServer((socket) => {
    current?.destroy();
    current = socket;
    socket.on('error', () => socket.destroy());
    void serve(socket, socket, handlers).then(() => socket.destroy());
  });
}

function controlCalls(gateway: Gateway): Readonly<Record<string, Handler>> {
  const { attempts, events, relay, toolboxes } = gateway;
  return {
    hello: async () => ({ instance: gateway.instance }),
    configure: async ({ params }) => {
      gateway.configure(configurationParam(params));
    },
    grant: async ({ params }) => {
      gateway.budget.grant(capsParam(params), params.isFinal === true);
    },
    giveBack: async () => gateway.budget.giveBack(),
    try: ({ params, signal }) => tryKey(gateway, textParam(params, 'api') as ModelApi, signal),
    open: async ({ params }) => {
      gateway.open(accessParam(params));
    },
    revoke: async ({ params }) => {
      const totals = attempts.revoke(textParam(params, 'attempt'));
      if (totals === null) throw new CallFault('ATTEMPT_UNKNOWN', 'no such attempt was ever opened');
      return totals;
    },
    totals: async () => ({ attempts: attempts.all().map((attempt) => attempt.totals()) }),
    events: async (call) => {
      await call.reply({});
      for await (const event of events.follow(numberParam(call.params, 'after'), call.signal))
        await writeLine(call, event);
    },
    request: (call) => serveRequestCall(gateway, call),
    toolbox: (call) => {
      const { params = {} } = call.params;
      const request = { method: textParam(call.params, 'method'), params: params as object };
      return toolboxes.relay(textParam(call.params, 'attempt'), request, call);
    },
    dials: (call) => relay.listen(call),
    dial: (call) => relay.accept(numberParam(call.params, 'id'), call),
    dialFailed: async ({ params }) => {
      const code = params.code === 'address-not-allowed' ? params.code : 'upstream-unreachable';
      relay.fail(numberParam(params, 'id'), new DialError(code, textParam(params, 'message')));
    },
  };
}

async function writeLine(call: Call, value: unknown): Promise<void> {
  await call.out.write(Buffer.from(`${JSON.stringify(value)}\n`));
}
