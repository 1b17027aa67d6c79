/** The order of test files: the longest first, so that no worker ends a project with one of them alone. */

import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Half a minute and more of work each; one that is missing here costs time, nothing else. */
const LONGEST = [
  ...['remote-faults', 'night', 'set-up', 'engine-trouble', 'lifecycle', 'gateway-trouble', 'noise', 'scheduling'],
  ...['chaos', 'kills', 'shell', 'soak', 'checks', 'detach', 'workspace', 'swarm', 'engines', 'trouble', 'examples'],
  ...['change-requests', 'driver-contract', 'probes', 'keeper-workspace', 'clis', 'nights', 'extremes'],
  ...['plan-screen', 'merge-killed', 'patch-parse-cost', 'review-walk', 'parts'],
];

export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    return (await super.sort(files)).sort((a, b) => rank(a) - rank(b));
  }
}

/** The order among others stays as it was. */
function rank({ moduleId }: TestSpecification): number {
  const at = LONGEST.findIndex((name) => moduleId.endsWith(`/${name}.test.ts`));
  return at === -1 ? LONGEST.length : at;
}
