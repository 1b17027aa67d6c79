/** A text of many rows of which a part is seen, with what tells that there is more. */

import { Box } from 'ink';
import { Row, type Tone } from './words.tsx';

export interface TextRow {
  readonly text: string;
  readonly tone?: Tone;
}

/** `from`: the first row that is seen. Takes exactly `height` rows. */
export function Rows({
  rows,
  from,
  height,
}: {
  readonly rows: readonly TextRow[];
  readonly from: number;
  readonly height: number;
}) {
  const shown = rows.slice(from, from + height);
  const below = rows.length - from - shown.length;
  return (
    <Box flexDirection="column" height={height} overflow="hidden">
      {shown.map(({ text, tone = 'plain' }, index) => {
        const isHint = (index === 0 && from > 0) || (index === height - 1 && below > 0);
        const hint = index === 0 && from > 0 ? `↑ ${from + 1} more rows` : `↓ ${below + 1} more rows`;
        return (
          // biome-ignore lint/suspicious/noArrayIndexKey: a row is its place
          <Row key={from + index} tone={isHint && height > 2 ? 'weak' : tone}>
            {isHint && height > 2 ? hint : text}
          </Row>
        );
      })}
    </Box>
  );
}
