/** The head of the screen: what the plan is for, and its figures. */

import { Box } from 'ink';
import { sanitiseLine } from '../../../src/sanitise.ts';
import { cut } from '../../render/fit.ts';
import { count } from '../../render/text.ts';
import type { Area, Seen } from './seen.ts';
import { Row } from './words.tsx';

export function Header({ seen: { state, figures }, area }: { readonly seen: Seen; readonly area: Area }) {
  const { stored, marked } = state;
  const { plan } = stored;
  const facts = [
    count(plan.tasks.length, 'task'),
    count(figures.phases.length, 'phase'),
    ...(marked.length > 0 ? [`${marked.length} marked`] : []),
    `planned by ${sanitiseLine(plan.planner)}`,
    stored.approvedAt === null ? `saved as ${stored.id}` : `approved as ${stored.id}`,
  ];
  return (
    <Box flexDirection="column" height={area.height} overflow="hidden">
      <Row tone="strong">{cut(sanitiseLine(plan.goal), area.width)}</Row>
      {area.height > 1 ? <Row tone="weak">{cut(facts.join(' · '), area.width)}</Row> : null}
    </Box>
  );
}
