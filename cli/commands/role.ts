/** `role list` and `role show`: which specialists there are, and what each is told. */

import { checkRole } from '../../src/roles/catalogue.ts';
import type { Role } from '../../src/roles/role.ts';
import { sanitise, sanitiseLine } from '../../src/sanitise.ts';
import type { Context } from '../context.ts';
import { columnsOf, cut, tableLines } from '../render/fit.ts';
import { coloursOf } from '../render/text.ts';
import { rolesNow, toolsText } from '../roles.ts';

/** As much of a description as a table shows. */
const DESCRIPTION_WIDTH = 70;

export async function listRoles(context: Context): Promise<number> {
  const roles = [...(await rolesNow(context)).byName.values()];
  if (context.json) {
    context.printJson({ roles: roles.map(roleJson) });
    return 0;
  }
  const rows = roles.map((role) => [
    role.name,
    role.source,
    sanitiseLine(role.model ?? '-'),
    cut(sanitiseLine(toolsText(role)), 30),
    cut(sanitiseLine(role.description), DESCRIPTION_WIDTH),
  ]);
  const header = ['ROLE', 'SOURCE', 'MODEL', 'TOOLS', 'FOR'];
  const [first = '', ...lines] = await tableLines([header, ...rows], columnsOf(context.out));
  context.print(`${coloursOf(context.colour).bold(first)}\n${lines.map((line) => `${line}\n`).join('')}`);
  return 0;
}

export async function showRole(context: Context, name: string): Promise<number> {
  const roles = await rolesNow(context);
  const role = checkRole(roles, name);
  const warnings = roles.warnings.filter((warning) => warning.role === name);
  if (context.json) {
    const { prompt, file } = role;
    context.printJson({ ...roleJson(role), prompt, file, warnings: warnings.map(({ message }) => message) });
    return 0;
  }
  // The others were told when the roles were read.
  for (const { message, minor } of warnings) if (minor) context.note(`note: ${message}`);
  const head = [
    ['role', role.name],
    ['for', role.description],
    ['tools', toolsText(role)],
    ['model', role.model ?? "the run's"],
    ['source', `${role.source}, ${role.file}`],
  ];
  const lines = head.map(([key = '', value = '']) => `${key.padEnd(7)} ${sanitiseLine(value)}\n`).join('');
  context.print(`${lines}\n${sanitise(role.prompt)}\n`);
  return 0;
}

function roleJson({ name, description, tools, model, source }: Role) {
  return { name, description, tools, model, source };
}
