import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import type { Catalog } from '../../../../src/catalog/load.ts';
import { resolveModel } from '../../../../src/catalog/lookup.ts';
import { ProvisionError } from '../../../../src/core/errors.ts';
import { GIB } from '../../../../src/core/units.ts';
import { readGgufHeader } from '../../../../src/gguf/header.ts';
import type { GgufFacts } from '../../../../src/gguf/schema.ts';
import { recordOf } from '../../../../src/provision/install/record.ts';
import { openCatalog } from '../../../../src/provision/plan/catalog.ts';
import type { InstallPlan, InstallRequest, PlanningInputs } from '../../../../src/provision/plan/contract.ts';
import { planInstall } from '../../../../src/provision/plan/plan-install.ts';
import { wishFor } from '../../../../src/provision/plan/projector.ts';
import type { InstallRecord } from '../../../../src/registry/schema.ts';
import type { RuntimeFacts } from '../../../../src/runtimes/contract.ts';
import { ollamaFacts } from '../../../../src/runtimes/registry.ts';
import { failureOf } from '../../../helpers/failure.ts';
import { memorySource } from '../../../helpers/gguf-builder.ts';
import { ROOT } from '../../../helpers/plans.ts';
import { tinyGemma3, tinyProjector } from '../../../helpers/tiny-vision.ts';
import { host, nvidia } from '../../fit/support.ts';

let catalog: Catalog;
/** Gemma 3 4B by its shape, with weights as the catalog has them. */
let text: GgufFacts;
const projectors = new Map<string, GgufFacts>();
const PROJECTOR_BYTES = 851_226_048;

beforeAll(async () => {
  const nowhere = join(ROOT, 'no-such-folder');
  catalog = await openCatalog(ROOT, { config: nowhere, data: nowhere, cache: nowhere }, []);
  const model = catalog.families.flatMap(({ family }) => family.models).find(({ id }) => id === 'gemma-3-4b');
  const weights = model?.quants.find(({ id }) => id === 'q4_k_m')?.weights;
  if (model === undefined || weights === undefined) throw new Error('the catalog has Gemma 3 4B');
  const tiny = await headerOf(tinyGemma3());
  text = { ...tiny, hyperparameters: model.hyperparameters, weights, declaredQuant: 'Q4_K_M', warnings: [] };
  const own = await headerOf(tinyProjector({ width: 2560 }));
  // One tensor of the size that the published file has in all.
  const [first] = own.tensors;
  if (first === undefined) throw new Error('a projector has tensors');
  projectors.set('right', { ...own, tensors: [{ ...first, bytes: PROJECTOR_BYTES }] });
  projectors.set('of-12b', await headerOf(tinyProjector({ width: 3840 })));
  projectors.set('llava', await headerOf(tinyProjector({ width: 2560, type: 'mlp' })));
});

async function headerOf(file: Buffer): Promise<GgufFacts> {
  return readGgufHeader(memorySource(file), { fileBytes: file.length });
}

interface Around {
  readonly facts?: RuntimeFacts;
  readonly profile?: PlanningInputs['profile'];
  readonly installed?: InstallRecord;
  /** Throws for the projector's file. */
  readonly away?: ProvisionError;
  readonly offline?: boolean;
}

const asked: string[] = [];

function plan(request: Partial<InstallRequest> = {}, around: Around = {}): Promise<InstallPlan> {
  return planInstall({ model: 'gemma-3-4b:q4_k_m', settings: {}, force: false, ...request }, inputsOf(around));
}

function inputsOf(around: Around): PlanningInputs {
  const { facts = ollamaFacts('0.33.0'), profile = host({ ram: 64, gpus: [nvidia(24)] }), installed, away } = around;
  asked.length = 0;
  return {
    catalog,
    ...(around.offline !== undefined && { offline: around.offline }),
    runtime: { kind: 'ollama', version: '0.33.0', endpoint: 'http://127.0.0.1:11434' },
    facts,
    profile,
    async resolve({ ref, expected }) {
      asked.push(ref);
      const isProjector = /mmproj|^\/p\//.test(ref);
      if (isProjector && away !== undefined) throw away;
      const sizeBytes = expected?.sizeBytes ?? 100;
      return { kind: 'file', ref, path: ref, sizeBytes, ...(expected?.digest && { digest: expected.digest }) };
    },
    bundledPath: (relative) => relative,
    readHeader: async ({ ref }) =>
      (/mmproj/.test(ref) ? projectors.get('right') : projectors.get(ref.slice(3))) ?? text,
    chatTemplate: async () => '{{ .Prompt }}',
    referenceTemplate: async () => undefined,
    installed: async () => (installed === undefined ? [] : [installed]),
  };
}

function projectorOf({ source }: InstallPlan) {
  return source.kind === 'file' ? source.projector : undefined;
}

function recorded(found: InstallPlan): InstallRecord {
  const effects = { now: () => new Date(0), toolVersion: '1.0.0' };
  return recordOf({ plan: found, promoted: { name: found.name }, tested: {}, effects });
}

const DIGEST = 'sha256:8c0fb064b019a6972856aaae2c7e4792858af3ca4561be2dbf649123ba6c40cb';
const TEXT_ONLY = host({ ram: 64, gpus: [nvidia(6, 4.9)] });

describe('--vision auto', () => {
  test('adds the catalog’s projector with its digest, its memory and its bytes to move', async () => {
    const found = await plan();
    const without = await plan({ vision: 'off' });
    expect(projectorOf(found)).toMatchObject({
      id: 'f16',
      serves: ['image'],
      file: { digest: DIGEST, sizeBytes: 851_251_104 },
    });
    expect(found.memory?.projectorBytes).toBe(PROJECTOR_BYTES + GIB);
    expect((found.memory?.gpuBytes ?? 0) - (without.memory?.gpuBytes ?? 0)).toBe(PROJECTOR_BYTES + GIB);
    expect(found.memory?.totalBytes).toBe((found.memory?.gpuBytes ?? 0) + (found.memory?.cpuBytes ?? 0));
    expect(found.bytesToMove - without.bytesToMove).toBe(851_251_104);
    expect(found.reasons.join('\n')).toContain('the projector f16 is added for pictures');
  });

  test('adds nothing where the model would not run as it does without, and asks no source', async () => {
    const found = await plan({}, { profile: TEXT_ONLY });
    expect(projectorOf(found)).toBeUndefined();
    expect(found.wholeOnGpu).toBe(true);
    expect(found.reasons.join('\n')).toContain('--vision on adds it');
    expect(asked.filter((ref) => ref.includes('mmproj'))).toEqual([]);
  });

  test.each([
    ['an older server', ollamaFacts('0.24.0'), /older than 0\.30\.0/],
    ['a server of before separate projectors', ollamaFacts('0.6.0'), /older than 0\.30\.0/],
  ])('says why not: %s', async (_, facts, why) => {
    const found = await plan({}, { facts });
    expect(projectorOf(found)).toBeUndefined();
    expect(found.reasons.join('\n')).toMatch(why);
  });

  test('leaves a file that the user named alone', async () => {
    const found = await plan({ from: '/x/own.gguf' });
    expect(projectorOf(found)).toBeUndefined();
    expect(found.reasons.join('\n')).toContain('--vision on adds the projector f16');
  });

  test('keeps what is installed: with its projector, or without', async () => {
    const seeing = recorded(await plan());
    expect(seeing.projector?.source.digest).toBe(DIGEST);
    expect(projectorOf(await plan({}, { installed: seeing, profile: TEXT_ONLY }))?.file.digest).toBe(DIGEST);
    const blind = recorded(await plan({ vision: 'off' }));
    const again = await plan({}, { installed: blind });
    expect(projectorOf(again)).toBeUndefined();
    expect(again.reasons.join('\n')).toContain('was installed without a projector');
  });

  test('does without where nothing may be downloaded; a fault of the network is one', async () => {
    const away = new ProvisionError('network', 'is not on this machine');
    expect(projectorOf(await plan({}, { away, offline: true }))).toBeUndefined();
    const suggestions = expect.arrayContaining([expect.stringContaining('--vision off')]);
    await expect(plan({}, { away })).rejects.toMatchObject({ code: 'network', suggestions });
    await expect(plan({ vision: 'on' }, { away, offline: true })).rejects.toMatchObject({ code: 'network' });
  });
});

describe('--vision on', () => {
  test('adds the projector to a file of the user’s', async () => {
    expect(projectorOf(await plan({ vision: 'on', from: '/x/own.gguf' }))?.file.digest).toBe(DIGEST);
  });

  test('lets the projector decide where the model runs: in RAM with a part of the model', async () => {
    const found = await plan({ vision: 'on' }, { profile: TEXT_ONLY });
    expect(projectorOf(found)).toBeDefined();
    expect(found.wholeOnGpu).toBe(false);
  });

  test('is refused before anything moves: a server that is too old', async () => {
    const error = await failureOf(plan({ vision: 'on' }, { facts: ollamaFacts('0.24.0') }));
    expect(error).toMatchObject({ code: 'runtime-too-old', message: expect.stringMatching(/older than 0\.30\.0/) });
  });

  test.each([
    ['gemma-3-1b', 'it takes text only'],
    ['gemma-3n-e4b', 'no projector is published for it'],
  ])('is refused for %s: %s', async (id, why) => {
    const { family, model } = resolveModel(catalog, id);
    const request = { vision: 'on', settings: {}, force: false } as const;
    const wish = () => wishFor({ family, model }, request, undefined, inputsOf({}));
    expect(await failureOf(wish)).toMatchObject({ code: 'bad-usage', message: expect.stringContaining(why) });
    // Without --vision on there was never a projector to miss.
    expect(wishFor({ family, model }, { ...request, vision: 'auto' }, undefined, inputsOf({}))).toEqual({});
  });
});

describe('--projector', () => {
  test('takes a file of the user’s own', async () => {
    const found = await plan({ projector: { ref: '/p/right' } });
    expect(projectorOf(found)).toMatchObject({ id: 'own', serves: ['image'], file: { path: '/p/right' } });
  });

  test.each([
    [
      'one of another size of the family',
      '/p/of-12b',
      /embeddings of 3840 values, as for gemma-3-12b; gemma-3-4b has 2560/,
    ],
    ['one of another kind', '/p/llava', /its type is mlp, and gemma3 takes gemma3/],
    ['a text model', '/p/text', /is not a projector: it has the architecture gemma3/],
  ])('refuses %s', async (_, ref, message) => {
    const error = await failureOf(plan({ projector: { ref } }));
    expect(error).toMatchObject({ code: 'wrong-architecture', message: expect.stringMatching(message) });
  });

  test('cannot be used with --vision off, nor with a model that Ollama pulls', async () => {
    const both = await failureOf(plan({ projector: { ref: '/p/right' }, vision: 'off' }));
    expect(both).toMatchObject({ code: 'bad-usage' });
    const pulled = await failureOf(plan({ projector: { ref: '/p/right' }, from: 'ollama:gemma3:4b' }));
    expect(pulled).toMatchObject({ code: 'bad-usage', message: expect.stringContaining('Ollama pulls its own') });
  });
});

test('Gemma 3n: no projector is published, and none is known to work', () => {
  expect(ollamaFacts('0.33.0').projectorRefusal('gemma3n')?.reason).toContain('gemma3n');
  expect(ollamaFacts('0.33.0').projectorRefusal('gemma3')).toBeUndefined();
  expect(ollamaFacts('0.30.0').projectorRefusal('gemma4')).toBeUndefined();
});
