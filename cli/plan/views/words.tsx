/** How words look: by what they mean, and not at all where colours are not wanted. */

import { Text, type TextProps } from 'ink';
import { createContext, type ReactNode, useContext } from 'react';

export type Tone = 'plain' | 'strong' | 'weak' | 'good' | 'bad' | 'warned' | 'chosen' | 'named';

const LOOKS: Readonly<Record<Tone, TextProps>> = {
  plain: {},
  strong: { bold: true },
  weak: { dimColor: true },
  good: { color: 'green' },
  bad: { color: 'red' },
  warned: { color: 'yellow' },
  chosen: { inverse: true },
  named: { color: 'cyan' },
};

/** Whether words may have colours and weights. */
export const Styled = createContext(true);

/** One row of the screen; what does not fit is cut off. */
export function Row({ tone = 'plain', children }: { readonly tone?: Tone; readonly children: ReactNode }) {
  return (
    <Text wrap="truncate-end" {...(useContext(Styled) ? LOOKS[tone] : {})}>
      {children === '' ? ' ' : children}
    </Text>
  );
}
