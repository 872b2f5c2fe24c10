import { describe, expect, test } from 'vitest';
import { ProvisionError } from '../../../../src/core/errors.ts';
import { drive, type ProgressEvent, type Work } from '../../../../src/core/progress.ts';
import type { Engine, MemoryEstimate } from '../../../../src/fit/schema.ts';
import { installSmaller } from '../../../../src/provision/install/installer.ts';
import {
  compareWithEstimate,
  fellShort,
  measuredMemory,
  wrongPrediction,
} from '../../../../src/provision/install/measure.ts';
import { planReport } from '../../../../src/provision/install/report.ts';
import type { InstallReport } from '../../../../src/provision/install/schema.ts';
import type { InstallPlan, InstallRequest } from '../../../../src/provision/plan/contract.ts';
import { smallerPlan } from '../../../../src/provision/plan/smaller.ts';
import type { LoadedModel } from '../../../../src/runtimes/contract.ts';
import { never } from '../../../helpers/failure.ts';
import { FakeRuntime } from '../../../helpers/fake-runtime.ts';
import { tinyPlan } from '../../../helpers/plans.ts';

const MIB = 1024 ** 2;
const SHORT = new ProvisionError('memory-short', 'no room');

function memory(changes: Partial<MemoryEstimate> = {}): MemoryEstimate {
  return {
    gpuBytes: 0,
    cpuBytes: 1000 * MIB,
    weightsBytes: 800 * MIB,
    kvBytes: 100 * MIB,
    computeBytes: 100 * MIB,
    totalBytes: 1000 * MIB,
    basis: {},
    ...changes,
  };
}

describe('the next smaller way', () => {
  const request: InstallRequest = { model: 'tiny-gemma-3n', settings: {}, force: false };
  const asked = (free: boolean, more: Partial<InstallRequest> = {}, refuse: string[] = []) => {
    const seen: InstallRequest[] = [];
    const plan = smallerPlan(
      { ...request, ...more },
      { quant: 'q8_0', contextLength: 4096, freeQuant: free },
      async (next) => {
        seen.push(next);
        if (refuse.length > 0 && next.without !== undefined) throw new ProvisionError('source-not-found', 'none');
        return tinyPlan();
      },
    );
    return plan.then((found) => ({ found, seen }));
  };

  test('is another quant where nobody named one', async () => {
    const { found, seen } = await asked(true, { without: ['f16'] });
    expect(found).toBeDefined();
    expect(seen).toEqual([{ ...request, without: ['f16', 'q8_0'] }]);
  });

  test('is half the context where the quant was named, or no other is to be had', async () => {
    expect((await asked(false)).seen).toEqual([{ ...request, settings: { contextLength: 2048 } }]);
    const { seen } = await asked(true, {}, ['q4_0']);
    // The quant stays free, so that nobody is told to have asked for it.
    expect(seen.at(-1)).toEqual({ ...request, settings: { contextLength: 2048 } });
  });

  test('is nothing where quant and context were named, or the context would be of no use', async () => {
    expect(await asked(false, { settings: { contextLength: 4096 } })).toEqual({ found: undefined, seen: [] });
    const short = { quant: 'q8_0', contextLength: 3000, freeQuant: false };
    expect(await smallerPlan(request, short, async () => tinyPlan())).toBeUndefined();
  });

  test('an error that says something else is not swallowed', async () => {
    const broken = smallerPlan(request, { quant: 'q8_0', contextLength: 4096, freeQuant: true }, async () => {
      throw new ProvisionError('bad-gguf', 'broken');
    });
    await expect(broken).rejects.toMatchObject({ code: 'bad-gguf' });
  });
});

describe('installing what fits', () => {
  /** Plans that follow one another, the largest first. */
  function chain(quants: readonly string[]): InstallPlan {
    const [quant = '', ...rest] = quants;
    return tinyPlan({ quant, smaller: async () => (rest.length > 0 ? chain(rest) : undefined) });
  }

  function attempt(fitting: readonly string[]) {
    const tried: string[] = [];
    async function* install(plan: InstallPlan): Work<InstallReport> {
      tried.push(plan.quant);
      yield { type: 'phase', id: 'store', title: 'store', status: 'started' };
      if (!fitting.includes(plan.quant)) throw SHORT;
      return planReport(plan);
    }
    return { tried, install };
  }

  test('goes on until one fits, says why, and keeps it among the reasons', async () => {
    const { tried, install } = attempt(['q4_0']);
    const events: ProgressEvent[] = [];
    const report = await drive(installSmaller(chain(['q8_0', 'q6_k', 'q4_0']), install), (event) => events.push(event));
    expect(tried).toEqual(['q8_0', 'q6_k', 'q4_0']);
    expect(report.choice.reasons[0]).toContain('tiny-gemma-3n:q6_k');
    expect(report.choice.reasons[0]).toContain('does not fit (no room)');
    expect(events.filter(({ type }) => type === 'warning')).toHaveLength(2);
  });

  test('throws what the last attempt said when none fits', async () => {
    const { tried, install } = attempt([]);
    await expect(drive(installSmaller(chain(['q8_0', 'q4_0']), install), () => undefined)).rejects.toBe(SHORT);
    expect(tried).toEqual(['q8_0', 'q4_0']);
  });

  test('any other failure is no reason to take a smaller one', async () => {
    const tried: string[] = [];
    // biome-ignore lint/correctness/useYield: it fails before there is anything to tell
    const work = installSmaller(chain(['q8_0', 'q4_0']), async function* ({ quant }) {
      tried.push(quant);
      throw new ProvisionError('smoke-failed', 'nonsense');
    });
    await expect(drive(work, () => undefined)).rejects.toMatchObject({ code: 'smoke-failed' });
    expect(tried).toEqual(['q8_0']);
  });
});

describe('what a server says of a loaded model', () => {
  test.each<[string, Engine, MemoryEstimate, LoadedModel, number | undefined]>([
    ['is what it allocated', 'ollama-a2', memory(), { sizeBytes: 1200 * MIB }, 1.2],
    ['was a guess before the load', 'ollama-a1', memory(), { sizeBytes: 3000 * MIB }, undefined],
    ['lacks some KV cache: within that it is right', 'ollama-b', memory(), { sizeBytes: 950 * MIB }, 1],
    ['lacks more than the KV cache', 'ollama-b', memory(), { sizeBytes: 450 * MIB }, 0.5],
    [
      'leaves out the CPU when all is on the GPU',
      'ollama-b',
      memory({ gpuBytes: 700 * MIB, cpuBytes: 300 * MIB }),
      { sizeBytes: 700 * MIB, gpuBytes: 700 * MIB },
      1,
    ],
    ['means something else elsewhere', 'embedded', memory(), { sizeBytes: 900 * MIB }, undefined],
  ])('%s', (_what, engine, predicted, loaded, ratio) => {
    expect(measuredMemory(predicted, loaded, engine)?.ratio).toBe(ratio);
  });

  test('nothing is measured where nothing is told', () => {
    expect(measuredMemory(memory(), {}, 'ollama-b')).toBeUndefined();
    expect(measuredMemory(memory(), { sizeBytes: 0 }, 'ollama-b')).toBeUndefined();
  });

  test('a prediction that is off by more than a tenth is told as wrong', () => {
    const wrong = measuredMemory(memory(), { sizeBytes: 1200 * MIB }, 'ollama-a2');
    expect(wrong && wrongPrediction(wrong)).toContain('20 % more');
    const right = measuredMemory(memory(), { sizeBytes: 1090 * MIB }, 'ollama-a2');
    expect(right && wrongPrediction(right)).toBeUndefined();
  });

  test.each<[string, boolean, LoadedModel, boolean]>([
    ['only a part of it', true, { sizeBytes: 1000, gpuBytes: 400 }, true],
    ['all of it', true, { sizeBytes: 1000, gpuBytes: 1000 }, false],
    ['nothing: no question of memory', true, { sizeBytes: 1000, gpuBytes: 0 }, false],
    ['a part, as was planned', false, { sizeBytes: 1000, gpuBytes: 400 }, false],
  ])('on the GPU is %s', (_what, whole, loaded, short) => {
    expect(fellShort(memory({ gpuBytes: 900 }), loaded, whole) !== undefined).toBe(short);
  });
});

describe('a model that does not come to the GPU as a whole', () => {
  class Halved extends FakeRuntime {
    override async loaded() {
      return { sizeBytes: 1000 * MIB, gpuBytes: 400 * MIB };
    }
  }
  const predicted = memory({ gpuBytes: 1000 * MIB, cpuBytes: 0 });
  const look = (plan: InstallPlan, force = false) =>
    drive(
      compareWithEstimate('staging:t', plan, { force }, { runtime: new Halved() }, undefined, never),
      () => undefined,
    );

  test('makes room for a smaller one where there is one', async () => {
    const plan = tinyPlan({ memory: predicted, wholeOnGpu: true, smaller: async () => tinyPlan() });
    await expect(look(plan)).rejects.toMatchObject({ code: 'memory-short' });
    expect(await look(plan, true)).toMatchObject({ gpuBytes: 400 * MIB });
  });

  test('is recorded with what the host saw, beside the word of the server', async () => {
    const plan = tinyPlan({ memory: predicted, wholeOnGpu: false });
    const effects = { runtime: new Halved(), memoryUse: async () => ({ residentBytes: 500, vramBytes: 70 }) };
    const before = { residentBytes: 200, vramBytes: 100 };
    const work = compareWithEstimate('staging:t', plan, { force: false }, effects, before, never);
    expect(await drive(work, () => undefined)).toMatchObject({ residentBytes: 300, vramBytes: 0, ratio: 1 });
  });

  test('stays where there is none', async () => {
    const plan = tinyPlan({ memory: predicted, wholeOnGpu: true, smaller: async () => undefined });
    expect(await look(plan)).toMatchObject({ measuredBytes: 1000 * MIB, ratio: 1 });
  });
});
