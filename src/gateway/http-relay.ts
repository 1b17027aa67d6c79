/** Passes one GET or HEAD on over a connection of its own, with headers that are made anew in both directions. */

import { request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Redactor, secretsOf } from './redact.ts';
import { type Replacement, Replacer, replacing } from './replace.ts';

/** From the request to the head of the answer. */
const ANSWER_TIMEOUT_MS = 120_000;
/** Between two pieces of the body. */
const IDLE_TIMEOUT_MS = 120_000;

/** What downloads need; nothing that says who asks. */
const PASSED_ON = [
  ...['accept', 'accept-encoding', 'accept-language', 'cache-control', 'if-match', 'if-modified-since'],
  ...['if-none-match', 'if-range', 'if-unmodified-since', 'pragma', 'range', 'user-agent'],
];

/** Hop by hop, or meant for somebody else than the agent. */
const NOT_PASSED_BACK = new Set([
  ...[
    'connection',
    'keep-alive',
    'proxy-authenticate',
    'proxy-authentication-info',
    'proxy-connection',
    'te',
    'trailer',
  ],
  ...['transfer-encoding', 'upgrade', 'set-cookie', 'set-cookie2', 'alt-svc', 'x-orchestrate-reason'],
]);

/** Documents that tell clients where to go on. */
const WITH_LINKS = /^(?:text\/html|application\/(?:[\w.+-]+\+)?(?:json|html))\b/i;

export interface Relayed {
  readonly scheme: 'http' | 'https';
  /** Origin form. */
  readonly path: string;
  /** For the header of that name. */
  readonly host: string;
  /** The header of that name, in place of the client's; never passed back, in no encoding. Null: none is sent. */
  readonly authorization: string | null;
  /** How URLs in `Location` are changed. */
  readonly links: readonly Replacement[];
  /** And those in JSON and HTML. */
  readonly linksInDocuments: boolean;
  /** Cuts it. */
  readonly signal: AbortSignal;
}

/**
 * Resolves when the answer is passed on whole; the connection is closed then.
 * @throws when it cannot be; nothing was answered yet unless `response.headersSent`
 */
export async function relayRequest(
  request: IncomingMessage,
  response: ServerResponse,
  connection: Duplex,
  relayed: Relayed,
): Promise<{ readonly status: number; readonly bytesIn: number }> {
  const { signal, authorization, links, linksInDocuments } = relayed;
  const cut = () => connection.destroy();
  signal.addEventListener('abort', cut);
  try {
    signal.throwIfAborted();
    const answer = await ask(connection, request, relayed);
    const status = answer.statusCode ?? 502;
    const type = answer.headers['content-type'] ?? '';
    const relink = linksInDocuments && WITH_LINKS.test(type) && answer.headers['content-encoding'] === undefined;
    const redactor = new Redactor(authorization === null ? [] : secretsOf(authorization));
    const changes = [...(relink ? [replacing(links)] : []), ...(authorization === null ? [] : [redactor.stream()])];
    const headers = keptOf(answer.rawHeaders)
      .filter(([name]) => changes.length === 0 || name.toLowerCase() !== 'content-length')
      .map(([name, value]) => [
        name,
        redactor.text(name.toLowerCase() === 'location' ? relinked(value, relayed) : value),
      ]);
    let bytesIn = 0;
    const timer = setTimeout(() => connection.destroy(new Error('no byte in time')), IDLE_TIMEOUT_MS);
    answer.once('close', () => clearTimeout(timer));
    response.writeHead(status, headers.flat());
    await pipeline([
      answer.on('data', (chunk: Buffer) => {
        bytesIn += chunk.length;
        timer.refresh();
      }),
      ...changes,
      response,
    ]);
    return { status, bytesIn };
  } finally {
    signal.removeEventListener('abort', cut);
    connection.destroy();
  }
}

function ask(connection: Duplex, request: IncomingMessage, relayed: Relayed): Promise<IncomingMessage> {
  const { path, host, authorization, linksInDocuments } = relayed;
  const passedOn = PASSED_ON.flatMap((name) => {
    const value = request.headers[name];
    return typeof value === 'string' ? [[name, value]] : [];
  });
  return new Promise((resolve, reject) => {
    const outgoing = httpRequest({
      method: request.method === 'HEAD' ? 'HEAD' : 'GET',
      path,
      headers: {
        ...Object.fromEntries(passedOn),
        ...(authorization === null ? {} : { authorization }),
        // What is to be changed on its way back must be readable.
        ...(authorization === null && !linksInDocuments ? {} : { 'accept-encoding': 'identity' }),
        host,
      },
      setHost: false,
      createConnection: () => connection,
    });
    const timer = setTimeout(() => outgoing.destroy(new Error('no answer in time')), ANSWER_TIMEOUT_MS);
    outgoing
      .once('response', resolve)
      .on('error', reject)
      .once('close', () => reject(new Error('the connection was closed before an answer')))
      .end();
    outgoing.once('response', () => clearTimeout(timer)).once('close', () => clearTimeout(timer));
  });
}

/** Relative ones are made absolute, since the client would take them to be relative to us. */
function relinked(location: string, { scheme, host, path, links }: Relayed): string {
  if (links.length === 0) return location;
  const replacer = new Replacer(links);
  const absolute = URL.parse(location, `${scheme}://${host}${path}`)?.href ?? location;
  return Buffer.concat([replacer.push(Buffer.from(absolute)), replacer.end()]).toString();
}

function keptOf(raw: readonly string[]): readonly (readonly [name: string, value: string])[] {
  const all = raw.flatMap((name, index) => (index % 2 === 0 ? [[name, raw[index + 1] ?? ''] as const] : []));
  const named = all.filter(([name]) => name.toLowerCase() === 'connection').flatMap(([, value]) => value.split(','));
  const hops = new Set(named.map((name) => name.trim().toLowerCase()));
  return all.filter(([name]) => !NOT_PASSED_BACK.has(name.toLowerCase()) && !hops.has(name.toLowerCase()));
}
