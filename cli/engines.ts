/** From settings and keys to the engine of a run and what its agents reach. */

import { readFile } from 'node:fs/promises';
import type { Keys } from '../src/config/env-file.ts';
import type { EngineDefinition, Settings } from '../src/config/settings.ts';
import type { ModelEngine } from '../src/engine/choose.ts';
import type { Engine } from '../src/engine/engine.ts';
import { environmentError, OrchestrateError, usageError } from '../src/errors.ts';
import type { GatewayOptions } from '../src/tasks/gateway.ts';
import type { Context } from './context.ts';
import { keysOf } from './keys.ts';

/** The engine that thinks and what its agents reach; all of it is checked before anything is started. */
export interface Thinking {
  readonly engine: Engine;
  readonly gateway: GatewayOptions | null;
}

/**
 * Errors: usage BAD_USAGE where settings exclude each other; environment NO_ENGINE, NO_KEY, BAD_KEY, BAD_BASE_URL, and
 * BAD_CA, BAD_PROXY for what the user's environment says of the network.
 */
export async function thinkingOf(context: Context, settings: Settings): Promise<Thinking> {
  const keys = await keysOf(context, await context.repository());
  const engine = await engineOf(context, settings, keys);
  const gateway = await gatewayOf(context, { settings, engine, keys });
  return { engine, gateway };
}

async function engineOf(context: Context, settings: Settings, keys: Keys): Promise<Engine> {
  const chosen = settings.engine ?? { name: await chosenByKeys(context, keys), definition: null };
  const { name, definition } = chosen;
  if (definition !== null) return commandOf(context, name, definition);
  switch (name) {
    case 'demo':
      return (await import('../src/engine/demo.ts')).demoEngine;
    default:
      throw environmentError('NO_ENGINE', `the engine ${name} is not there`);
  }
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

async function commandOf(context: Context, name: string, { command, env = [], usage }: EngineDefinition): Promise<Engine> {
  const { commandEngine, isGatewayVariable } = await import('../src/engine/command.ts');
  const passed: Record<string, string> = {};
  for (const variable of env) {
    const value = context.env[variable];
    if (!isGatewayVariable(variable) && value !== undefined) passed[variable] = value;
  }
  return commandEngine({ name, command, env: { ofGateway: env.filter(isGatewayVariable), passed }, usage });
}
