import { expect, it, vi } from 'vitest';
import { removeContainer } from '../../src/sandbox/docker/remove-container.ts';

const status = (statusCode: number) => Object.assign(new Error('refused'), { statusCode });

function container(...answers: readonly (Error | null)[]) {
  const remove = vi.fn<() => Promise<void>>();
  for (const answer of answers)
    remove.mockImplementationOnce(() => (answer === null ? Promise.resolve() : Promise.reject(answer)));
  const wait = vi.fn(() => Promise.reject(new Error('too late')));
  return { remove, wait };
}

it('takes one that is gone as removed', async () => {
  const gone = container(status(404));
  await removeContainer(gone as never);
  expect(gone.remove).toHaveBeenCalledTimes(1);
});

it('waits for somebody else to remove it, not for ever, and does it when they did not', async () => {
  const held = container(status(409), status(409), null);
  await removeContainer(held as never);
  expect(held.remove).toHaveBeenCalledTimes(3);
  expect(held.wait).toHaveBeenCalledTimes(2);
  expect(held.wait).toHaveBeenCalledWith({ condition: 'removed', abortSignal: expect.any(AbortSignal) });
});

it('gives up with the reason', async () => {
  const refusal = status(409);
  await expect(removeContainer(container(...Array(9).fill(refusal)) as never)).rejects.toBe(refusal);
  const broken = status(500);
  await expect(removeContainer(container(broken) as never)).rejects.toBe(broken);
});
