/** One GET or HEAD of an attempt to an allowed host: judged, passed on, answered, told to the audit. */

import type { IncomingMessage, ServerResponse } from 'node:http';
import {
  admit,
  Denial,
  denialOf,
  type EgressAttempt,
  type EgressParts,
  elapsed,
  open,
  placeOf,
  report,
  shown,
} from './egress.ts';
import { type Relayed, relayRequest } from './http-relay.ts';
import { type AbsoluteTarget, closing, mustAgree, mustRead, refuse } from './proxy-request.ts';

export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly attempt: EgressAttempt;
}

/** How the links of a host are changed that the client knows by another name. */
export interface Links {
  /** @param name `host`, `host:port` */
  readonly of: (name: string) => Relayed['links'];
  /** Beside those in `Location`. */
  readonly inDocuments: boolean;
}

/**
 * Answers in every case; never rejects.
 * @param url null: what was asked for is no URL
 * @param links null: the client asks for the host by its own name
 */
export async function serveRead(
  parts: EgressParts,
  { request, response, attempt }: Exchange,
  url: AbsoluteTarget | null,
  links: Links | null,
): Promise<void> {
  const began = performance.now();
  const host = url === null ? shown(request.url ?? '') : placeOf(url.host, url.port);
  const method = shown(request.method ?? '');
  const path = url === null ? null : shown(url.path);
  const audit = { attempt: attempt.attempt, method, host, path, bytesIn: 0, bytesOut: 0, ms: 0 };
  const client = closing(response);
  const signal = AbortSignal.any([attempt.signal, client]);
  request.resume();
  try {
    if (url === null) throw new Denial(host, 'bad-request', 'the target is not a URL of a host and a path');
    const verdict = admit(attempt, url);
    if (links === null) mustAgree(request, verdict.host, url.port);
    mustRead(request, host);
    const tls = url.scheme === 'https';
    const connection = await open(parts, { ...verdict, port: url.port, tls }, signal);
    const name = url.port === url.defaultPort ? verdict.host : host;
    const { status, bytesIn } = await relayRequest(request, response, connection, {
      scheme: url.scheme,
      path: url.path,
      host: name,
      authorization: tls || verdict.inside ? verdict.authorization : null,
      links: links?.of(name) ?? [],
      linksInDocuments: links?.inDocuments ?? false,
      signal,
    });
    parts.onAudit({ ...audit, bytesIn, ms: elapsed(began), status, reason: null });
  } catch (error) {
    const denial = denialOf(error, attempt, host, client);
    report(parts, { ...audit, ms: elapsed(began) }, denial);
    if (denial !== null) refuse(response, denial);
  }
}
