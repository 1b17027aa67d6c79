// Model requests through the gateway's real program, against scripted services: who is let in, what is passed on, what is counted.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AttemptAccess } from '../../src/gateway/protocol.ts';
import { access, configuration, KEY, LocalGateway, MODEL } from '../support/gateway.ts';
import { ModelServer } from '../support/model-server/server.ts';

let gateway: LocalGateway;
let service: ModelServer;
let agent: AttemptAccess;

beforeAll(async () => {
  service = await ModelServer.start({
    key: KEY,
    script: () => ({ text: 'Hello.', usage: { input: 100, output: 20 } }),
  });
  gateway = await LocalGateway.start();
  await gateway.client.configure(configuration(service.url));
  agent = access('task.1');
  await gateway.client.open(agent);
});

afterAll(async () => {
  await gateway[Symbol.asyncDispose]();
  await service[Symbol.asyncDispose]();
});

describe('a request with the token', () => {
  it('reaches the service with the key in its place, byte for byte', async () => {
    const body = Buffer.from(
      `{ "model" : "${MODEL}","max_tokens":1000,"messages":[{"role":"user","content":"\\u0048i"}]  }`,
    );
    const reply = await gateway.ask({ token: agent.token, path: '/v1/messages?beta=true', body });
    expect(reply.status).toBe(200);
    expect(JSON.parse(reply.body).content).toEqual([{ type: 'text', text: 'Hello.' }]);
    const received = service.requests.at(-1);
    expect(received?.raw).toEqual(body);
    expect(received?.path).toBe('/v1/messages?beta=true');
    expect(received?.headers['x-api-key']).toBe(KEY);
  });
});
