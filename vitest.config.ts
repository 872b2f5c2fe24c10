import { defineConfig } from 'vitest/config';

/** Tests with a real Ollama. */
const SERVERS = 'test/e2e/ollama/**/*.test.ts';

export default defineConfig({
  test: {
    setupFiles: ['test/helpers/setup.ts'],
    // Captured output of command classes needs the real console.
    disableConsoleIntercept: true,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    maxWorkers: 2,
    coverage: { provider: 'v8', include: ['src/**/*.ts'] },
    projects: [
      { extends: true, test: { name: 'all', include: ['test/**/*.test.ts'], exclude: [SERVERS] } },
      // After all others and one file at a time: engines take a thread for every core and spin while they wait for each
      // other, so two at once on two cores take minutes for what one does in seconds.
      {
        extends: true,
        test: { name: 'servers', include: [SERVERS], maxWorkers: 1, sequence: { groupOrder: 1 } },
      },
    ],
  },
});
