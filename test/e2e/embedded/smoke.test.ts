/** The suite of the tiny model, on the tiny model. */

import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { drive } from '../../../src/core/progress.ts';
import { realDisk } from '../../../src/disk/disk.ts';
import { runSuite } from '../../../src/smoke/run.ts';
import { loadBuiltInSuite } from '../../../src/smoke/suite.ts';
import { openCage, UNCAGED } from '../../helpers/cage.ts';
import { never } from '../../helpers/failure.ts';
import { type Bench, bench, install, MODEL, ROOT, SPEC } from './support.ts';

let own: Bench;
beforeAll(async () => {
  own = await bench();
});
afterAll(() => own.runtime.close());

async function smoke(name: string) {
  const suite = await loadBuiltInSuite(realDisk, join(ROOT, 'catalog/suites'), 'tiny-gemma-3n', UNCAGED);
  const templateMarkers = ['<start_of_turn>', '<end_of_turn>', '<bos>'];
  const { chat } = own.runtime;
  return drive(
    runSuite({ cage: openCage, suite, chat, name, stop: ['<end_of_turn>'], templateMarkers, signal: never }),
    () => undefined,
  );
}

test.each([1, 1.1])('passes with a repeat penalty of %d', async (repeat_penalty) => {
  await install(own.runtime, 'tiny', MODEL, {
    ...SPEC,
    parameters: { temperature: 0.7, top_p: 0.9, top_k: 40, repeat_penalty, num_ctx: 2048, num_predict: 4096 },
  });
  const result = await smoke('tiny');
  expect(result.checks.filter((check) => !check.passed)).toEqual([]);
  expect(result.failed).toBe(0);
  expect(result.tokensPerSecond).toBeGreaterThan(0);
});

test('a model that is not there fails at once, with the reason', async () => {
  const result = await smoke('nobody');
  expect(result).toMatchObject({ passed: 0, failed: result.checks.length });
  expect(result.checks[0]?.detail).toContain('has no model nobody');
  expect(result.checks[1]?.detail).toContain('not run');
});
