// Since when a report tells: as people write it, never something else than they meant.

import { describe, expect, it } from 'vitest';
import { periodSince } from '../../src/report/period.ts';

/** Local time. */
const NOW = new Date(2026, 2, 2, 7, 30);
const since = (written: string): Date => new Date(periodSince(written, NOW).since);

describe('--since', () => {
  it.each([
    ['12h', new Date(2026, 2, 1, 19, 30)],
    ['90m', new Date(2026, 2, 2, 6, 0)],
    ['yesterday', new Date(2026, 2, 1)],
    ['18:00', new Date(2026, 2, 1, 18, 0)],
    ['7:15', new Date(2026, 2, 2, 7, 15)],
    ['2026-02-27', new Date(2026, 1, 27)],
    ['2026-03-01T18:00', new Date(2026, 2, 1, 18, 0)],
    ['2026-03-01 18:00', new Date(2026, 2, 1, 18, 0)],
    ['2026-03-01T18:00:00Z', new Date(Date.UTC(2026, 2, 1, 18))],
    ['2026-03-01T18:00:00+02:00', new Date(Date.UTC(2026, 2, 1, 16))],
  ])('%s', (written, expected) => {
    expect(since(written)).toEqual(expected);
  });

  it.each(['', '12', 'tomorrow', '25:00', '2026-13-01', '2026-03-01T99:00', '-3h', 'last night', '2026'])(
    'refuses %j',
    (written) => {
      expect(() => since(written)).toThrow(expect.objectContaining({ code: 'BAD_VALUE', exitCode: 2 }));
    },
  );

  it('refuses what is still to come', () => {
    expect(() => since('2026-03-03')).toThrow(/still to come/);
  });
});
