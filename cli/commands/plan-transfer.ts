/** `plan export` and `plan import`: plans as YAML files that a person may edit. */

import { writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { environmentError } from '../../src/errors.ts';
import { loadPlan } from '../../src/plan/stored.ts';
import { planFromYaml, planToYaml } from '../../src/plan/written.ts';
import { sanitiseLine } from '../../src/sanitise.ts';
import type { Context } from '../context.ts';
import { readInput } from '../input.ts';
import { judge } from '../judge-plan.ts';
import { columnsOf } from '../render/fit.ts';
import { planJson, planText } from '../render/plan.ts';
import { somePlans } from '../some-plans.ts';
import { savedAs } from './plan.ts';

const MAX_BYTES = 16 * 1024 ** 2;

export async function exportPlan(context: Context, typed: string, output: string | null): Promise<number> {
  const state = await somePlans(context, typed);
  const { id, plan } = loadPlan(state, state.resolvePlan(typed));
  const yaml = planToYaml(plan);
  if (output === null) {
    if (context.json) context.printJson({ id, yaml });
    else context.print(yaml);
    return 0;
  }
  const file = resolve(context.cwd, output);
  await writeFile(file, yaml).catch((cause: NodeJS.ErrnoException) => {
    throw environmentError('UNWRITABLE_FILE', `${file} cannot be written (${String(cause.code)})`, { cause });
  });
  if (context.json) context.printJson({ id, file });
  else context.note(`wrote ${file}`);
  return 0;
}

/** A new draft, whatever the file came from; unknown roles and circles are told, and kept from being approved. */
export async function importPlan(context: Context, file: string): Promise<number> {
  const name = file === '-' ? 'standard input' : file;
  const plan = planFromYaml(name, await readInput(context, file, MAX_BYTES));
  const { settings } = await context.settings({}, { trust: false, ask: false });
  const judgement = await judge(context, plan, settings);
  const state = await context.state();
  const { id } = state.addPlan(plan.goal, { document: plan, change: `imported from ${sanitiseLine(name)}` });
  const stored = loadPlan(state, id);
  if (context.json) context.printJson({ plan: planJson(stored, judgement), tasks: [] });
  else context.print(await planText(stored, judgement, columnsOf(context.out)));
  context.note(savedAs(id, judgement));
  return 0;
}
