/**
 * What an Anthropic Messages request may ask for (the API's reference for fields, tool types and content blocks). Tools
 * that the model service itself runs, and sources that it fetches, are refused by name; unknown fields pass, or every
 * release of a client would break.
 */

import type { ModelRequest } from './model-request.ts';
import { Refusal } from './refusal.ts';
import { countOf, denyFeature, inputTokensOf, modelOf, objectsIn, streamOf } from './request-rules.ts';
import { isObject, type JsonObject } from './strict-json.ts';

/** Tool types with or without a date: `web_search_20250305`. A tool of the client may be *named* WebSearch: that is its own. */
const SERVER_TOOL = /^(?:(?:web_search|web_fetch|code_execution|advisor)(?:_\d+)?|mcp_toolset)$/;
/** Betas that let requests name what lies on the service's side. */
const SERVER_BETA = /^(?:mcp-client|mcp-tunnels|code-execution|web-fetch|files-api|skills|managed-agents)-/;
/**
 * Content from elsewhere (`container`, `mcp_servers`, `thread`), and what changes the price behind the meter's back.
 * False and empty lists ask for nothing.
 */
const DENIED_FIELDS = ['mcp_servers', 'container', 'skills', 'thread', 'inference_geo', 'anthropic_beta', 'betas'];
/** Below these the client's data is not the service's business: schemas and arguments of tools. */
const CLIENT_DATA = new Set(['input', 'input_schema', 'input_examples', 'schema', 'metadata']);

/** @throws Refusal */
export function readAnthropic(
  route: 'messages' | 'count-tokens',
  json: JsonObject,
  wire: { readonly body: Buffer; readonly betas: string },
): ModelRequest {
  for (const name of DENIED_FIELDS) if (asksForSomething(json[name])) denyFeature(name);
  if (json.speed === 'fast') denyFeature('speed "fast"');
  for (const beta of wire.betas.split(',')) if (SERVER_BETA.test(beta.trim())) denyFeature(`the beta ${beta.trim()}`);
  const pictures: number[] = [];
  let hourCache = false;
  let compacts = false;
  for (const object of objectsIn(json, CLIENT_DATA)) {
    refuseServerSide(object);
    if (object.ttl === '1h') hourCache = true;
    if (typeof object.type === 'string' && object.type.startsWith('compact_')) compacts = true;
    if (object.type === 'base64' && typeof object.data === 'string' && isPicture(object)) {
      pictures.push(object.data.length);
    }
  }
  // A compaction reads the conversation and writes a summary, then the answer comes on top.
  const passes = compacts ? 2 : 1;
  return {
    models: [modelOf(json), ...fallbacksOf(json)],
    stream: streamOf(json),
    maxOutput: route === 'messages' ? countOf(json.max_tokens, 'max_tokens') * passes : 0,
    inputTokens: inputTokensOf(wire.body.length, pictures) * passes,
    hourCache,
  };
}

function refuseServerSide(object: JsonObject): void {
  const { type, source } = object;
  if (typeof type === 'string' && SERVER_TOOL.test(type)) denyFeature(`the server tool ${type}`);
  if (type === 'container_upload') denyFeature('container_upload');
  if (isObject(source) && (source.type === 'url' || source.type === 'file')) {
    denyFeature(`a source of the type "${source.type}"`);
  }
}

function isPicture(source: JsonObject): boolean {
  return typeof source.media_type === 'string' && source.media_type.startsWith('image/');
}

/** Models that the service may turn to by itself: they are held to the same list and prices. */
function fallbacksOf({ fallbacks }: JsonObject): readonly string[] {
  if (!asksForSomething(fallbacks)) return [];
  if (!Array.isArray(fallbacks)) return denyFeature("fallbacks by the service's own choice");
  return fallbacks.map((fallback: unknown) => {
    if (isObject(fallback)) return modelOf(fallback);
    throw new Refusal(400, 'bad-request', 'a fallback names no model');
  });
}

function asksForSomething(value: unknown): boolean {
  return value !== undefined && value !== null && value !== false && !(Array.isArray(value) && value.length === 0);
}
