/**
 * What an OpenAI Responses request may ask for (the API's reference for fields, tools and items). The same line is drawn as
 * for Anthropic: what the model service itself would fetch, run or remember is refused by name, the rest passes.
 */

import type { ModelRequest } from './model-request.ts';
import { countOf, denyFeature, inputTokensOf, modelOf, objectsIn, streamOf } from './request-rules.ts';
import { isObject, type JsonObject } from './strict-json.ts';

/** Types of built-in tools, with dates and `_preview` or without. */
const SERVER_TOOL = /^(?:web_search|file_search|code_interpreter|computer|mcp|image_generation)/;
/**
 * State on the service's side, which also makes the size of the input unknown. Responses may be stored: nothing here
 * could ask for one again.
 */
const DENIED_FIELDS = ['previous_response_id', 'conversation', 'prompt', 'background'];
/** Tiers with a price of their own. */
const DEAR_TIERS: ReadonlySet<unknown> = new Set(['priority', 'fast']);
/** Below these is the client's data: schemas and arguments of tools. */
const CLIENT_DATA = new Set(['parameters', 'arguments', 'schema', 'metadata']);
/** What is set aside for an answer whose length the client does not limit. */
const DEFAULT_MAX_OUTPUT = 32_000;

/** @throws Refusal */
export function readOpenAi(json: JsonObject, bodyBytes: number): ModelRequest {
  for (const name of DENIED_FIELDS) {
    const value = json[name];
    if (value !== undefined && value !== null && value !== false) denyFeature(name);
  }
  if (DEAR_TIERS.has(json.service_tier)) denyFeature(`service_tier "${json.service_tier}"`);
  const pictures: number[] = [];
  for (const object of objectsIn(json, CLIENT_DATA)) {
    if (Array.isArray(object.tools)) for (const tool of object.tools) refuseServerTool(tool);
    refuseRemoteContent(object);
    if (typeof object.image_url === 'string') pictures.push(object.image_url.length);
  }
  const { max_output_tokens: max } = json;
  return {
    models: [modelOf(json)],
    stream: streamOf(json),
    maxOutput: max === undefined || max === null ? DEFAULT_MAX_OUTPUT : countOf(max, 'max_output_tokens'),
    inputTokens: inputTokensOf(bodyBytes, pictures),
    hourCache: false,
  };
}

function refuseServerTool(tool: unknown): void {
  if (!isObject(tool) || typeof tool.type !== 'string') return;
  if (SERVER_TOOL.test(tool.type)) denyFeature(`the server tool ${tool.type}`);
  // A shell is the client's own unless it names a container of the service.
  if (isObject(tool.environment) && tool.environment.type !== 'local') denyFeature(`a container for ${tool.type}`);
}

function refuseRemoteContent(object: JsonObject): void {
  const { image_url: image, file_url: file, file_id: id } = object;
  if (typeof image === 'string' && !image.startsWith('data:')) denyFeature('an image_url that is not a data: URL');
  if (isObject(image)) denyFeature('an image_url that is an object');
  if (typeof file === 'string') denyFeature('file_url');
  if (typeof id === 'string') denyFeature('file_id');
}
