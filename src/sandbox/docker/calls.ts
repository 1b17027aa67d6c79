/**
 * The one way of all calls to a Docker engine: each has a time limit until it is answered (docker-modem has none), and none
 * outlives an engine that is gone. What follows an answer (a log, an exec, a build's progress) goes on as long as it likes.
 */

import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import type { Duplex, Readable } from 'node:stream';
import type Docker from 'dockerode';
import type { OrchestrateError } from '../../errors.ts';
import { engineTimeout } from './engine-errors.ts';
import { EngineHealth, HEALTH_TIMES } from './health.ts';

const SECOND_MS = 1000;

/** The first that fits counts; null: it is answered when it is over, whenever that is. */
const LIMITS: readonly { readonly call: RegExp; readonly seconds: number | null }[] = [
  { call: /^GET \/(_ping|version|info)/, seconds: 10 },
  { call: /^POST \/containers\/[^/]+\/wait/, seconds: null },
  // The engine copies, unpacks or walks files meanwhile.
  { call: /^(POST \/(build|commit|images\/(load|create))|GET \/images\/get)/, seconds: 3600 },
  { call: /^PUT \/containers\/[^/]+\/archive/, seconds: 600 },
  { call: /^DELETE /, seconds: 120 },
  { call: /^GET \/(system\/df|containers\/json\?.*size=)/, seconds: 300 },
  { call: /./, seconds: 25 },
];

interface Request {
  readonly method: string;
  readonly path: string;
  readonly isStream?: boolean;
  readonly hijack?: boolean;
  readonly openStdin?: boolean;
  readonly options?: unknown;
  abortSignal?: AbortSignal | undefined;
}

type Answered = (error: unknown, answer: unknown) => void;

interface Modem {
  dial(request: Request, answered: Answered): void;
  readonly protocol?: string;
  agent?: unknown;
}

const KNOWN = new WeakMap<object, EngineHealth>();

/** The engine's health; the first time, limits are put on all calls through `docker`. */
export function healthOf(docker: Docker): EngineHealth {
  return KNOWN.get(docker.modem) ?? limitCalls(docker);
}

/** Of an engine that is not simply on a socket. */
interface PingWay {
  /** Keeps no connection open. */
  readonly agent: HttpAgent;
  readonly whyGone: (cause: unknown) => OrchestrateError | null;
}

/** To be called once. @param way of pings; not given: straight to where the calls go */
export function limitCalls(docker: Docker, times = HEALTH_TIMES, way: PingWay | null = null): EngineHealth {
  const modem = docker.modem as Modem;
  const agent =
    way?.agent ?? (modem.protocol === 'https' ? new HttpsAgent({ rejectUnauthorized: true }) : new HttpAgent());
  const line = { ping: pingOf(modem, agent), hold: (signal: AbortSignal) => openEvents(modem, signal) };
  const health = new EngineHealth({ ...line, ...(way === null ? {} : { whyGone: way.whyGone }) }, times);
  const dial = modem.dial.bind(modem);
  modem.dial = (request, answered) => call(request, answered, { dial, health });
  KNOWN.set(modem, health);
  return health;
}

interface Line {
  readonly dial: Modem['dial'];
  readonly health: EngineHealth;
}

function call(request: Request, answered: Answered, { dial, health }: Line): void {
  const { gone } = health;
  if (gone.aborted) {
    process.nextTick(answered, gone.reason, null);
    return;
  }
  const own = new AbortController();
  let stream: Duplex | null = null;
  let isOver = false;
  const over = (error: unknown, answer: unknown): void => {
    if (isOver) return;
    isOver = true;
    clearTimeout(timer);
    if (stream === null) release();
    answered(error, answer);
  };
  const giveUp = (reason: unknown): void => {
    stream?.destroy(reason as Error);
    over(reason, null);
    own.abort(reason);
  };
  const onGone = (): void => giveUp(gone.reason);
  const onAbort = (): void => giveUp(request.abortSignal?.reason);
  const release = (): void => {
    gone.removeEventListener('abort', onGone);
    asked?.removeEventListener('abort', onAbort);
  };
  const limitMs = limitOf(request);
  const timer =
    limitMs === null ? undefined : setTimeout(() => giveUp(engineTimeout(nameOf(request), limitMs)), limitMs);
  const asked = request.abortSignal;
  gone.addEventListener('abort', onGone, { once: true });
  asked?.addEventListener('abort', onAbort, { once: true });
  if (asked?.aborted === true) {
    onAbort();
    return;
  }
  dial({ ...request, abortSignal: own.signal }, (error, answer) => {
    if (error === null || hasStatus(error)) health.answered();
    // docker-modem never ends a request whose input was to go on; refused, its connection would keep the process alive.
    if (error !== null && request.openStdin === true) own.abort();
    if (error === null && (request.isStream === true || request.hijack === true)) {
      stream = answer as Duplex;
      // Nobody may be reading it.
      stream.on('error', () => {});
      // Whoever was told that there is no answer reads none.
      if (isOver) stream.destroy();
      stream.once('close', release);
    }
    over(error, answer);
  });
}

/** Over a connection of its own: one that is kept open is served for a while by an engine that is being stopped. */
function pingOf(modem: Modem, agent: HttpAgent): (limitMs: number) => Promise<void> {
  const own: Modem = Object.assign(Object.create(modem) as Modem, { agent });
  const dial = modem.dial;
  return (limitMs) =>
    new Promise((resolve, reject) => {
      const late = new AbortController();
      const timer = setTimeout(() => late.abort(new Error(`no answer within ${limitMs / 1000} s`)), limitMs);
      const request = { path: '/_ping', method: 'GET', statusCodes: { 200: true }, abortSignal: late.signal };
      dial.call(own, request, (error) => {
        clearTimeout(timer);
        if (error === null) resolve();
        else reject(late.signal.aborted ? new Error(`no answer within ${limitMs / SECOND_MS} s`) : error);
      });
    });
}

/** The engine's events about itself: next to none. */
function openEvents(modem: Modem, abortSignal: AbortSignal): Promise<Readable> {
  return new Promise((resolve, reject) => {
    const request = {
      ...{ path: '/events?', method: 'GET', isStream: true, abortSignal },
      statusCodes: { 200: true, 400: 'bad parameter', 500: 'server error' },
      options: { filters: JSON.stringify({ type: ['daemon'] }) },
    };
    modem.dial(request, (error, events) => {
      if (error === null) resolve(events as Readable);
      else reject(error);
    });
  });
}

function limitOf(request: Request): number | null {
  const name = nameOf(request);
  const seconds = LIMITS.find(({ call: pattern }) => pattern.test(name))?.seconds ?? null;
  if (seconds === null) return null;
  // A stop takes as long as it waits itself.
  const { t = 0 } = (/\/stop$/.test(name) ? (request.options ?? {}) : {}) as { t?: number };
  return (seconds + t) * SECOND_MS;
}

function nameOf({ method, path, options }: Request): string {
  const isSized =
    path.startsWith('/containers/json') && typeof options === 'object' && options !== null && 'size' in options;
  return `${method} ${path.replace(/\?.*/, '')}${isSized ? '?size=' : ''}`;
}

function hasStatus(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'statusCode' in error;
}
