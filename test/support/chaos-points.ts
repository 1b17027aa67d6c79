/** Where a run can be hit: each point by what passes to the engine, or by the git that is called there. */

import type { EngineProxy, Passage } from './engine-proxy.ts';
import type { GitCall, GitGate } from './git-gate.ts';
import type { Held, Placed } from './held.ts';

export interface Point {
  readonly name: string;
  readonly where: EnginePoint | GitCall;
  /** What of ours is in the engine by then; an agent has a keeper. */
  readonly has?: 'keeper' | 'agent';
  /** It only exists in a run after one that was killed here. */
  readonly afterKillAt?: string;
}

interface EnginePoint extends Passage {
  /** The first one after this has passed; not given: the first one. */
  readonly since?: Passage;
}

/** Names of the agents' containers: tasks are called by a letter and a number. */
const CREATE = { method: 'POST', path: /^\/containers\/create\?name=orchestrate-[0-9a-f]+-[a-z]\d+\.\d+&/ };
const CREATED: Passage = { ...CREATE, at: 'reply' };
const CREATE_KEEPER = { method: 'POST', path: /^\/containers\/create\?name=orchestrate-[0-9a-f]+-keeper-/ };
const START = { method: 'POST', path: /^\/containers\/[0-9a-f]{64}\/start/ };
const EXEC = { method: 'POST', path: /^\/exec\/[0-9a-f]{64}\/start/ };
const INSPECT = { method: 'GET', path: /^\/containers\/[0-9a-f]{64}\/json/ };
const REMOVE = { method: 'DELETE', path: /^\/containers\/[0-9a-f]{64}/ };

export const POINTS: readonly Point[] = [
  { name: 'before anything is in Docker', where: { method: 'POST', path: /^\/volumes\/create/, at: 'request' } },
  { name: 'store created', where: { method: 'POST', path: /^\/volumes\/create/, at: 'reply' } },
  { name: 'keeper created', where: { ...CREATE_KEEPER, at: 'reply' } },
  { name: 'keeper started', where: { ...START, at: 'reply' } },
  { name: 'copy in', has: 'keeper', where: { words: 'pack-objects', at: 'before', occurrence: 1 } },
  { name: 'copied in', has: 'keeper', where: { words: 'pack-objects', at: 'after', occurrence: 1 } },
  { name: 'intent written', has: 'keeper', where: { ...CREATE, at: 'request' } },
  { name: 'created', has: 'agent', where: CREATED },
  { name: 'start written', has: 'agent', where: { ...START, at: 'request', since: CREATED } },
  { name: 'started', has: 'agent', where: { ...START, at: 'reply', since: CREATED } },
  {
    name: 'log opened',
    has: 'agent',
    where: { method: 'GET', path: /^\/containers\/[0-9a-f]{64}\/logs/, at: 'reply' },
  },
  { name: 'exit seen', has: 'agent', where: { ...INSPECT, at: 'request', since: CREATED } },
  { name: 'collecting', has: 'agent', where: { words: 'fast-import', at: 'before', occurrence: 1 } },
  { name: 'result copied', has: 'agent', where: { words: 'unpack-objects', at: 'after', occurrence: 1 } },
  { name: 'patch to be stored', has: 'agent', where: { words: 'update-ref', at: 'before', occurrence: 1 } },
  { name: 'patch stored', has: 'agent', where: { words: 'update-ref', at: 'after', occurrence: 1 } },
  { name: 'snapshot dropped', has: 'agent', where: { words: 'update-ref', at: 'after', occurrence: 2 } },
  { name: 'end written', has: 'agent', where: { ...REMOVE, at: 'request', since: CREATED } },
  { name: 'agent removed', where: { ...REMOVE, at: 'reply', since: CREATED } },
  { name: 'closing', where: { method: 'DELETE', path: /-gateway\?/, at: 'request' } },
  { name: 'closed', where: { words: 'for-each-ref', at: 'before', occurrence: 1 } },
  { name: 'reaping', where: { ...REMOVE, at: 'request' }, afterKillAt: 'keeper started' },
  { name: 'reaped', where: { ...REMOVE, at: 'reply' }, afterKillAt: 'started' },
  {
    name: 'taking over',
    where: { method: 'GET', path: /^\/containers\/orchestrate-[0-9a-f]+-[a-z]\d+\.\d+\/json/, at: 'request' },
    afterKillAt: 'started',
  },
  { name: 'collecting again', where: { ...EXEC, at: 'reply' }, afterKillAt: 'exit seen' },
];

/** Holds the next run there, once; it is to be started with `env`. */
export async function place(
  { where }: Point,
  { proxy, gate }: { readonly proxy: EngineProxy; readonly gate: GitGate },
): Promise<Placed & { readonly env: Readonly<Record<string, string>> }> {
  return 'words' in where ? gate.place(where) : { ...placeInEngine(proxy, where), env: {} };
}

function placeInEngine(proxy: EngineProxy, where: EnginePoint): Placed {
  const removals: (() => void)[] = [];
  const withdraw = (): void => {
    for (const remove of removals) remove();
  };
  let isNear = where.since === undefined;
  if (where.since !== undefined) {
    removals.push(
      proxy.on(where.since, () => {
        isNear = true;
      }),
    );
  }
  const reached = new Promise<Held>((resolve) => {
    removals.push(
      proxy.on(where, (passing) => {
        if (!isNear) return;
        withdraw();
        return new Promise<void>((release) => {
          const drop = (): void => {
            passing.close();
            release();
          };
          resolve({ release, drop });
        });
      }),
    );
  });
  return { reached, withdraw };
}
