/** From settings and keys to who plans. */

import type { Settings } from '../src/config/settings.ts';
import type { ModelEngine } from '../src/engine/choose.ts';
import type { Place } from '../src/plan/cli-planner.ts';
import type { Planner } from '../src/plan/planner.ts';
import type { BaseTree } from '../src/sandbox/sandbox.ts';
import type { GatewayOptions } from '../src/tasks/gateway.ts';
import type { TaskId } from '../src/types.ts';
import type { Context } from './context.ts';
import { thinkingOf } from './engines.ts';
import { engineByKeys } from './keys.ts';

/**
 * The engine's own model where it has one: asked from here (`api`), or by its program in a sandbox (`claude`, `codex`). Else
 * built-in patterns make the plan, and a note says why. Errors: those of `thinkingOf`, before anything is started.
 */
export async function plannerOf(context: Context, settings: Settings): Promise<Planner> {
  const choice = await choiceOf(context, settings);
  if ('why' in choice) {
    context.note(`${choice.why}: the plan comes from built-in patterns, not from a model`);
    return (await import('../src/plan/heuristic.ts')).heuristicPlanner;
  }
  const { engine } = choice;
  // What agents may reach beside their model is nothing that a planner needs.
  const planning: Settings = { ...settings, engine: { name: engine, definition: null }, network: 'model', setUp: null };
  const { gateway } = await thinkingOf(context, planning);
  if (gateway === null) throw new Error(`the engine ${engine} asks no model`);
  return engine === 'api' ? apiPlannerOf(planning, gateway) : cliPlannerOf(context, planning, { engine, gateway });
}

type Choice = { readonly engine: ModelEngine } | { readonly why: string };

async function choiceOf(context: Context, { engine, network }: Settings): Promise<Choice> {
  const { MODEL_ENGINES } = await import('../src/engine/choose.ts');
  if (network === 'none') return { why: 'nothing may be reached (--network none)' };
  if (engine !== null) {
    const named = MODEL_ENGINES.find((name) => name === engine.name && engine.definition === null);
    return named === undefined ? { why: `the engine ${engine.name} does not plan` } : { engine: named };
  }
  const chosen = await engineByKeys(context);
  return chosen === null ? { why: 'there is no key for a model' } : { engine: chosen };
}

async function apiPlannerOf(settings: Settings, { configuration, dial }: GatewayOptions): Promise<Planner> {
  const [{ apiPlanner }, { directFetch }, { API_MODEL }] = await Promise.all([
    import('../src/plan/api-planner.ts'),
    import('../src/plan/direct-fetch.ts'),
    import('../src/engine/api/api-engine.ts'),
  ]);
  const [upstream] = configuration.upstreams;
  if (upstream === undefined) throw new Error('the engine api asks no model');
  const { model, effort, budget, taskBudgetUsd } = settings;
  const caps = [budget.usd, taskBudgetUsd].filter((cap) => cap !== null);
  return apiPlanner({
    model: model ?? API_MODEL,
    effort,
    caps: { ...budget, usd: caps.length === 0 ? null : Math.min(...caps) },
    fetch: directFetch({ upstream, dial, extraCa: configuration.extraCa }),
  });
}

async function cliPlannerOf(
  context: Context,
  settings: Settings,
  { engine, gateway }: { readonly engine: 'claude' | 'codex'; readonly gateway: GatewayOptions },
): Promise<Planner> {
  const [{ cliPlanner }, { claudeQuestion }, { codexQuestion }] = await Promise.all([
    import('../src/plan/cli-planner.ts'),
    import('../src/engine/claude.ts'),
    import('../src/engine/codex.ts'),
  ]);
  const { model, effort, limits, timeoutMs } = settings;
  const start = await startOf(context, settings);
  return cliPlanner({
    ...{ program: engine, gateway, limits, timeoutMs },
    begin({ system, assignment, access, schema }) {
      const options = { model, effort };
      const asked = { ...assignment, specialist: { prompt: system, tools: null } };
      if (engine === 'codex') return codexQuestion(options, asked, access, schema);
      return claudeQuestion({ ...options, maxTurns: null }, asked, access, schema);
    },
    openPlace: () => openPlace(context, settings, { engine, start }),
    onProgress: (line) => context.note(line),
    onWarning: (line) => context.warn(line),
  });
}

async function startOf(context: Context, { base, includeDirty }: Settings): Promise<BaseTree> {
  const { resolveBase } = await import('../src/git/base.ts');
  const ref = base === null ? {} : { ref: base };
  const { tree, commit } = await resolveBase(await context.repository(), { ...ref, includeDirty });
  return { tree, commit, near: null };
}

/** Beside a run that may be at work: what is made here is a guest's, and goes with it. */
async function openPlace(
  context: Context,
  settings: Settings,
  { engine, start }: { readonly engine: string; readonly start: BaseTree },
): Promise<Place> {
  const [{ openOneHost }, { firstHost }, { agentName }, { registerGuest }] = await Promise.all([
    import('./one-host.ts'),
    import('./reach-host.ts'),
    import('../src/sandbox/docker/names.ts'),
    import('../src/tasks/guests.ts'),
  ]);
  const [repository, state] = await Promise.all([context.repository(), context.state()]);
  const at = await firstHost(context, settings);
  const guest = registerGuest(state.directory);
  try {
    const place = { settings, repository, state, run: guest.id, isGuest: true, programs: [engine] };
    const host = await openOneHost(context, at, place);
    const task = `plan-${guest.id.toLowerCase()}` as TaskId;
    return {
      ...{ host, task, containerName: agentName(state.installation, task, 1), start },
      async [Symbol.asyncDispose]() {
        try {
          await host[Symbol.asyncDispose]();
        } finally {
          guest[Symbol.dispose]();
        }
      },
    };
  } catch (error) {
    guest[Symbol.dispose]();
    throw error;
  }
}
