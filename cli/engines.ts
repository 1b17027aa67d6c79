/** From settings and keys to the engine of a run and what its agents reach. */

import type { Keys } from '../src/config/env-file.ts';
import type { EngineDefinition, Settings } from '../src/config/settings.ts';
import type { ApiOptions } from '../src/engine/api/api-engine.ts';
import { engineByRole, type ModelChoice } from '../src/engine/by-role.ts';
import type { ModelEngine } from '../src/engine/choose.ts';
import type { Engine } from '../src/engine/engine.ts';
import { OrchestrateError, usageError } from '../src/errors.ts';
import type { EgressRule } from '../src/gateway/protocol.ts';
import type { GatewayOptions } from '../src/tasks/gateway.ts';
import type { Context } from './context.ts';
import { keysOf } from './keys.ts';
import { waitingRoles } from './roles.ts';
import { extraAuthorities, proxyOf } from './user-network.ts';

/** The engine that thinks and what its agents reach; all of it is checked before anything is started. */
export interface Thinking {
  readonly engine: Engine;
  readonly gateway: GatewayOptions | null;
}

/**
 * @param agents roles of tasks that are not queued yet
 * Errors: usage BAD_USAGE where settings exclude each other, UNKNOWN_PRICE; environment NO_ENGINE, NO_KEY, BAD_KEY, BAD_BASE_URL, and
 * BAD_CA, BAD_PROXY, NO_TOKEN, BAD_TOKEN for what the user's environment says of the network.
 */
export async function thinkingOf(
  context: Context,
  settings: Settings,
  agents: readonly string[] = [],
): Promise<Thinking> {
  const keys = await keysOf(context, await context.repository());
  const chosen = settings.engine ?? { name: await chosenByKeys(context, keys), definition: null };
  const engine = await engineNamed(context, settings, chosen.name, chosen.definition);
  const gateway = await gatewayOf(context, { settings, engine, keys, agents });
  return { engine, gateway };
}

/**
 * A built-in engine, else a command of the settings. For an attempt that is taken over any other name will do: its
 * program runs already, and how that ended is read alike for all commands.
 */
export async function engineNamed(
  context: Context,
  settings: Settings,
  name: string,
  definition: EngineDefinition | null = null,
): Promise<Engine> {
  const { effort } = settings;
  if (definition !== null) return commandOf(context, settings, { name, ...definition });
  switch (name) {
    case 'demo':
      return (await import('../src/engine/demo.ts')).demoEngine;
    case 'api':
      return apiOf(context, settings);
    case 'claude': {
      const { claudeEngine } = await import('../src/engine/claude.ts');
      const models = await modelsOf(context, settings, name);
      return engineByRole(models, (model) => claudeEngine({ model, effort, maxTurns: null }));
    }
    case 'codex': {
      const { codexEngine } = await import('../src/engine/codex.ts');
      const models = await modelsOf(context, settings, name);
      return engineByRole(models, (model) => codexEngine({ model, effort }));
    }
    default:
      return commandOf(context, settings, { name, ...(settings.engines[name] ?? { command: '' }) });
  }
}

/** What all its agents share is the same bytes for each: the base's own instructions, never an agent's version of them. */
async function apiOf(context: Context, settings: Settings): Promise<Engine> {
  const [{ apiEngine }, { guidanceOf }, { notesIn }, repository, state] = await Promise.all([
    import('../src/engine/api/api-engine.ts'),
    import('../src/git/guidance.ts'),
    import('../src/notes/for-engine.ts'),
    context.repository(),
    context.state(),
  ]);
  const guidance = await guidanceOf(repository, settings.base ?? 'HEAD');
  const shared: Partial<ApiOptions> = {
    effort: settings.effort,
    guidance,
    notes: notesIn(state),
  };
  const models = await modelsOf(context, settings, 'api');
  return engineByRole(models, (model) => apiEngine({ ...shared, ...(model === null ? {} : { model }) }));
}

/** What the settings say of a role counts more than what its file says. */
async function modelsOf(context: Context, { model, roles, base }: Settings, engine: string): Promise<ModelChoice> {
  const [{ byName }, { roleModelFor }] = await Promise.all([
    context.roles(base ?? 'HEAD'),
    import('../src/engine/role-models.ts'),
  ]);
  const ofFiles = [...byName.values()].flatMap(({ name, model: written }) => {
    const ofRole = written === null ? null : roleModelFor(engine, written);
    return ofRole === null ? [] : [[name, ofRole]];
  });
  const own = Object.entries(roles).map(([role, { model: ofRole }]) => [role, ofRole]);
  return { model, byRole: Object.fromEntries([...ofFiles, ...own]) };
}

/** Where there is no key either, the demo is offered on a terminal; it never runs unasked. */
async function chosenByKeys(context: Context, keys: Keys): Promise<ModelEngine | 'demo'> {
  const { chooseEngine } = await import('../src/engine/choose.ts');
  try {
    return chooseEngine(keys.found);
  } catch (error) {
    const isAsked = error instanceof OrchestrateError && error.code === 'NO_ENGINE';
    if (isAsked && (await context.confirm('There is no key for a model. Run the scripted demo engine instead?'))) {
      return 'demo';
    }
    throw error;
  }
}

async function commandOf(
  context: Context,
  settings: Settings,
  { name, command, env = [], usage }: EngineDefinition & { readonly name: string },
): Promise<Engine> {
  const { commandEngine, isGatewayVariable } = await import('../src/engine/command.ts');
  const tokens = new Set(Object.values(settings.registries).map(({ tokenEnv }) => tokenEnv));
  const passed: Record<string, string> = {};
  for (const variable of env) {
    const value = context.env[variable];
    if (tokens.has(variable)) {
      throw usageError('BAD_USAGE', `the engine ${name} would be given ${variable}, a registry's token`, {
        hint: `take it out of the engine's env: the gateway adds it to what is asked of the registry`,
      });
    }
    if (!isGatewayVariable(variable) && value !== undefined) passed[variable] = value;
  }
  return commandEngine({ name, command, env: { ofGateway: env.filter(isGatewayVariable), passed }, usage });
}

/** What a set-up outside of a run reaches, and no model; null: nothing at all. Errors as `thinkingOf`. */
export async function setUpReachOf(context: Context, settings: Settings): Promise<GatewayOptions | null> {
  const keys = await keysOf(context, await context.repository());
  const alone: Settings = { ...settings, network: 'none', budget: { usd: null, tokens: null }, taskBudgetUsd: null };
  return gatewayOf(context, { settings: alone, engine: { name: 'set-up', apis: [] }, keys, agents: [] });
}

/** Null where nothing is asked and nothing else may be reached: then there is no gateway at all. */
async function gatewayOf(
  context: Context,
  {
    settings,
    engine,
    keys,
    agents,
  }: {
    readonly settings: Settings;
    readonly engine: Pick<Engine, 'name' | 'apis'>;
    readonly keys: Keys;
    readonly agents: readonly string[];
  },
): Promise<GatewayOptions | null> {
  const { network, budget, taskBudgetUsd } = settings;
  const { allow, setUpAllow } = await reachOf(context, settings);
  if (engine.apis.length > 0 && network === 'none') {
    throw usageError(
      'BAD_USAGE',
      `the engine ${engine.name} has to reach its model, which --network none does not let it`,
    );
  }
  if (engine.apis.length === 0 && (budget.usd ?? budget.tokens ?? taskBudgetUsd) !== null) {
    throw usageError(
      'BAD_USAGE',
      `what the engine ${engine.name} spends cannot be counted, so that no budget can hold`,
      {
        hint: 'leave the budget out; --timeout bounds the time',
      },
    );
  }
  await checkPrices(context, settings, { engine: engine.name, agents });
  if (engine.apis.length === 0 && allow.length + setUpAllow.length === 0) return null;
  const [{ PRICES }, { upstreamFor }, { keysFor }, { createCoordinatorDial }, proxy, extraCa, state] =
    await Promise.all([
      import('../src/engine/prices.ts'),
      import('../src/engine/upstreams.ts'),
      import('../src/engine/choose.ts'),
      import('../src/gateway/coordinator-dial.ts'),
      proxyOf(context),
      extraAuthorities(context),
      context.state(),
    ]);
  for (const warning of keys.warnings) context.warn(warning);
  // A proxy of the user's network is where this machine is, and so is what it lets through.
  const via = proxy === null ? 'direct' : 'coordinator';
  const upstreams = engine.apis.map((api) =>
    upstreamFor({ api, keys: keysFor(engine.name, api), found: keys.found, via }),
  );
  return {
    secret: state.secret(),
    dial: createCoordinatorDial({
      configured: () => ({ upstreams, rules: [...allow, ...setUpAllow] }),
      proxy,
      extraCa,
    }),
    plan: {
      apis: engine.apis,
      models: null,
      allow,
      caps: { usd: taskBudgetUsd, tokens: null },
      setUpAllow,
    },
    configuration: {
      upstreams,
      egressVia: via,
      extraCa,
      prices: PRICES,
      caps: budget,
      spent: { usd: 0, tokens: 0 },
    },
  };
}

/** Usage error UNKNOWN_PRICE where dollars are capped and the model's price is not known: all it asked for would be refused. */
async function checkPrices(
  context: Context,
  settings: Settings,
  { engine, agents }: { readonly engine: string; readonly agents: readonly string[] },
): Promise<void> {
  const { budget, taskBudgetUsd } = settings;
  if ((budget.usd ?? taskBudgetUsd) === null) return;
  const [{ priceOf }, { MODEL_ENGINES }] = await Promise.all([
    import('../src/engine/prices.ts'),
    import('../src/engine/choose.ts'),
  ]);
  // Any other program chooses its model by itself.
  if (!MODEL_ENGINES.some((name) => name === engine)) return;
  const { model: common, byRole } = await modelsOf(context, settings, engine);
  // A role's file that nobody asks for costs nothing.
  const used = new Set([...agents, ...(await waitingRoles(context)), ...Object.keys(settings.roles)]);
  const ofRoles = Object.entries(byRole).flatMap(([role, model]) => (used.has(role) ? [model] : []));
  const models = [common, ...ofRoles].filter((model) => model !== null);
  // The claude program has suffixes (`[1m]`) and words (`sonnet`) of its own, which it turns into ids.
  const idOf = (model: string): string => (engine === 'claude' ? model.replace(/\[\w+\]$/, '') : model);
  const isWord = (id: string): boolean => engine === 'claude' && /^[a-z]+$/.test(id);
  const unknown = models.find((model) => priceOf(idOf(model)) === null && !isWord(idOf(model)));
  if (unknown === undefined) return;
  throw usageError('UNKNOWN_PRICE', `what ${unknown} costs is not known, so that no budget in dollars can hold`, {
    hint: 'use --budget-tokens instead, or another --model',
  });
}

/** The hosts of agents and of the set-up. A registry's token is asked for where somebody could use it. */
async function reachOf(
  { env }: Context,
  { network, allow, setUp, registries }: Settings,
): Promise<Record<'allow' | 'setUpAllow', readonly EgressRule[]>> {
  const [{ parseAllow }, { registryRules }] = await Promise.all([
    import('../src/config/allow.ts'),
    import('../src/config/registries.ts'),
  ]);
  const isOpen = network === 'allowlist';
  const rules = isOpen || setUp !== null ? registryRules(registries, env) : [];
  return {
    allow: isOpen ? [...parseAllow(allow), ...rules] : [],
    setUpAllow: setUp === null ? [] : [...parseAllow(setUp.allow), ...rules],
  };
}
