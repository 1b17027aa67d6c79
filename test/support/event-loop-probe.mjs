// Loaded into a process by NODE_OPTIONS=--import=…: measures how late its event loop is and writes that down when it exits.
import { writeFileSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { isMainThread } from 'node:worker_threads';

const RESOLUTION_MS = 10;
const file = process.env.ORCHESTRATE_TEST_LAG_FILE;

if (isMainThread && file !== undefined) {
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  delay.enable();
  process.on('exit', () => {
    const ms = (nanoseconds) => nanoseconds / 1e6;
    const lag = { p50: ms(delay.percentile(50)), p99: ms(delay.percentile(99)), max: ms(delay.max) };
    writeFileSync(file, JSON.stringify({ ...lag, samples: delay.count }));
  });
}
