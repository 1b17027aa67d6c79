/**
 * Private registries for clients that cannot be given a token: `/registry/<host>[:port]/…` at the gateway is
 * `https://<host>/…` with the rule's authorization. TLS ends here; links in metadata lead back here.
 *
 * Not for npm, whose lock files would keep such links: with `replace-registry-host=always` it finds the way back by itself.
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
    // pip escapes the colon of a port.
    const place = (request.url ?? '').slice(REGISTRY_PREFIX.length).replace(/^([^/%]*)%3a/i, '$1:');
    const url = parseAbsolute(`https://${place}`);
    const inDocuments = !/^npm\//.test(request.headers['user-agent'] ?? '');
    void serveRead(this.#parts, { request, response, attempt }, url, { of: linksOf, inDocuments });
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
