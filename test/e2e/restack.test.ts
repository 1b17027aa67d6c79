// A run whose new result takes the place of a rejected one: what stood on that follows.

import { afterEach, beforeEach, expect, it } from 'vitest';
import { Scratch } from '../support/scratch.ts';

let scratch: Scratch;
beforeEach(async () => {
  scratch = await Scratch.create();
});
afterEach(() => scratch[Symbol.asyncDispose]());

interface Listed {
  readonly id: string;
  readonly status: string;
  readonly tree: string;
  readonly reason: string | null;
}

it('a retry of a rejected result restacks what stood on it, or has it done again in the same run', async () => {
  await scratch.submitScript('base', 'od -An -N8 -tx1 /dev/urandom > base.txt');
  await scratch.submitScript('above', 'echo above > above.txt', '--depends-on', 'base');
  await scratch.submitScript('same', 'echo more >> base.txt', '--depends-on', 'base');
  await scratch.must(['run', '--engine', 'demo']);
  await scratch.must(['patch', 'approve', 'above', 'same']);
  await scratch.must(['patch', 'reject', 'base', '--reason', 'not so']);
  await scratch.must(['retry', 'base']);
  await scratch.must(['run', '--engine', 'demo']);
  const { patches } = await scratch.json<{ patches: Listed[] }>(['patch', 'list']);
  const found = Object.fromEntries(patches.map((patch) => [patch.id, patch]));
  expect(Object.fromEntries(patches.map(({ id, status }) => [id, status]))).toEqual({
    ...{ 'base.1': 'rejected', 'base.2': 'pending', 'above.1': 'pending', 'same.1': 'stale', 'same.2': 'pending' },
  });
  expect(found['above.1']?.reason).toBe('restacked on base.2; look again');
  expect(found['same.1']?.reason).toBe('conflicts in base.txt; to be done again on base.2');
  const file = (patch: string, name: string) => scratch.git('cat-file', 'blob', `${found[patch]?.tree}:${name}`);
  expect(await file('above.1', 'base.txt')).toBe(await file('base.2', 'base.txt'));
  expect(await file('above.1', 'base.txt')).not.toBe(await file('base.1', 'base.txt'));
  expect(await file('same.2', 'base.txt')).toBe(`${await file('base.2', 'base.txt')}\nmore`);
  await scratch.must(['patch', 'approve', 'base', 'above', 'same']);
  await scratch.must(['patch', 'apply', 'base', 'above', 'same']);
  expect(await scratch.git('show', 'HEAD:above.txt')).toBe('above');
});
