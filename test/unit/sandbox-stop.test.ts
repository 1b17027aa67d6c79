import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { EngineHealth } from '../../src/sandbox/docker/health.ts';
import { DockerSandbox } from '../../src/sandbox/docker/sandbox.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

it('asks again until the sandbox has ended: what comes before PID 1 listens is dropped', async () => {
  let end = (): void => {};
  const stop = vi.fn(() => new Promise<void>((resolve) => (end = resolve)));
  const kill = vi.fn(() => Promise.reject(new Error('it does not run any more')));
  const engine = new EngineHealth({ ping: async () => {}, hold: () => Promise.reject(new Error('nobody watches')) });
  const inspect = async () => ({ State: { Status: 'running', Running: true } });
  const stopping = new DockerSandbox({ container: { inspect, stop, kill }, engine } as never).stop();
  await vi.advanceTimersByTimeAsync(3500);
  expect(kill.mock.calls).toEqual(Array(3).fill([{ signal: 'SIGTERM' }]));
  end();
  await stopping;
  await vi.advanceTimersByTimeAsync(5000);
  expect(kill).toHaveBeenCalledTimes(3);
  expect(stop).toHaveBeenCalledTimes(1);
});
