/**
 * Private registries for clients that cannot be given a token: `/registry/<host>[:port]/…` at the gateway is
 * `https://<host>/…` with the rule's authorization. TLS ends here; links in metadata lead back here.
 */

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { EgressAttempt, EgressParts } from './egress.ts';
import { GATEWAY_PORT } from './protocol.ts';
import { parseAbsolute } from './proxy-request.ts';
import { serveRead } from './read-request.ts';
import type { Replacement } from './replace.ts';

export const REGISTRY_PREFIX = '/registry/';

export class RegistryProxy {
  readonly #parts: EgressParts;

  constructor(parts: EgressParts) {
    this.#parts = parts;
  }

  /** Serves a request whose path begins with {@link REGISTRY_PREFIX}. */
  request(request: IncomingMessage, response: ServerResponse, attempt: EgressAttempt): void {
    const url = parseAbsolute(`https://${(request.url ?? '').slice(REGISTRY_PREFIX.length)}`);
    void serveRead(this.#parts, { request, response, attempt }, url, linksOf);
  }
}

/** Of the registry's own URLs (plain, and as JSON may escape them) to those of this proxy. */
function linksOf(name: string): readonly Replacement[] {
  const here = `http://127.0.0.1:${GATEWAY_PORT}${REGISTRY_PREFIX}${name}/`;
  return ['https', 'http'].flatMap((scheme) => {
    const there = `${scheme}://${name}/`;
    return [there, there.replaceAll('/', '\\/')].map((link) => ({ find: Buffer.from(link), put: Buffer.from(here) }));
  });
}
