/** `doctor`: is everything there that a run needs? Each finding with a fix. */

import { EXIT_CODES } from '../../src/errors.ts';
import { revealLine } from '../../src/sanitise.ts';
import type { Context } from '../context.ts';
import type { Finding } from '../doctor/finding.ts';
import { gatherFindings } from '../doctor/findings.ts';
import { type Colours, coloursOf } from '../render/text.ts';

export async function doctor(context: Context): Promise<number> {
  const findings = await gatherFindings(context);
  const couldRun = findings.every((finding) => finding.status !== 'fail');
  if (context.json) context.printJson({ ok: couldRun, checks: findings });
  else {
    const colours = coloursOf(context.colour);
    context.print(findings.map((finding) => lineOf(finding, colours)).join(''));
    context.print(couldRun ? '\nA run could start.\n' : '\nA run could not start: see what failed above.\n');
  }
  return couldRun ? 0 : EXIT_CODES.environment;
}

function lineOf(finding: Finding, colours: Colours): string {
  const paint = { ok: colours.green, warn: colours.yellow, fail: colours.red }[finding.status];
  const fix = finding.fix === null ? '' : `        fix: ${revealLine(finding.fix)}\n`;
  return `${paint(finding.status.padEnd(5))} ${finding.name.padEnd(14)} ${revealLine(finding.detail)}\n${fix}`;
}
