// Three projects, one after the other: unit (no Docker), integration (a real engine), e2e (the built command line).
import { defineConfig } from 'vitest/config';
import { LongestFirst } from './test/support/longest-first.ts';

/** Image builds and containers, on a slow machine. */
const CONTAINER_TIMEOUT_MS = 180_000;

/** Also on two cores: a test waits for other processes half of its time. With three the whole is a tenth faster, and less steady. */
const WORKERS = 2;

const withDocker = {
  environment: 'node' as const,
  globalSetup: ['test/support/global-setup.ts'],
  // Where there is no registry its reaper image could not be pulled; tests remove what they made by label.
  env: { TESTCONTAINERS_RYUK_DISABLED: 'true' },
  testTimeout: CONTAINER_TIMEOUT_MS,
  hookTimeout: CONTAINER_TIMEOUT_MS,
  maxWorkers: WORKERS,
};

export default defineConfig({
  test: {
    sequence: { sequencer: LongestFirst },
    projects: [
      {
        test: {
          name: 'unit',
          environment: 'node',
          include: ['test/unit/**/*.test.ts'],
          testTimeout: 20_000,
          maxWorkers: WORKERS,
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          name: 'integration',
          include: ['test/integration/**/*.test.ts'],
          ...withDocker,
          sequence: { groupOrder: 1 },
        },
      },
      { test: { name: 'e2e', include: ['test/e2e/**/*.test.ts'], ...withDocker, sequence: { groupOrder: 2 } } },
    ],
    coverage: { provider: 'v8', include: ['src/**', 'cli/**'] },
  },
});
