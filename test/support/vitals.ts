/** What a process and its repository take while it runs, looked at from outside: memory, file descriptors, containers. */

import { readdir, readFile } from 'node:fs/promises';
import Docker from 'dockerode';

/** Milliseconds between two looks. */
const EVERY_MS = 500;
/** Part of the looks that are not counted, at the beginning: caches fill, side-cars start. */
const WARMING_UP = 0.1;
const KIB = 1024;

export interface Vitals {
  /** The most memory that it ever had, bytes. */
  readonly peakBytes: number;
  readonly memory: Trend;
  readonly descriptors: Trend;
  readonly containers: Trend;
  readonly seconds: number;
}

export interface Trend {
  readonly most: number;
  readonly mean: number;
  /** By how much it grew over the whole time, as the straight line that fits it best says. */
  readonly growth: number;
}

interface Look {
  readonly bytes: number;
  readonly descriptors: number;
  readonly containers: number;
}

/** Looks until the process has ended. `installation` names the repository's objects in Docker. */
export async function vitalsOf(pid: number, installation: string): Promise<Vitals> {
  const docker = new Docker();
  const filters = { label: [`orchestrate=${installation}`] };
  const looks: Look[] = [];
  const began = performance.now();
  let peakBytes = 0;
  for (;;) {
    const memory = await memoryOf(pid);
    if (memory === null) break;
    peakBytes = memory.peakBytes;
    const descriptors = (await readdir(`/proc/${pid}/fd`).catch(() => [])).length;
    const containers = (await docker.listContainers({ all: true, filters })).length;
    looks.push({ bytes: memory.bytes, descriptors, containers });
    await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
  }
  const counted = looks.slice(Math.floor(looks.length * WARMING_UP));
  return {
    peakBytes,
    memory: trendOf(counted.map(({ bytes }) => bytes)),
    descriptors: trendOf(counted.map(({ descriptors }) => descriptors)),
    containers: trendOf(counted.map(({ containers }) => containers)),
    seconds: (performance.now() - began) / 1000,
  };
}

/** Null once it has ended. */
async function memoryOf(pid: number): Promise<{ readonly bytes: number; readonly peakBytes: number } | null> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  const [now, peak] = [/^VmRSS:\s+(\d+)/m.exec(status)?.[1], /^VmHWM:\s+(\d+)/m.exec(status)?.[1]];
  return now === undefined || peak === undefined ? null : { bytes: Number(now) * KIB, peakBytes: Number(peak) * KIB };
}

/** Least squares over looks that are evenly apart. */
function trendOf(values: readonly number[]): Trend {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const middle = (values.length - 1) / 2;
  let covariance = 0;
  let variance = 0;
  for (const [at, value] of values.entries()) {
    covariance += (at - middle) * (value - mean);
    variance += (at - middle) ** 2;
  }
  return { most: Math.max(...values), mean, growth: (covariance / variance) * (values.length - 1) };
}
