/** `shell`: a person in the sandbox of an agent at work, or in a fresh one that is thrown away. */

import { EXIT_CODES, usageError } from '../../src/errors.ts';
import type { ShellPlace } from '../../src/sandbox/docker/shell.ts';
import type { BaseTree } from '../../src/sandbox/sandbox.ts';
import type { TaskId } from '../../src/types.ts';
import type { Context } from '../context.ts';
import { attemptOf, patchOf, someState } from '../find.ts';
import type { ShellOptions } from '../options.ts';
import { shellStreams } from '../shell-streams.ts';

/** Resolves to the shell's exit code; 130 where a signal ended it. */
export async function shell(context: Context, typed: string | null, options: ShellOptions): Promise<number> {
  refuseNonsense(context, typed, options);
  const leaving = new AbortController();
  const release = onSignals(leaving);
  try {
    const visiting = typed === null ? visit(context, options, leaving.signal) : join(context, typed, leaving.signal);
    const exitCode = await visiting;
    return leaving.signal.aborted ? EXIT_CODES.interrupted : exitCode;
  } finally {
    release();
  }
}

function refuseNonsense(context: Context, typed: string | null, { patch, settings }: ShellOptions): void {
  if (context.json) throw usageError('BAD_USAGE', 'a shell has no JSON form');
  const named = Object.keys(settings);
  if (typed !== null && (patch !== null || named.length > 0)) {
    const flag = patch === null ? named[0] : 'patch';
    throw usageError('BAD_USAGE', `--${flag} is for a fresh sandbox, and a task has its own`, {
      hint: 'leave out one of the two',
    });
  }
  if (patch !== null && ('base' in settings || 'include-dirty' in settings)) {
    throw usageError('BAD_USAGE', '--patch says what is laid out: --base and --include-dirty do not go with it');
  }
}

/** In the sandbox of a task's agent, which a run, or one that was cut off, has started. */
async function join(context: Context, typed: string, signal: AbortSignal): Promise<number> {
  const state = someState(await context.readState(), typed);
  const attempt = attemptOf(state, typed);
  if (attempt.state === 'ended') {
    const patch = state.patch(attempt.id);
    throw usageError('NOT_RUNNING', `${attempt.id} is over, and its sandbox with it`, {
      hint: patch === null ? 'a fresh one: orchestrate shell' : `its result: orchestrate shell --patch ${patch.id}`,
    });
  }
  const { settings } = await context.settings({}, { trust: false, ask: false });
  const { hostOfAttempt } = await import('../reach-host.ts');
  await using at = await hostOfAttempt(context, settings, attempt);
  const { docker } = at;
  context.note(
    `In the sandbox of ${attempt.id}, where its agent is at work: what you change becomes part of its patch.`,
  );
  return await enterShell(
    context,
    { docker, installation: state.installation, containerName: attempt.container },
    signal,
  );
}

/** In a sandbox of its own. */
async function visit(context: Context, options: ShellOptions, signal: AbortSignal): Promise<number> {
  const { settings } = await context.settings(options.settings, { trust: options.trust });
  const [{ openOneHost }, { firstHost }, { agentName }, { registerGuest }, { visitSandbox }] = await Promise.all([
    import('../one-host.ts'),
    import('../reach-host.ts'),
    import('../../src/sandbox/docker/names.ts'),
    import('../../src/tasks/guests.ts'),
    import('../../src/tasks/visit.ts'),
  ]);
  const [repository, state] = [await context.repository(), await context.state()];
  const { what, start } = await startOf(context, options.patch, settings);
  context.note(`A fresh sandbox on ${what}: what you change in it is thrown away when you leave.`);
  const at = await firstHost(context, settings);
  const { docker } = at;
  const { installation } = state;
  using guest = registerGuest(state.directory);
  const task = `shell-${guest.id.toLowerCase()}` as TaskId;
  const containerName = agentName(installation, task, 1);
  const place = { settings, repository, state, run: guest.id, isGuest: true };
  await using host = await openOneHost(context, at, place);
  if (signal.aborted) return EXIT_CODES.interrupted;
  const onShort = (reason: string): void => context.warn(`the sandbox is ended: ${reason}`);
  return await visitSandbox({ host, task, containerName, start, limits: settings.limits, onShort }, () =>
    enterShell(context, { docker, installation, containerName }, signal),
  );
}

interface Start {
  /** For people. */
  readonly what: string;
  readonly start: BaseTree;
}

async function startOf(
  context: Context,
  typed: string | null,
  settings: { readonly base: string | null; readonly includeDirty: boolean },
): Promise<Start> {
  if (typed !== null) {
    const { id, tree, commit } = patchOf(someState(await context.readState(), typed), typed);
    return { what: `the patch ${id}`, start: { tree, commit, near: null } };
  }
  const { resolveBase } = await import('../../src/git/base.ts');
  const { base, includeDirty } = settings;
  const found = await resolveBase(await context.repository(), {
    ...(base === null ? {} : { ref: base }),
    includeDirty,
  });
  for (const warning of found.warnings) context.warn(warning);
  if (found.leftOut.length > 0 && base === null)
    context.warn('local changes are left out; --include-dirty takes them in');
  const what = `${base ?? 'HEAD'} (${found.commit.slice(0, 12)})${includeDirty ? ' with local changes' : ''}`;
  return { what, start: { tree: found.tree, commit: found.commit, near: null } };
}

async function enterShell(context: Context, place: ShellPlace, signal: AbortSignal): Promise<number> {
  const { runShell } = await import('../../src/sandbox/docker/shell.ts');
  using streams = shellStreams(context, signal);
  return await runShell(place, streams);
}

/** The first signal leaves the shell and tidies up, the second leaves at once. On a terminal Ctrl-C goes to the shell. */
function onSignals(leaving: AbortController): () => void {
  const onSignal = (): void => {
    if (leaving.signal.aborted) process.exit(EXIT_CODES.interrupted);
    leaving.abort();
  };
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const signal of signals) process.on(signal, onSignal);
  return () => {
    for (const signal of signals) process.off(signal, onSignal);
  };
}
