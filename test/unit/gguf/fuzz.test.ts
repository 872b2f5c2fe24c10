import { expect, test } from 'vitest';
import { fuzz } from './fuzzer.ts';

// The same 20,000 every time; a million, or another seed: node scripts/fuzz-gguf.ts --mutants 1000000 --seed 2
test('20,000 mutants are each read, or refused with a ProvisionError, without reading much', async () => {
  const report = await fuzz({ mutants: 20_000, seed: 1 });
  expect(report.failures).toEqual([]);
  expect(report.mutants).toBe(20_000);
  // A fuzzer that breaks every mutant at once would prove nothing.
  expect(report.parsed).toBeGreaterThan(300);
  expect(report.behaviours).toBeGreaterThan(100);
});
