/** Agents of the API engine in front of a scripted model, with whatever sandbox a test gives them. */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type ApiOptions, apiEngine } from '../../src/engine/api/api-engine.ts';
import type { AgentEvent, Assignment, Drive, Engine, EngineVerdict } from '../../src/engine/engine.ts';
import type { Toolbox, ToolCall } from '../../src/toolbox/toolbox.ts';
import type { TaskId } from '../../src/types.ts';
import { Gate } from './model-server/gate.ts';
import { inputCost } from './model-server/prompt-cache.ts';
import { answersSoFar, type Script } from './model-server/script.ts';
import { ModelServer } from './model-server/server.ts';

/** A model takes its time before it begins: whoever does not wait for the first answer has asked by then. */
const THINKING_MS = 500;

export function assignment(task = 'add-login', description = 'Add a login'): Assignment {
  return { task: task as TaskId, attempt: 1, role: 'backend-systems-engineer', title: 'A task', description };
}

/** What the gateway does for an agent: the way to the service. */
export function fetchOf(server: ModelServer): typeof globalThis.fetch {
  return (input, init) => {
    const { pathname, search } = new URL(input instanceof Request ? input.url : input);
    return fetch(`${server.url}${pathname}${search}`, init);
  };
}

/** Answers every call at once; for tests that are about something else. */
export class PaperToolbox implements Toolbox {
  readonly calls: ToolCall[] = [];
  readonly acknowledged: number[] = [];
  finished = 0;

  async call(call: ToolCall): Promise<{ text: string; isError: boolean }> {
    this.calls.push(call);
    return { text: `ran ${call.n}`, isError: false };
  }

  async acknowledge(n: number): Promise<void> {
    this.acknowledged.push(n);
  }

  async finish(): Promise<void> {
    this.finished += 1;
  }
}

export class TestAgent implements AsyncDisposable {
  readonly events: AgentEvent[] = [];
  readonly aborter = new AbortController();

  private constructor(readonly folder: string) {}

  static async create(): Promise<TestAgent> {
    return new TestAgent(await mkdtemp(path.join(tmpdir(), 'api-agent-')));
  }

  /** Works a task, or goes on with it: what an earlier one saved is in the folder. */
  async drive(
    parts: Pick<Drive, 'toolbox' | 'fetch'>,
    how: {
      readonly options?: Partial<ApiOptions>;
      readonly engine?: Engine;
      readonly assignment?: Assignment;
      readonly earlierFolder?: string;
    } = {},
  ): Promise<EngineVerdict> {
    const engine = how.engine ?? apiEngine({ retryMs: 1, ...how.options });
    const session = engine.begin(how.assignment ?? assignment(), null);
    if (session.drive === undefined) throw new Error('the API engine thinks on this side');
    return session.drive({
      ...parts,
      folder: this.folder,
      earlierFolder: how.earlierFolder ?? null,
      signal: this.aborter.signal,
      emit: (event) => this.events.push(event),
    });
  }

  /** All that it said. */
  get text(): string {
    return this.events.map((event) => (event.type === 'text' ? event.text : '')).join('');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.folder, { recursive: true, force: true });
  }
}

/**
 * What agents that all start at once pay for what they send, in tokens at the price of plain input: each asks for one tool
 * and ends, in front of a service with a prompt cache.
 */
export async function costOfAgents(count: number, engineOf: (agent: number) => Engine): Promise<number> {
  const script: Script = (request) => {
    if (answersSoFar(request) > 0) return { tools: [{ name: 'finish', input: { summary: 'all done' } }] };
    const gate = new Gate();
    setTimeout(() => gate.open(), THINKING_MS);
    return { tools: [{ name: 'bash', input: { command: 'ls' } }], gate };
  };
  await using service = await ModelServer.start({ script });
  const agents = Array.from({ length: count }, async (_, at) => {
    await using one = await TestAgent.create();
    const parts = { toolbox: new PaperToolbox(), fetch: fetchOf(service) };
    const verdict = await one.drive(parts, { engine: engineOf(at), assignment: assignment(`task-${at}`) });
    if (!verdict.done) throw new Error(verdict.reason);
    return one.events.filter((event) => event.type === 'usage').at(-1)?.usage;
  });
  const usages = (await Promise.all(agents)).flatMap((usage) => (usage === undefined ? [] : [usage]));
  if (usages.length < count) throw new Error('an agent told no usage');
  return usages.reduce(
    (sum, { inputTokens: input, cacheReadTokens: cacheRead, cacheWriteTokens: cacheWrite }) =>
      sum + inputCost({ input, cacheRead, cacheWrite }),
    0,
  );
}
