import { expect, it } from 'vitest';
import { usageError } from '../../src/errors.ts';
import { runAttempt } from '../../src/tasks/attempt.ts';
import type { AttemptContext } from '../../src/tasks/attempt-parts.ts';

it('an attempt whose engine cannot begin is shut out of the gateway again', async () => {
  const admitted = new Set<string>();
  const context = {
    host: { prepareTree: async () => {} },
    notes: { knownTo: () => ({ prompt: null, contextFiles: [] }) },
    earlier: async () => undefined,
    gateway: {
      admit: async (attempt: string) => void admitted.add(attempt),
      release: async (attempt: string) => void admitted.delete(attempt),
    },
    engine: {
      begin: () => {
        expect([...admitted]).toEqual(['a.1']);
        throw usageError('UNKNOWN_MODEL', 'there is no such model');
      },
    },
  } as unknown as AttemptContext;
  const ended = await runAttempt(context, { id: 'a' } as never, { id: 'a.1', task: 'a', n: 1 } as never, {} as never);
  expect(ended?.end).toMatchObject({ outcome: 'failed', reason: 'there is no such model' });
  expect([...admitted]).toEqual([]);
});
