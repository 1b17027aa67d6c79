/** Times contestants in turn, in one process and one sitting, so that the machine's drift hits all alike. */

export interface Contestant {
  readonly name: string;
  /** How many of what is measured one `run` does. */
  readonly per: number;
  /** A number that it resolves to is measured in place of the time it takes. */
  run(): Promise<unknown>;
  /** What is left to do after a run; not timed. */
  settle?(): Promise<void>;
}

export type Unit = 'ms' | 'tokens';

export interface Row {
  readonly step: string;
  readonly unit: Unit;
  readonly ours: Figures;
  readonly baseline: Figures;
  readonly baselineName: string;
  /** Median of the pairwise ratios ours / baseline. */
  readonly ratio: number;
  /** The greatest ratio that reaches the target; null: only measured. */
  readonly atMost: number | null;
}

/** Milliseconds, or what the contestants measure themselves. */
export interface Figures {
  readonly median: number;
  readonly p95: number;
}

export interface Comparison {
  readonly step: string;
  readonly unit: Unit;
  readonly ours: Contestant;
  readonly baseline: Contestant;
  readonly rounds: number;
  /** The greatest ratio ours / baseline that reaches the target; null: only measured. */
  readonly atMost: number | null;
}

export async function compare(comparison: Comparison): Promise<Row> {
  const { ours, baseline } = comparison;
  await time(ours);
  await time(baseline);
  const pairs: [number, number][] = [];
  for (let round = 0; round < comparison.rounds; round += 1) pairs.push([await time(ours), await time(baseline)]);
  const ratio = median(pairs.map(([a, b]) => a / b));
  return {
    step: comparison.step,
    unit: comparison.unit,
    ours: figures(pairs.map(([a]) => a)),
    baseline: figures(pairs.map(([, b]) => b)),
    baselineName: baseline.name,
    ratio,
    atMost: comparison.atMost,
  };
}

async function time(contestant: Contestant): Promise<number> {
  const began = performance.now();
  const measured = await contestant.run();
  const took = typeof measured === 'number' ? measured : performance.now() - began;
  await contestant.settle?.();
  return took / contestant.per;
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
