/** Which role takes a thing to do that a goal lists. */

import { DEFAULT_ROLE, type RoleName } from '../../roles/catalogue.ts';

/** In the order in which they are tried: kinds of work before fields. */
const WORDS: readonly (readonly [RoleName, RegExp])[] = [
  ['documentation-writer', /^(?:write |update )?(?:the )?(?:docs|documentation|readme|changelog)\b|^document\b/],
  ['test-engineer', /^(?:add |write |fix |run )?(?:\w+ )?tests?\b|\b(?:test coverage|e2e)\b/],
  ['refactoring-specialist', /\b(?:refactor|clean ?up|restructure|technical debt|rename)/],
  ['security-engineer', /\b(?:security|vulnerabilit|audit|penetration|cve)/],
  ['specifications-engineer', /^(?:specify|design|define|plan)\b|\b(?:requirements|specification)/],
  ['ml-systems-architect', /\b(?:machine learning|ml|model training|prediction|recommend)/],
  ['data-pipeline-engineer', /\b(?:etl|pipelines?|ingest|airflow|spark)\b/],
  ['data-science-analyst', /\b(?:analysis|statistic|visuali[sz]|notebook|eda)/],
  ['data-architect-governance', /\b(?:data model|governance|retention|gdpr)/],
  ['aws-cloud-architect', /\b(?:aws|deploy|terraform|kubernetes|docker|infrastructure|ci|lambda|cloud)\b/],
  [
    'frontend-ui-engineer',
    /\b(?:ui|ux|responsive|front-?end|css|react|vue|page|pages|form|button|mobile|accessib\w*|dark mode)\b/,
  ],
];

export function roleFor(text: string): RoleName {
  const beginning = text.slice(0, 300).toLowerCase();
  return WORDS.find(([, words]) => words.test(beginning))?.[0] ?? DEFAULT_ROLE;
}
