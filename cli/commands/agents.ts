/** `agents`: who is working on what now. */

import { sanitiseLine } from '../../src/sanitise.ts';
import type { AttemptRecord, RunRecord, TaskRecord } from '../../src/state/records.ts';
import type { State } from '../../src/state/state.ts';
import type { Context } from '../context.ts';
import { lastLineOf } from '../last-line.ts';
import { liveRun } from '../live-run.ts';
import { runJson } from '../render/json.ts';
import { age, coloursOf, count, tableOf } from '../render/text.ts';

/** As much of the last line as a table shows. */
const LINE_WIDTH = 60;

export interface AgentJson {
  readonly agent: string;
  readonly task: string;
  readonly title: string;
  readonly attempt: string;
  /** `creating`, `running` or `collecting`; `paused` while its task is. */
  readonly status: string;
  readonly phase: number;
  readonly host: string;
  readonly engine: string;
  /** When the attempt began. */
  readonly startedAt: string | null;
  readonly lastLine: string | null;
}

export async function agents(context: Context): Promise<number> {
  const state = await context.readState();
  const run = state === null ? null : liveRun(state);
  const working = state === null ? [] : await Promise.all(state.unendedAttempts().map((each) => agentOf(state, each)));
  if (context.json) {
    const spent = run === null || state === null ? null : runJson(run, state.usageOfRun(run.id));
    context.printJson({ run: spent, agents: working });
  } else context.print(`${headOf(run, working.length)}\n${await table(context, working)}`);
  return 0;
}

async function agentOf(state: State, attempt: AttemptRecord): Promise<AgentJson> {
  const task: TaskRecord = state.task(attempt.task);
  return {
    agent: task.agent,
    task: task.id,
    title: task.title,
    attempt: attempt.id,
    status: task.state === 'paused' ? 'paused' : attempt.state,
    phase: task.phase,
    host: attempt.host,
    engine: attempt.engine,
    startedAt: task.startedAt,
    lastLine: await lastLineOf(state.directory, attempt.id),
  };
}

function headOf(run: RunRecord | null, working: number): string {
  if (run !== null) return `${count(working, 'agent')} at work in run ${run.id} (pid ${run.pid})`;
  if (working === 0) return 'No agent is at work.';
  return `No run is at work; one that was cut off left ${count(working, 'agent')}, which the next \`orchestrate run\` takes up:`;
}

async function table(context: Context, working: readonly AgentJson[]): Promise<string> {
  if (working.length === 0) return '';
  const header = ['AGENT', 'TASK', 'ATTEMPT', 'STATE', 'PHASE', 'HOST', 'SINCE', 'LAST OUTPUT'];
  const [first = '', ...lines] = (await tableOf([header, ...working.map(row)])).split('\n');
  return `\n${coloursOf(context.colour).bold(first)}\n${lines.join('\n')}`;
}

function row(agent: AgentJson): string[] {
  const line = agent.lastLine ?? '-';
  return [
    sanitiseLine(agent.agent),
    agent.task,
    agent.attempt.slice(agent.task.length + 1),
    agent.status,
    String(agent.phase),
    sanitiseLine(agent.host),
    agent.startedAt === null ? '-' : age(Date.now() - Date.parse(agent.startedAt)),
    line.length > LINE_WIDTH ? `${line.slice(0, LINE_WIDTH - 1)}…` : line,
  ];
}
