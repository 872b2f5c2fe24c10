import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import type { Catalog } from '../../../../src/catalog/load.ts';
import { ProvisionError } from '../../../../src/core/errors.ts';
import { MIB } from '../../../../src/core/units.ts';
import type { GgufFacts } from '../../../../src/gguf/schema.ts';
import { recordOf } from '../../../../src/provision/install/record.ts';
import { openCatalog } from '../../../../src/provision/plan/catalog.ts';
import type { InstallPlan, InstallRequest, PlanningInputs } from '../../../../src/provision/plan/contract.ts';
import { rank, runSettings } from '../../../../src/provision/plan/fit-check.ts';
import { readHeader } from '../../../../src/provision/plan/header.ts';
import { planInstall } from '../../../../src/provision/plan/plan-install.ts';
import type { InstallRecord } from '../../../../src/registry/schema.ts';
import { ollamaFacts } from '../../../../src/runtimes/registry.ts';
import { ROOT, TINY_FILE } from '../../../helpers/plans.ts';
import { E4B, E4B_SHAPE, GEMMA_3N, host, nvidia, tabledWeights } from '../../fit/support.ts';

let catalog: Catalog;
let header: GgufFacts;
beforeAll(async () => {
  const nowhere = join(ROOT, 'no-such-folder');
  catalog = await openCatalog(ROOT, { config: nowhere, data: nowhere, cache: nowhere }, []);
  const tiny = await readHeader(TINY_FILE, 3_999_936);
  header = { ...tiny, hyperparameters: E4B_SHAPE, weights: tabledWeights('q4_k_m'), declaredQuant: 'Q4_K_M' };
});

const FACTS = ollamaFacts('0.33.0-rc2');

function plan(
  profile: PlanningInputs['profile'],
  asked: Partial<InstallRequest> = {},
  installed?: InstallRecord,
  there = /./,
): Promise<InstallPlan> {
  const inputs: PlanningInputs = {
    catalog,
    runtime: { kind: 'ollama', version: '0.33.0', endpoint: 'http://127.0.0.1:11434' },
    facts: FACTS,
    profile,
    async resolve({ ref, fileName }) {
      if (ref.endsWith('/') && fileName === undefined) throw new ProvisionError('bad-usage', 'a folder');
      if (ref.endsWith('/') && !there.test(fileName ?? '')) throw new ProvisionError('source-not-found', ref);
      return { kind: 'file', ref, path: ref, sizeBytes: 100 };
    },
    bundledPath: (relative) => relative,
    readHeader: async () => header,
    chatTemplate: async () => '{{ .Prompt }}',
    referenceTemplate: async () => undefined,
    installed: async () => (installed === undefined ? [] : [installed]),
  };
  return planInstall(
    { model: 'gemma-3n-e4b:q4_k_m', from: '/x/e4b.gguf', settings: {}, force: false, ...asked },
    inputs,
  );
}

function parametersOf({ source }: InstallPlan) {
  if (source.kind !== 'file') throw new Error('it comes from a file');
  const { num_ctx, num_batch, num_gpu } = source.spec.parameters;
  return { num_ctx, num_batch, num_gpu };
}

function recorded(found: InstallPlan): InstallRecord {
  const effects = { now: () => new Date(0), toolVersion: '1.0.0' };
  return recordOf({ plan: found, promoted: { name: found.name }, tested: {}, effects });
}

const ROOMY = host({ ram: 64, gpus: [nvidia(24)] });
const HALF = host({ ram: 64, gpus: [nvidia(4, 2.4)] });

/** A GPU on which q4_k_m at 4096 tokens lacks so much. */
async function lacking(bytes: number): Promise<PlanningInputs['profile']> {
  const { memory } = await plan(ROOMY);
  const free = (memory?.gpuBytes ?? 0) + 1024 * MIB - bytes;
  return host({ ram: 64, gpus: [{ ...nvidia(4), vramFree: free }] });
}

describe('the load parameters of an install', () => {
  test('are those of its estimate', async () => {
    expect(parametersOf(await plan(ROOMY))).toEqual({ num_ctx: 4096, num_batch: 512, num_gpu: undefined });
    const asked = await plan(ROOMY, { settings: { contextLength: 8192, batch: 1024 } });
    expect(parametersOf(asked)).toMatchObject({ num_ctx: 8192, num_batch: 1024 });
    expect(asked.reasons.join('\n')).toMatch(/num_ctx is 8192 as requested, which needs \d/);
  });

  test('a batch is never larger than the context', async () => {
    expect(parametersOf(await plan(ROOMY, { settings: { contextLength: 256 } }))).toMatchObject({ num_batch: 256 });
  });

  test('name the layers where only a part of them fits', async () => {
    const { num_gpu } = parametersOf(await plan(HALF));
    expect(num_gpu).toBeGreaterThan(0);
    expect(num_gpu).toBeLessThan(36);
  });

  test('a smaller batch where that lets the whole model have the GPU, unless one was asked for', async () => {
    const profile = await lacking(60 * MIB);
    const found = await plan(profile);
    expect(parametersOf(found)).toEqual({ num_ctx: 4096, num_batch: 256, num_gpu: undefined });
    expect(found.reasons.join('\n')).toContain('num_batch is 256 instead of 512');
    expect(parametersOf(await plan(profile, { settings: { batch: 512 } })).num_batch).toBe(512);
  });
});

describe('a second install of the same', () => {
  test('keeps how it is loaded, though the model now takes the memory itself', async () => {
    const first = await plan(ROOMY);
    const again = await plan(HALF, {}, recorded(first));
    expect(parametersOf(again)).toEqual(parametersOf(first));
    const part = await plan(HALF);
    expect(parametersOf(await plan(ROOMY, {}, recorded(part)))).toEqual(parametersOf(part));
  });

  test('does not pass kept settings off as what was asked for', async () => {
    const reduced = await plan(await lacking(60 * MIB));
    expect(parametersOf(reduced).num_batch).toBe(256);
    const reasons = (await plan(ROOMY, {}, recorded(reduced))).reasons.join('\n');
    expect(reasons).toMatch(/num_batch is 256 as it was installed before/);
    expect(reasons).not.toMatch(/ is \S+ as requested/);
  });

  test('keeps what an earlier version wrote, which had no batch', async () => {
    const { num_batch: _, ...parameters } = recorded(await plan(ROOMY)).parameters;
    const old = { ...recorded(await plan(ROOMY)), parameters };
    expect(parametersOf(await plan(ROOMY, {}, old))).toMatchObject({ num_ctx: 4096, num_batch: undefined });
  });

  test('takes what is now asked for, and decides anew when forced', async () => {
    const record = recorded(await plan(HALF));
    expect(parametersOf(await plan(ROOMY, { settings: { contextLength: 8192 } }, record))).toEqual({
      num_ctx: 8192,
      num_batch: 512,
      num_gpu: undefined,
    });
    expect(parametersOf(await plan(ROOMY, { force: true }, record)).num_gpu).toBeUndefined();
  });
});

describe('a quant that was named', () => {
  test('tells what would have been chosen, and what the difference is', async () => {
    const { reasons } = await plan(host({ ram: 32, gpus: [nvidia(12)] }), { from: '/x/' });
    expect(reasons[0]).toBe('this quant was requested');
    expect(reasons[1]).toMatch(
      /^Without --quant the choice would be q8_0; compared with that, q4_k_m means: 2 stars fewer, \d\.\d\d GiB less memory, about \d+ instead of \d+ tok\/s\.$/,
    );
  });

  test('is held only against what can be had', async () => {
    const few = await plan(host({ ram: 32, gpus: [nvidia(12)] }), { from: '/x/' }, undefined, /q4_k_m|q5_k_m/i);
    expect(few.reasons[1]).toMatch(/^Without --quant the choice would be q5_k_m;/);
    const single = await plan(host({ ram: 32, gpus: [nvidia(12)] }));
    expect(single.reasons.join('\n')).not.toContain('Without --quant');
  });

  test('says nothing of it where it is the choice anyway', async () => {
    const { reasons } = await plan(host({ ram: 32, gpus: [nvidia(8, 4.1)] }), { useCase: 'chatbot' });
    expect(reasons.join('\n')).not.toContain('Without --quant');
  });
});

test('what the server cannot load is blocked in the ranking, with its word', () => {
  const ranking = rank(
    E4B,
    GEMMA_3N,
    { settings: {}, force: false },
    {
      facts: {
        ...FACTS,
        quantRefusal: (architecture, quant) => (quant === 'q8_0' ? `No ${quant} of ${architecture}.` : undefined),
      },
      profile: ROOMY,
    },
  );
  const blocked = ranking.candidates.find(({ quant }) => quant === 'q8_0');
  expect([blocked?.verdict, blocked?.blockedBy]).toEqual(['no', ['No q8_0 of gemma3n.']]);
});

describe('settings', () => {
  test('flash attention is what the engine does unasked', () => {
    const flash = (engine: Parameters<typeof runSettings>[2], architecture = 'gemma3n') =>
      runSettings(E4B, architecture, engine, {}).settings.flashAttention;
    expect([flash('ollama-b'), flash('ollama-a2'), flash('ollama-a2', 'gemma3')]).toEqual([true, false, true]);
    expect(runSettings(E4B, 'gemma3n', 'ollama-a2', { flashAttention: true }).settings.flashAttention).toBe(true);
  });

  test('those that were asked for are fixed, the others may be made smaller', () => {
    expect(runSettings(E4B, 'gemma3n', 'ollama-b', { batch: 64 }).adjustable).toEqual(['contextLength']);
    expect(() => runSettings(E4B, 'gemma3n', 'ollama-b', { contextLength: 1e6 })).toThrow(
      expect.objectContaining({ code: 'bad-usage' }),
    );
  });
});
