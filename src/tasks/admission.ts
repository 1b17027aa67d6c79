/** Lets the agent of an attempt in: its engine's session, what it is told first, and what it may reach. */

import type { Assignment } from '../engine/engine.ts';
import { OrchestrateError } from '../errors.ts';
import type { AttemptTotals } from '../gateway/protocol.ts';
import type { AttemptRecord, TaskRecord } from '../state/records.ts';
import type { Agent, AttemptContext } from './attempt-parts.ts';
import { Ties } from './ties.ts';

/** Of an agent that works already: where its role is gone meanwhile, it goes on without that role's tools, never with all. */
export function roleAtWork({ roleOf }: AttemptContext, name: string): Assignment['specialist'] {
  try {
    return roleOf?.(name);
  } catch (error) {
    if (error instanceof OrchestrateError && error.kind === 'usage') return { prompt: '', tools: [] };
    throw error;
  }
}

interface Admission {
  readonly specialist: Assignment['specialist'];
  readonly task: TaskRecord;
  readonly attempt: AttemptRecord;
}

export async function admitAgent(context: AttemptContext, { task, attempt, specialist }: Admission): Promise<Agent> {
  const { engine, gateway } = context;
  const ties = new Ties({ attempt, ...context });
  const { id, agent: role, title, description } = task;
  const known = context.notes.knownTo(attempt.id);
  const earlier = await context.earlier();
  const said = { title, description, notes: known.prompt, earlier };
  const assignment = { task: id, attempt: attempt.n, role, specialist, ...said };
  const access = gateway === null ? null : await gateway.admit(attempt.id, ties, attempt);
  let released: Promise<AttemptTotals | null> | null = null;
  const release = () => {
    released ??= gateway === null ? Promise.resolve(null) : settled(context, gateway.release(attempt.id));
    return released;
  };
  const shutOut = async (): Promise<void> => void (await release().catch(() => {}));
  try {
    const session = engine.begin(assignment, access);
    return { session, access, ties, known, earlier, release, [Symbol.asyncDispose]: shutOut };
  } catch (error) {
    await shutOut();
    throw error;
  }
}

/** What is written down is right from then on, however the attempt ends. */
async function settled(
  { onUsage, onUnsettled }: AttemptContext,
  totals: Promise<AttemptTotals>,
): Promise<AttemptTotals> {
  const { requests, usage, unsettled } = await totals;
  if (requests > 0) onUsage(usage);
  onUnsettled(unsettled);
  return totals;
}
