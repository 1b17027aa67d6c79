/** What a host gets of the repository for its sandboxes: packs of trees, and the past that agents see. */

import type { Readable } from 'node:stream';
import type { ObjectId } from '../types.ts';
import { rootCommit } from './commits.ts';
import { type ShallowHistory, shallowHistory } from './history.ts';
import { nearestTree } from './nearest.ts';
import { packOfTree } from './objects.ts';
import type { Repository } from './repository.ts';

export interface Outgoing {
  /** The pack that lays out `tree`: everything, or what `without` lacks; and the commit in it that the agent sees. */
  packOf(tree: ObjectId, without: ObjectId | null): Promise<{ commit: ObjectId; pack: Readable }>;
  /** Which of the trees that a host has `tree` is best laid out as a difference to; null: none of them. */
  nearestOf(tree: ObjectId, among: readonly ObjectId[]): Promise<ObjectId | null>;
  /** How many commits deep the history is that agents see; 1: none but one made up for the tree. */
  readonly history: number;
  /** The past of a commit, `history` deep, without the objects of its own tree. */
  historyOf(commit: ObjectId): Promise<ShallowHistory>;
}

export function outgoing(repository: Repository, history: number): Outgoing {
  return {
    history,
    nearestOf: (tree, among) => nearestTree(repository, tree, among),
    historyOf: (commit) => shallowHistory(repository, commit, history),
    // Without a history the agent's own repository has one commit, the same for the same tree.
    async packOf(tree, without) {
      const commit = await rootCommit(repository, tree);
      return { commit, pack: packOfTree(repository, tree, { commit, ...(without === null ? {} : { without }) }) };
    },
  };
}
