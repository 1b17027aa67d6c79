/** `cleanup`: removes what finished runs left in Docker, in git and in the state folder. */

import { LOCAL_HOST } from '../../src/config/host-url.ts';
import { OrchestrateError } from '../../src/errors.ts';
import { oldCheckLogs, removeCheckLogs } from '../../src/review/check-logs.ts';
import { connectHost } from '../../src/sandbox/docker/connect.ts';
import type { WantedHost } from '../../src/sandbox/docker/hosts.ts';
import type { ObjectKind } from '../../src/sandbox/docker/names.ts';
import { RUN_KINDS, type SweepOptions, sweep } from '../../src/sandbox/docker/sweep.ts';
import { revealLine } from '../../src/sanitise.ts';
import type { State } from '../../src/state/state.ts';
import { liveGuests } from '../../src/tasks/guests.ts';
import { leftBehind } from '../../src/tasks/left-behind.ts';
import { finishedResults } from '../../src/tasks/results.ts';
import {
  oldRunLogs,
  oldTranscripts,
  removeRunLogs,
  removeTranscripts,
  TRANSCRIPT_AGE_MS,
} from '../../src/tasks/retention.ts';
import type { AttemptId } from '../../src/types.ts';
import type { Context } from '../context.ts';
import { hostsWithWork } from '../hosts.ts';
import { liveRun } from '../live-run.ts';
import type { CleanupOptions } from '../options.ts';
import { isUnknownHost } from '../reach-host.ts';

interface Removal {
  readonly type: string;
  readonly name: string;
  /** Of what was on another machine. */
  readonly host?: string;
}

export async function cleanup(context: Context, options: CleanupOptions): Promise<number> {
  const repository = await context.repository();
  if ((await context.knownState()) === null) {
    if (context.json) context.printJson({ dryRun: options.dryRun, removed: [] });
    else context.print('Nothing was ever queued here, so there is nothing to remove.\n');
    return 0;
  }
  const state = await context.state();
  const before = new Date(Date.now() - (options.olderThanMs ?? 0));
  const refs = finishedResults(state, { before, patches: options.patches });
  const { deleteRefs, keptRefs, listRefs } = await import('../../src/git/refs.ts');
  const there = new Set((await listRefs(repository, 'refs/orchestrate')).map((ref) => ref.name));
  const results = refs.flatMap(keptRefs).filter((name) => there.has(name));
  const transcriptAge = options.all ? (options.olderThanMs ?? 0) : (options.olderThanMs ?? TRANSCRIPT_AGE_MS);
  const underWay = new Set(state.unendedAttempts().map((attempt) => attempt.id));
  const old = await oldTranscripts(state.directory, new Date(Date.now() - transcriptAge));
  const transcripts = old.filter((attempt) => !underWay.has(attempt));

  const removed: Removal[] = await sweepDocker(context, state, {
    ...options,
    before: options.olderThanMs === null ? null : before,
  });
  const checkLogs = await oldCheckLogs(state.directory, new Date(Date.now() - transcriptAge));
  const atWork = liveRun(state)?.id;
  const logs = await oldRunLogs(state.directory, new Date(Date.now() - transcriptAge));
  const runLogs = logs.filter((name) => atWork === undefined || !name.startsWith(`${atWork}.`));
  if (!options.dryRun) {
    await removeCheckLogs(state.directory, checkLogs);
    await removeRunLogs(state.directory, runLogs);
    if (options.patches) rejectUnmerged(state, refs);
    await deleteRefs(repository, results);
    await removeTranscripts(state.directory, transcripts);
  }
  removed.push(...results.map((name) => ({ type: 'result', name })));
  removed.push(...transcripts.map((attempt) => ({ type: 'transcript', name: attempt })));
  removed.push(...checkLogs.map((name) => ({ type: 'check log', name })));
  removed.push(...runLogs.map((name) => ({ type: 'run log', name: `runs/${name}` })));
  if (context.json) context.printJson({ dryRun: options.dryRun, removed });
  else context.print(reportText(removed, options.dryRun));
  return 0;
}

/** A patch whose result goes can never be applied again: it says so from now on. */
function rejectUnmerged(state: State, attempts: readonly AttemptId[]): void {
  for (const id of attempts) {
    const patch = state.patch(id);
    if (patch === null || patch.state === 'merged' || patch.state === 'rejected') continue;
    state.setPatchState(id, [patch.state], 'rejected', { reason: 'removed by cleanup --patches' });
  }
}

async function sweepDocker(
  context: Context,
  state: State,
  options: CleanupOptions & { readonly before: Date | null },
): Promise<Removal[]> {
  const run = liveRun(state);
  const unended = state.unendedAttempts().map((attempt) => attempt.id);
  const wantsCaches = options.caches || options.all;
  // The store holds the work of attempts that nobody has collected yet.
  const mayTakeStore = run === null && unended.length === 0;
  if (wantsCaches && !mayTakeStore) {
    context.warn(
      run === null
        ? 'the store stays: an interrupted run left work in it; `orchestrate run` takes it up'
        : 'the store stays: a run is at work',
    );
  }
  const caches: readonly ObjectKind[] = wantsCaches && mayTakeStore ? ['store', 'cache'] : [];
  const sweeping: SweepOptions = {
    // A set-up names no run: the one that is under way would go.
    kinds: [...RUN_KINDS.filter((kind) => run === null || kind !== 'setup'), ...caches],
    dryRun: options.dryRun,
    liveRun: run?.id ?? null,
    guests: () => liveGuests(state.directory),
    keepAttempts: unended,
    createdBefore: options.before,
  };
  const hosts = await hostsWithWork(context, state);
  return (await Promise.all(hosts.map((host) => sweepHost(context, state, { host, sweeping })))).flat();
}

/** What is there on one host; where it is out of reach, a warning says that it stays. */
async function sweepHost(
  context: Context,
  state: State,
  { host, sweeping }: { readonly host: WantedHost; readonly sweeping: SweepOptions },
): Promise<Removal[]> {
  // Of a machine that somebody has given up long ago nobody wants to hear each time.
  const isExpected = sweeping.kinds.includes('store') || leftBehind(state, host.name).length > 0;
  const isLocal = host.name === LOCAL_HOST;
  try {
    await using connection = await connectHost(host, context.env);
    const swept = await sweep(connection.docker, state.installation, sweeping);
    return swept.map((removal) => (isLocal ? removal : { ...removal, host: host.name }));
  } catch (error) {
    if (!(error instanceof OrchestrateError)) throw error;
    if (isUnknownHost(error)) {
      if (isExpected) context.warn(`what is left on ${host.name} stays: it is not among the hosts of the settings`);
      return [];
    }
    const where = isLocal ? 'in Docker' : `on ${host.name}`;
    context.warn(`what is left ${where} was not looked at: ${error.message}`);
    return [];
  }
}

function reportText(removed: readonly Removal[], dryRun: boolean): string {
  if (removed.length === 0) return 'There is nothing to remove.\n';
  const lines = removed.map((removal) => `  ${removal.type} ${revealLine(removal.name)}${onHost(removal)}\n`);
  return `${dryRun ? 'Would remove' : 'Removed'} ${removed.length}:\n${lines.join('')}`;
}

function onHost({ host }: Removal): string {
  return host === undefined ? '' : ` on ${revealLine(host)}`;
}
