import { rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, it } from 'vitest';
import { Stack } from '../support/stack.ts';

it('a result is kept while another git holds the refs, as one that packs them does', async () => {
  await using stack = await Stack.create();
  const lock = path.join(stack.repository.gitDir, 'packed-refs.lock');
  await writeFile(lock, '');
  const id = await stack.finish('Add', { 'a.txt': 'a\n' });
  await rm(lock);
  expect(stack.states()).toEqual({ [id]: 'pending' });
  expect(Object.values(await stack.refs())).toEqual([stack.patch(id).commit]);
});
