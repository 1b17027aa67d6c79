/**
 * Which role takes a task: the one that you name, else the one that the planner names, else the one that the words and files
 * of the task speak for. Pure: the same task always goes to the same role.
 */

import { DEFAULT_ROLE, ROLES } from './catalogue.ts';
import { type OwnRole, ownPoints } from './own-roles.ts';
import { fileVotes, pathsIn } from './routing-files.ts';
import { KINDS_OF_WORK, ROUTING_WORDS, TIE_ORDER } from './routing-words.ts';
import { stemOf, type Word, wordsOf } from './words.ts';

export interface RoutedTask {
  readonly title: string;
  readonly description?: string;
  /** Paths and globs that it will probably touch; none: those that its text names. */
  readonly files?: readonly string[];
}

export interface RoleChoice {
  readonly role: string;
  /** Why, as a phrase of one line: `chosen by you`, `words: login, API; files: *.tsx`, `nothing else fits`. */
  readonly reason: string;
}

export interface Routing extends RoleChoice {
  /** Points of every role that has any. */
  readonly scores: Readonly<Record<string, number>>;
}

const POINTS = { decisive: 6, strong: 3, hint: 1 } as const;
/** A kind of work outweighs the field that it is done in: tests of a React form are a test engineer's. */
const DECISIVE_OF_KIND = 8;
/** How much each further word counts of what the one before did: many words never bury a decisive one. */
const FURTHER = 0.5;
const IN_DESCRIPTION = 0.4;
const FOR_FILES = 5;
/** With fewer points nothing was said. */
const LEAST = 1.5;

const READ_OF_TITLE = 1_000;
/** What comes after the beginning of a description is mostly material, such as logs. */
const READ_OF_DESCRIPTION = 20_000;
const SHOWN = 3;

/** A word or phrase that speaks for a role. */
interface Sign {
  readonly role: string;
  readonly points: number;
  readonly written: string;
}

const SIGNS = signTable();
const KNOWN_STEMS: ReadonlySet<string> = new Set(
  [...SIGNS.keys()].flatMap((phrase) => phrase.replace('^', '').split(' ')),
);
const LONGEST_PHRASE = Math.max(...[...SIGNS.keys()].map((phrase) => phrase.split(' ').length));
/** Stand before what a title really begins with. */
const LEAD = new Set(
  ['bug', 'bugfix', 'fix', 'feat', 'feature', 'request', 'task', 'epic', 'chore', 'wip', 'urgent', 'please'].map(
    stemOf,
  ),
);

/** Explicit choice, then planner, then heuristic. Names are taken as they are: who has them from outside checks them. */
export function chooseRole(from: {
  readonly explicit: string | null;
  readonly planned: string | null;
  readonly task: RoutedTask;
  readonly own?: readonly OwnRole[];
}): RoleChoice {
  if (from.explicit !== null) return { role: from.explicit, reason: 'chosen by you' };
  if (from.planned !== null) return { role: from.planned, reason: 'chosen by the planner' };
  const { role, reason } = routeTask(from.task, from.own);
  return { role, reason };
}

/**
 * The role that a task's words and files speak for, the default role where nothing does. `own` are roles besides the built-in
 * ones; they win only with words of their own name or description. Never throws; the cost is linear.
 */
export function routeTask(task: RoutedTask, own: readonly OwnRole[] = []): Routing {
  const title = task.title.slice(0, READ_OF_TITLE);
  const description = (task.description ?? '').slice(0, READ_OF_DESCRIPTION);
  const words = wordsOf(title, (stem) => KNOWN_STEMS.has(stem));
  const more = wordsOf(description, (stem) => KNOWN_STEMS.has(stem));
  const said = [...signsOf(words, more), ...ownSigns(own, words)];
  const files = fileVotes(task.files?.length ? task.files : pathsIn(`${title} ${description}`));
  const named = [...new Set([...said, ...files].map((sign) => sign.role))];
  const scores = Object.fromEntries(
    named.map((role) => {
      const share = files.find((vote) => vote.role === role)?.share ?? 0;
      return [role, sumOf(said.filter((sign) => sign.role === role)) + FOR_FILES * share];
    }),
  );
  const best = bestOf(scores);
  if (best === null) return { role: DEFAULT_ROLE, reason: 'nothing else fits', scores };
  const shown = said.filter((sign) => sign.role === best).sort((a, b) => b.points - a.points);
  const written = [...new Set(shown.map((sign) => sign.written))].slice(0, SHOWN).join(', ');
  const globs = files.filter((vote) => vote.role === best).map((vote) => vote.glob);
  const reason = [written && `words: ${written}`, globs.length > 0 && `files: ${globs.join(', ')}`];
  return { role: best, reason: reason.filter(Boolean).join('; '), scores };
}

/** What the words say, each word and phrase once (in the title if it is there), the longest phrase at each place. */
function signsOf(title: readonly Word[], description: readonly Word[]): Sign[] {
  const start = title.findIndex((word) => !LEAD.has(word.stem));
  const found = new Map<string, readonly Sign[]>();
  for (const words of [title, description]) {
    for (let i = 0; i < words.length; ) {
      const { phrase, length } = longest(words, i, words === title && i === start);
      if (phrase !== null && !found.has(phrase)) {
        const written = textOf(words.slice(i, i + length));
        const factor = words === title ? 1 : IN_DESCRIPTION;
        const signs = SIGNS.get(phrase) ?? [];
        found.set(
          phrase,
          signs.map(({ role, points }) => ({ role, points: points * factor, written })),
        );
      }
      i += length;
    }
  }
  return [...found.values()].flat();
}

function textOf(words: readonly Word[]): string {
  return words.map((word) => word.written).join(' ');
}

function longest(words: readonly Word[], i: number, isStart: boolean): { phrase: string | null; length: number } {
  for (let length = Math.min(LONGEST_PHRASE, words.length - i); length > 0; length -= 1) {
    const phrase = words
      .slice(i, i + length)
      .map((word) => word.stem)
      .join(' ');
    if (isStart && SIGNS.has(`^${phrase}`)) return { phrase: `^${phrase}`, length };
    if (SIGNS.has(phrase)) return { phrase, length };
  }
  return { phrase: null, length: 1 };
}

function ownSigns(own: readonly OwnRole[], words: readonly Word[]): Sign[] {
  const byStem = new Map(words.map((word) => [word.stem, word.written]));
  return own.flatMap(({ name, description }) => {
    const fit = TIE_ORDER.includes(name) ? null : ownPoints({ name, description }, new Set(byStem.keys()));
    if (fit === null) return [];
    return fit.matched.map((stem, i) => ({
      role: name,
      points: i === 0 ? fit.points : 0,
      written: byStem.get(stem) ?? stem,
    }));
  });
}

function sumOf(signs: readonly Sign[]): number {
  const points = signs.map((sign) => sign.points).sort((a, b) => b - a);
  return points.reduceRight((rest, each) => each + FURTHER * rest, 0);
}

/** The role with most points; null where none has enough. Equal points: the order of TIE_ORDER, then of the names. */
function bestOf(scores: Readonly<Record<string, number>>): string | null {
  const place = (role: string) => (TIE_ORDER.includes(role) ? TIE_ORDER.indexOf(role) : TIE_ORDER.length);
  const order = Object.entries(scores).sort(
    ([a, left], [b, right]) => right - left || place(a) - place(b) || (a < b ? -1 : 1),
  );
  const [best] = order;
  return best === undefined || best[1] < LEAST ? null : best[0];
}

function signTable(): ReadonlyMap<string, readonly Sign[]> {
  const table = new Map<string, Map<string, Sign>>();
  for (const role of ROLES) {
    for (const level of ['hint', 'strong', 'decisive'] as const) {
      const points = level === 'decisive' && KINDS_OF_WORK.includes(role) ? DECISIVE_OF_KIND : POINTS[level];
      for (const entry of ROUTING_WORDS[role][level].split(',')) {
        const written = entry.trim();
        const start = written.startsWith('^') ? '^' : '';
        const phrase = start + written.replace('^', '').split(/\s+/).map(stemOf).join(' ');
        const signs = table.get(phrase) ?? new Map<string, Sign>();
        table.set(phrase, signs.set(role, { role, points, written }));
      }
    }
  }
  return new Map([...table].map(([phrase, signs]) => [phrase, [...signs.values()]]));
}
