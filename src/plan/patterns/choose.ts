/** The kind of work that a goal's words speak for. */

import { DASHBOARD, MICROSERVICES, WEB_APP } from './applications.ts';
import { BUG, DOCS, FEATURE, GENERAL, REFACTOR, SECURE_FEATURE } from './changes.ts';
import { ETL, MIGRATION, ML } from './data.ts';
import type { Pattern } from './pattern.ts';

/** Where two have as many points the first is taken. */
const PATTERNS: readonly Pattern[] = [
  ...[BUG, MICROSERVICES, DASHBOARD, ETL, ML, WEB_APP, REFACTOR],
  ...[MIGRATION, DOCS, SECURE_FEATURE, FEATURE],
];
const LEAST = 4;
const READ = 2_000;

export function choosePattern(goal: string): Pattern {
  const text = goal.slice(0, READ).toLowerCase();
  const scored = PATTERNS.map((pattern) => ({
    pattern,
    points: pattern.words.reduce((sum, [words, points]) => sum + (words.test(text) ? points : 0), 0),
  }));
  const best = scored.reduce((a, b) => (b.points > a.points ? b : a));
  return best.points >= LEAST ? best.pattern : GENERAL;
}
