/** Roles besides the built-in ones, which no table of words knows: what they are called and what they say of themselves. */

import { stemOf } from './words.ts';

export interface OwnRole {
  readonly name: string;
  readonly description: string;
}

/** Say nothing of the field that a role is for. */
const GENERIC = new Set(
  `a an the and or of for to in on at by with from as is are be it its this that these those who what which when where how all
  any each other you your we our they them their not no can will does do make makes made work works use uses using new add
  engineer developer specialist expert architect writer analyst designer lead senior junior role agent system code task
  repository project software build write keep change fix good best well into only everything file team`
    .split(/\s+/)
    .map(stemOf),
);
const FOR_NAME = 8;
const FOR_WORD = 2;
const MOST_FOR_WORDS = 8;
/** All of its name, or part of it and one word more, or three words of the description. */
const CLEAR = 5;
const READ_OF_DESCRIPTION = 2_000;

/** Points of a role for a text with these stems, and the stems that gave them; null where it does not clearly fit. */
export function ownPoints(
  role: OwnRole,
  stems: ReadonlySet<string>,
): { readonly points: number; readonly matched: readonly string[] } | null {
  const name = telling(role.name);
  const named = name.filter((stem) => stems.has(stem));
  const description = telling(role.description.slice(0, READ_OF_DESCRIPTION));
  const described = description.filter((stem) => stems.has(stem) && !name.includes(stem));
  const forName = named.length === 0 ? 0 : (FOR_NAME * named.length) / name.length;
  const points = forName + Math.min(MOST_FOR_WORDS, FOR_WORD * described.length);
  return points < CLEAR ? null : { points, matched: [...named, ...described] };
}

function telling(text: string): string[] {
  const stems = (text.match(/[\p{L}\p{N}]+/gu) ?? []).map(stemOf);
  return [...new Set(stems)].filter((stem) => stem.length > 1 && !GENERIC.has(stem));
}
