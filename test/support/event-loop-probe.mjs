// Loaded into a process by NODE_OPTIONS=--import=…: measures how late its event loop is, and writes that down when it exits.
import { readFileSync, writeFileSync } from 'node:fs';
import { createHistogram, performance } from 'node:perf_hooks';
import { isMainThread } from 'node:worker_threads';

const EVERY_MS = 10;
const file = process.env.ORCHESTRATE_TEST_LAG_FILE;

/** Milliseconds that the main thread was ready and had no CPU: how busy the machine is, not what the process does. */
function waitedMs() {
  return Number(readFileSync('/proc/self/schedstat', 'utf8').split(' ')[1]) / 1e6;
}

if (isMainThread && file !== undefined) {
  const late = createHistogram();
  const lateByItself = createHistogram();
  let waited = waitedMs();
  let due = performance.now() + EVERY_MS;
  const tick = () => {
    const waitedNow = waitedMs();
    const lateMs = Math.max(0, performance.now() - due);
    const microseconds = (ms) => Math.max(1, Math.round(ms * 1000));
    late.record(microseconds(lateMs));
    lateByItself.record(microseconds(lateMs - (waitedNow - waited)));
    waited = waitedNow;
    due = performance.now() + EVERY_MS;
    setTimeout(tick, EVERY_MS).unref();
  };
  setTimeout(tick, EVERY_MS).unref();
  process.on('exit', () => {
    const ms = (histogram) => ({
      p50: histogram.percentile(50) / 1000,
      p99: histogram.percentile(99) / 1000,
      max: histogram.max / 1000,
    });
    writeFileSync(file, JSON.stringify({ late: ms(late), lateByItself: ms(lateByItself), ticks: late.count }));
  });
}
