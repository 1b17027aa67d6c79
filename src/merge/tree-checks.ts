/** What the checks say of trees, each asked once; a red one can be asked again before anybody suffers for it. */

import type { CheckRecord } from '../state/records.ts';
import type { ObjectId } from '../types.ts';

export type CheckTree = (tree: ObjectId) => Promise<readonly CheckRecord[]>;

/** Whether a check failed. One that passed when it was done once more did not. */
function isRed(records: readonly CheckRecord[]): boolean {
  return records.some(hasFailed);
}

export function hasFailed(record: CheckRecord): boolean {
  return record.exitCode !== 0 && !record.isFlaky;
}

export class TreeChecks {
  readonly #check: CheckTree;
  readonly #known = new Map<ObjectId, Promise<readonly CheckRecord[]>>();
  readonly #flaky = new Set<string>();
  #runs = 0;

  constructor(check: CheckTree) {
    this.#check = check;
  }

  /** How many trees were checked, counting each time. */
  get runs(): number {
    return this.#runs;
  }

  /** Commands that failed and passed on the same tree. */
  get flaky(): readonly string[] {
    return [...this.#flaky].sort();
  }

  /** One record for each command. */
  of(tree: ObjectId): Promise<readonly CheckRecord[]> {
    let known = this.#known.get(tree);
    if (known === undefined) {
      known = this.#run(tree);
      this.#known.set(tree, known);
      known.catch(() => this.#known.delete(tree));
    }
    return known;
  }

  async isRed(tree: ObjectId): Promise<boolean> {
    return isRed(await this.of(tree));
  }

  /** Checks a red tree once more. Where it is not red now, it counts as green, and what failed before as flaky. */
  async isStillRed(tree: ObjectId): Promise<boolean> {
    const before = await this.of(tree);
    const again = this.#run(tree);
    this.#known.set(tree, again);
    if (isRed(await again)) return true;
    for (const record of before.filter(hasFailed)) this.#flaky.add(record.command);
    return false;
  }

  async #run(tree: ObjectId): Promise<readonly CheckRecord[]> {
    this.#runs += 1;
    const records = await this.#check(tree);
    for (const record of records) if (record.isFlaky) this.#flaky.add(record.command);
    return records;
  }
}
