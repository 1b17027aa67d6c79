/** Times contestants in turn, in one process and one sitting, so that the machine's drift hits all alike. */

export interface Contestant {
  readonly name: string;
  run(): Promise<void>;
}

export interface Row {
  readonly step: string;
  readonly ours: Figures;
  readonly baseline: Figures;
  readonly baselineName: string;
  /** Median of the pairwise ratios ours / baseline. */
  readonly ratio: number;
  /** What must be reached, in words. */
  readonly target: string;
  readonly reached: boolean;
}

/** Milliseconds. */
export interface Figures {
  readonly median: number;
  readonly p95: number;
}

export interface Comparison {
  readonly step: string;
  readonly ours: Contestant;
  readonly baseline: Contestant;
  readonly rounds: number;
  readonly target: string;
  /** Decides on the ratio ours / baseline. */
  reached(ratio: number): boolean;
}

export async function compare(comparison: Comparison): Promise<Row> {
  const { ours, baseline } = comparison;
  await ours.run();
  await baseline.run();
  const pairs: [number, number][] = [];
  for (let round = 0; round < comparison.rounds; round += 1) pairs.push([await time(ours), await time(baseline)]);
  const ratio = median(pairs.map(([a, b]) => a / b));
  return {
    step: comparison.step,
    ours: figures(pairs.map(([a]) => a)),
    baseline: figures(pairs.map(([, b]) => b)),
    baselineName: baseline.name,
    ratio,
    target: comparison.target,
    reached: comparison.reached(ratio),
  };
}

async function time(contestant: Contestant): Promise<number> {
  const began = performance.now();
  await contestant.run();
  return performance.now() - began;
}

function figures(values: readonly number[]): Figures {
  return { median: median(values), p95: quantile(values, 0.95) };
}

function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (sorted.length - 1) * q;
  const low = sorted[Math.floor(at)] ?? Number.NaN;
  const high = sorted[Math.ceil(at)] ?? Number.NaN;
  return low + (high - low) * (at - Math.floor(at));
}
