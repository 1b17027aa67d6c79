// Notes on their way between agents, in front of a host that is played.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { EventBody } from '../../src/events.ts';
import { MOST_NOTES } from '../../src/notes/leave.ts';
import type { ContextFile, OutboxNews } from '../../src/sandbox/sandbox.ts';
import type { AttemptRecord } from '../../src/state/records.ts';
import { openState, type State } from '../../src/state/state.ts';
import { NoteExchange } from '../../src/tasks/note-exchange.ts';
import type { AttemptId, ObjectId, RunId } from '../../src/types.ts';
import { PLACE } from '../support/queue.ts';

const NOTHING: OutboxNews = { files: [], refused: [], left: 0, more: false };

/** Outboxes and contexts in memory. */
class PlayedHost {
  readonly outboxes = new Map<AttemptId, Partial<OutboxNews>[]>();
  readonly asked: { readonly most: ReadonlyMap<AttemptId, number>; readonly final: boolean }[] = [];
  readonly puts: ReadonlyMap<AttemptId, readonly ContextFile[]>[] = [];
  isBroken = false;

  drop(id: AttemptId, ...texts: string[]): void {
    const files = texts.map((text) => ({ name: 'n.md', size: Buffer.byteLength(text), text }));
    this.outboxes.set(id, [...(this.outboxes.get(id) ?? []), { files }]);
  }

  async takeNotes(most: ReadonlyMap<AttemptId, number>, final: boolean): Promise<Map<AttemptId, OutboxNews>> {
    this.asked.push({ most, final });
    if (this.isBroken) throw new Error('the keeper is gone');
    return new Map([...most.keys()].map((id) => [id, { ...NOTHING, ...this.outboxes.get(id)?.shift() }]));
  }

  async putContext(contexts: ReadonlyMap<AttemptId, readonly ContextFile[]>): Promise<void> {
    this.puts.push(contexts);
  }

  /** What an agent reads now. */
  context(id: AttemptId): string {
    const files = this.puts.map((put) => put.get(id)).filter((put) => put !== undefined);
    return (
      files
        .at(-1)
        ?.find(({ name }) => name === 'notes.md')
        ?.content.toString() ?? ''
    );
  }
}

let directory: string;
let state: State;
let host: PlayedHost;
let events: EventBody[];
let exchange: NoteExchange;
let one: AttemptRecord;
let two: AttemptRecord;
beforeEach(() => {
  vi.useFakeTimers();
  directory = mkdtempSync(join(tmpdir(), 'orchestrate-exchange-'));
  state = openState(directory);
  host = new PlayedHost();
  events = [];
  exchange = new NoteExchange({ host, state, emit: (event) => events.push(event) });
  const task = { description: 'x', agent: 'test-engineer', priority: 'normal', dependsOn: [] } as const;
  state.addTasks([
    { ...task, title: 'one' },
    { ...task, title: 'two' },
  ]);
  const nothing = { deadline: null, budgetUsd: null, budgetTokens: null };
  const run = state.beginRun({ id: 'run' as RunId, pid: 1, base: 'a'.repeat(40) as ObjectId, ...nothing });
  [one, two] = [0, 1].map(() => state.claimNext(run, PLACE)?.attempt) as [AttemptRecord, AttemptRecord];
});
afterEach(() => {
  vi.useRealTimers();
  state.close();
  rmSync(directory, { recursive: true });
});

const looks = (count = 1) => vi.advanceTimersByTimeAsync(count * 1000);
const warnings = () => events.map((event) => (event.type === 'warning' ? event.message : event.type));

describe('while agents work', () => {
  it('one call looks into all outboxes, and one hands out what is new to those whom it concerns', async () => {
    exchange.join(one);
    exchange.join(two);
    await looks();
    expect(host.asked.map(({ most, final }) => [[...most], final])).toEqual([
      [
        [
          [one.id, MOST_NOTES],
          [two.id, MOST_NOTES],
        ],
        false,
      ],
    ]);
    host.puts.length = 0;
    host.drop(one.id, 'the API is at /v2');
    await looks();
    expect(host.puts.map((put) => [...put.keys()])).toEqual([[two.id]]);
    expect(host.context(two.id)).toContain('> the API is at /v2');
    expect(state.notes()).toMatchObject([{ from: { attempt: one.id }, kind: 'note', text: 'the API is at /v2' }]);
  });

  it('nothing is written while nothing is new, and nobody looks when nobody works', async () => {
    exchange.join(one);
    await looks();
    const { length } = host.puts;
    await looks(5);
    expect(host.puts).toHaveLength(length);
    await exchange.leave(one);
    const asked = host.asked.length;
    await looks(5);
    expect(host.asked).toHaveLength(asked);
  });

  it('what a person notes, and what the API engine shares, is handed out too', async () => {
    exchange.join(one);
    await looks();
    state.addNote({ attempt: null, kind: 'note', source: null, text: 'use tabs' });
    state.addNote({ attempt: two.id, kind: 'note', source: 'api:1', text: 'port 1 is taken' });
    await looks();
    expect(host.context(one.id)).toMatch(/> use tabs\n[\s\S]*> port 1 is taken\n/);
  });

  it('goes on when a look failed', async () => {
    exchange.join(one);
    host.isBroken = true;
    await looks();
    host.isBroken = false;
    host.drop(one.id, 'later');
    await looks();
    expect(state.notes()).toMatchObject([{ text: 'later' }]);
  });
});

describe('at the end of an agent', () => {
  it('all that is left is taken, in as many calls as it needs', async () => {
    exchange.join(one);
    host.outboxes.set(one.id, [
      { files: [{ name: 'a', size: 1, text: 'a' }], more: true },
      { files: [{ name: 'b', size: 1, text: 'b' }] },
    ]);
    await exchange.leave(one);
    expect(host.asked.map(({ final }) => final)).toEqual([true, true]);
    expect(state.notes().map(({ text }) => text)).toEqual(['a', 'b']);
  });

  it('nobody waits for the end of an outbox that never ends', async () => {
    host.outboxes.set(
      one.id,
      Array.from({ length: 1000 }, () => ({ more: true })),
    );
    await exchange.take(one);
    expect(host.asked.length).toBeLessThan(50);
  });

  it('keeps as many as an attempt may leave, though a keeper that was started anew tells them again', async () => {
    const texts = Array.from({ length: 60 }, (_, at) => `note ${at}`);
    const files = texts.map((text) => ({ name: 'n', size: text.length, text }));
    host.outboxes.set(one.id, [
      { files: files.slice(0, 49) },
      { files: files.slice(0, 49), left: 11 },
      { files: files.slice(49) },
    ]);
    await exchange.take(one);
    await exchange.leave(one);
    expect(state.notes().map(({ text }) => text)).toEqual(texts.slice(0, 50));
    expect(warnings()).toHaveLength(6);
    expect(warnings().at(-1)).toBe('5 more files in its outbox were refused');
    expect(warnings()[0]).toContain('an attempt may leave 50 notes');
  });

  it('says how many files were refused, and names the first of them', async () => {
    const refused = Array.from({ length: 9 }, (_, at) => ({ name: `f${at}`, reason: 'is a symbolic link' }));
    host.outboxes.set(one.id, [{ refused }]);
    await exchange.leave(one);
    expect(warnings()).toEqual([
      ...[0, 1, 2, 3, 4].map((at) => `the file f${at} in its outbox is no note: it is a symbolic link`),
      '4 more files in its outbox were refused',
    ]);
    expect(events).toMatchObject(events.map(() => ({ task: 'one', attempt: 'one.1' })));
  });

  it('is told when they could not be read, and is no reason for anything else', async () => {
    host.isBroken = true;
    await exchange.leave(one);
    expect(warnings()).toEqual(['its notes could not be read: the keeper is gone']);
  });
});

it('a note that is told again, because a coordinator was killed, is kept once', async () => {
  host.drop(one.id, 'once');
  host.drop(one.id, 'once', 'twice');
  await exchange.take(one);
  await new NoteExchange({ host, state, emit: () => {} }).take(one);
  expect(state.notes().map(({ text }) => text)).toEqual(['once', 'twice']);
});

it('an attempt that starts knows what is there', () => {
  expect(exchange.knownTo(one.id).prompt).toBeNull();
  state.addNote({ attempt: null, kind: 'note', source: null, text: 'use tabs' });
  const { prompt, contextFiles } = exchange.knownTo(one.id);
  expect(prompt).toContain('> use tabs');
  expect(contextFiles.map(({ name }) => name)).toEqual(['notes.json', 'notes.md']);
  const [json] = contextFiles;
  expect(JSON.parse(json?.content.toString() ?? '')).toMatchObject({
    notes: [{ id: 1, from: 'person', kind: 'note', text: 'use tabs' }],
  });
});
