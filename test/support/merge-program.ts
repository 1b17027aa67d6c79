/** Merges everything approved in the repository of its argument, as a process that a test can kill. */

import { writeFileSync } from 'node:fs';
import { findRepository } from '../../src/git/repository.ts';
import { mergeApproved } from '../../src/merge/merge.ts';
import { openState } from '../../src/state/state.ts';

const [root = '.', pidFile] = process.argv.slice(2);
if (pidFile !== undefined) writeFileSync(pidFile, String(process.pid));
const repository = await findRepository(root, process.env);
const state = openState(repository.stateDir);
await mergeApproved(repository, state, {
  ...{ into: process.env.MERGE_INTO ?? null, commands: [], signal: new AbortController().signal },
  openChecker: () => Promise.reject(new Error('nothing is checked')),
  onProgress: () => {},
  onWarning: (line) => console.error(line),
});
state.close();
