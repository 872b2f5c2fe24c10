/** Which of a quant's sources a plan takes, and what a name on record keeps. */
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import type { Catalog } from '../../../../src/catalog/load.ts';
import type { Digest } from '../../../../src/core/digest.ts';
import { type ErrorCode, ProvisionError } from '../../../../src/core/errors.ts';
import type { GgufFacts } from '../../../../src/gguf/schema.ts';
import { recordOf } from '../../../../src/provision/install/record.ts';
import { openCatalog } from '../../../../src/provision/plan/catalog.ts';
import type { InstallPlan, InstallRequest, PlanningInputs } from '../../../../src/provision/plan/contract.ts';
import { readHeader } from '../../../../src/provision/plan/header.ts';
import { planInstall } from '../../../../src/provision/plan/plan-install.ts';
import type { InstallRecord } from '../../../../src/registry/schema.ts';
import { ollamaFacts } from '../../../../src/runtimes/registry.ts';
import { failureOf } from '../../../helpers/failure.ts';
import { ROOT, SPEC, TINY_FILE, tinyPlan } from '../../../helpers/plans.ts';
import { host } from '../../fit/support.ts';

const ONE: Digest = `sha256:${'1'.repeat(64)}`;
const TWO: Digest = `sha256:${'2'.repeat(64)}`;
const FIRST = `hf:first/tiny@${'a'.repeat(40)}/tiny.gguf`;
const TWIN = `hf:twin/tiny@${'b'.repeat(40)}/tiny.gguf`;
const OTHER = 'hf:other/tiny@main/tiny.gguf';

let builtin: Catalog;
let tiny: GgufFacts;
beforeAll(async () => {
  const nowhere = join(ROOT, 'no-such-folder');
  builtin = await openCatalog(ROOT, { config: nowhere, data: nowhere, cache: nowhere }, []);
  tiny = await readHeader(TINY_FILE, 3_999_936);
});

/** The tiny model's catalog entry with sources instead of files that ship. */
function catalogWith(sources: readonly { ref: string; digest?: Digest }[]): Catalog {
  const families = builtin.families.map(({ family, origins }) => ({
    origins,
    family: {
      ...family,
      models: family.models.map((model) => ({
        ...model,
        quants: model.quants.map(({ bundled: _bundled, digest: _digest, ...quant }) =>
          quant.id === 'q4_k_m' && model.id === 'tiny-gemma-3n' ? { ...quant, sources: [...sources] } : quant,
        ),
      })),
    },
  }));
  return { ...builtin, families };
}

const CATALOG = () => catalogWith([{ ref: FIRST, digest: ONE }, { ref: OTHER }, { ref: TWIN, digest: ONE }]);

interface World {
  readonly asked: string[];
  readonly inputs: PlanningInputs;
}

/** `faults`: what a reference answers instead of a file. */
function world(faults: Readonly<Record<string, ErrorCode>>, changes: Partial<PlanningInputs> = {}): World {
  const asked: string[] = [];
  const inputs: PlanningInputs = {
    catalog: CATALOG(),
    runtime: { kind: 'ollama', version: '0.24.0', endpoint: 'http://127.0.0.1:11434' },
    facts: ollamaFacts('0.24.0'),
    profile: host({ ram: 32 }),
    async resolve({ ref, expected }) {
      asked.push(ref);
      const fault = faults[ref];
      if (fault !== undefined) throw new ProvisionError(fault, `${ref} answers ${fault}`);
      const digest = expected?.digest ?? TWO;
      const access = { url: 'https://example.org/', headers: {} };
      return { kind: 'remote', ref, pinnedRef: ref, fileName: 'tiny.gguf', sizeBytes: 100, digest, access };
    },
    bundledPath: (relative) => `/bundled/${relative}`,
    readHeader: async () => tiny,
    chatTemplate: async () => '{{ .Prompt }}',
    referenceTemplate: async (name) => `official ${name}`,
    installed: async () => [],
    ...changes,
  };
  return { asked, inputs };
}

function plan(request: Partial<InstallRequest>, { inputs }: World): Promise<InstallPlan> {
  return planInstall({ model: 'tiny-gemma-3n:q4_k_m', settings: {}, force: false, ...request }, inputs);
}

function refOf({ source }: InstallPlan): string {
  if (source.kind !== 'file') throw new Error('a file was planned');
  return source.file.ref;
}

describe('the sources of a quant', () => {
  test('the first one that the catalog names', async () => {
    const given = world({});
    expect(refOf(await plan({}, given))).toBe(FIRST);
    expect(given.asked).toEqual([FIRST]);
  });

  test.each<ErrorCode>(['source-not-found', 'unauthorised', 'network', 'remote-fault'])(
    'where it answers %s, the next one with the same digest, and the plan says so',
    async (code) => {
      const given = world({ [FIRST]: code });
      const found = await plan({}, given);
      expect(refOf(found)).toBe(TWIN);
      expect(given.asked).toEqual([FIRST, TWIN]);
      const said = [`${FIRST} cannot be used: ${FIRST} answers ${code}`, `The same bytes come from ${TWIN}.`];
      expect(found.warnings).toEqual(expect.arrayContaining(said));
      expect(found.reasons).toEqual(expect.arrayContaining(said));
    },
  );

  test('a header that cannot be read there counts too: a gated repository shows only then', async () => {
    const given = world(
      {},
      {
        readHeader: async (file) => {
          if (file.ref === FIRST) throw new ProvisionError('unauthorised', 'accept its licence first');
          return tiny;
        },
      },
    );
    expect(refOf(await plan({}, given))).toBe(TWIN);
  });

  test('other bytes are never taken in their place: the error names them, and how to take them', async () => {
    const given = world({ [FIRST]: 'source-not-found', [TWIN]: 'network' });
    const error = await failureOf(plan({}, given));
    expect(error).toMatchObject({ code: 'source-not-found', message: `${FIRST} answers source-not-found` });
    expect(error.suggestions).toEqual([
      `Take another publisher's file of this quant, with other bytes: --from ${OTHER}`,
    ]);
    expect(given.asked).not.toContain(OTHER);
  });

  test('a wrong digest is the end: no other source makes up for it', async () => {
    const given = world({ [FIRST]: 'digest-mismatch' });
    expect((await failureOf(plan({}, given))).code).toBe('digest-mismatch');
    expect(given.asked).toEqual([FIRST]);
  });

  test('without a known digest no source is known to have the same bytes', async () => {
    const sources = [{ ref: FIRST }, { ref: TWIN }];
    const refused = await failureOf(plan({}, world({ [FIRST]: 'unauthorised' }, { catalog: catalogWith(sources) })));
    expect(refused.suggestions).toEqual([expect.stringContaining(`--from ${TWIN}`)]);
    // Without a network the other publisher is as far away.
    const offline = await failureOf(plan({}, world({ [FIRST]: 'network' }, { catalog: catalogWith(sources) })));
    expect(offline.message).toContain(`tiny-gemma-3n:q4_k_m was chosen; its source is ${FIRST}`);
    expect(offline.suggestions).toEqual([
      'If you have the file, pass it: --from FILE.',
      expect.stringMatching(/HF_ENDPOINT.*mirrors/),
    ]);
  });
});

describe('a mirror whose header is not that of the file', () => {
  const mirrored = (readHeader: PlanningInputs['readHeader']) => {
    const given = world({}, { readHeader });
    const { resolve } = given.inputs;
    const inputs = {
      ...given.inputs,
      resolve: async (request: Parameters<typeof resolve>[0]) => {
        const found = await resolve(request);
        return found.kind === 'remote' ? { ...found, servedBy: 'https://mirror.example/' } : found;
      },
    };
    return { ...given, inputs };
  };

  test.each<[string, PlanningInputs['readHeader']]>([
    ['another quant', async () => ({ ...tiny, declaredQuant: 'Q2_K' })],
    ['another model', async () => ({ ...tiny, architecture: 'llama' })],
    [
      'no GGUF file',
      async () => {
        throw new ProvisionError('bad-gguf', 'it is not a GGUF file');
      },
    ],
  ])('%s is exit 11, and no other source is tried', async (_what, readHeader) => {
    const given = mirrored(readHeader);
    const error = await failureOf(plan({}, given));
    expect(error).toMatchObject({ code: 'digest-mismatch', exitCode: 11 });
    expect(error.message).toContain('the mirror https://mirror.example/ serves other bytes');
    expect(given.asked).toEqual([FIRST]);
  });
});

test('what was measured of exactly this file is one of the reasons', async () => {
  const measuredQuality = async (digest: Digest) => (digest === ONE ? 'this file was measured' : undefined);
  expect((await plan({}, world({}, { measuredQuality }))).reasons).toContain('this file was measured');
  const other = world({}, { measuredQuality, catalog: catalogWith([{ ref: OTHER }]) });
  expect((await plan({}, other)).reasons).not.toContain('this file was measured');
});

describe('a download that fails', () => {
  const broken = new ProvisionError('remote-fault', 'the connection broke', {
    suggestions: ['Run the command again.'],
  });
  const elsewhereOf = ({ source }: InstallPlan) => {
    if (source.kind !== 'file' || source.elsewhere === undefined) throw new Error('it has another place');
    return source.elsewhere;
  };

  test('goes on at the next place with the same bytes, then names those with others', async () => {
    const given = world({});
    const next = await elsewhereOf(await plan({}, given))(broken);
    expect(next.file).toMatchObject({ ref: TWIN, digest: ONE });
    expect(next.reasons).toEqual([
      `${FIRST} cannot be used: the connection broke`,
      `The same bytes come from ${TWIN}.`,
    ]);
    const error = await failureOf(next.elsewhere?.(broken) ?? Promise.reject(new Error('it has a next step')));
    expect(error).toMatchObject({ code: 'remote-fault', message: 'the connection broke' });
    expect(error.suggestions).toEqual(['Run the command again.', expect.stringContaining(`--from ${OTHER}`)]);
    expect(given.asked).toEqual([FIRST, TWIN]);
  });

  test('a digest that only the source said is compared too', async () => {
    const sources = [{ ref: OTHER }, { ref: TWIN, digest: TWO }, { ref: FIRST, digest: ONE }];
    const found = await plan({}, world({}, { catalog: catalogWith(sources) }));
    expect((await elsewhereOf(found)(broken)).file.ref).toBe(TWIN);
  });

  test.each([
    new ProvisionError('digest-mismatch', 'other bytes'),
    new ProvisionError('disk-full', 'no room'),
    new DOMException('stopped', 'AbortError'),
  ])('is no reason to go elsewhere where another place cannot help: %s', async (failure) => {
    const given = world({});
    await expect(elsewhereOf(await plan({}, given))(failure)).rejects.toBe(failure);
    expect(given.asked).toEqual([FIRST]);
  });

  test('a file that the user named has no other place', async () => {
    expect((await plan({ from: FIRST }, world({}))).source).not.toHaveProperty('elsewhere');
  });
});

describe('a name on record', () => {
  const PINNED = `hf:old/tiny@${'c'.repeat(40)}/tiny.gguf`;
  const recorded = (more: Partial<InstallPlan> = {}): InstallRecord => {
    const access = { url: 'https://example.org/', headers: {} };
    const remote = { ref: 'hf:old/tiny@main/tiny.gguf', pinnedRef: PINNED, fileName: 'tiny.gguf', sizeBytes: 100 };
    const file = { kind: 'remote', ...remote, digest: TWO, access } as const;
    return recordOf({
      plan: tinyPlan({ source: { kind: 'file', file, spec: SPEC }, ...more }),
      promoted: { name: 'tiny-gemma-3n:q4_k_m', layerDigest: TWO },
      tested: {},
      effects: { now: () => new Date(0), toolVersion: '1.0.0' },
    });
  };
  const given = (changes: Partial<PlanningInputs> = {}, faults: Readonly<Record<string, ErrorCode>> = {}) =>
    world(faults, { installed: async () => [recorded()], ...changes });

  test('keeps its source and digest, although the catalog has another now, and says so', async () => {
    const here = given();
    const found = await plan({}, here);
    expect(found.source).toMatchObject({ file: { ref: PINNED, digest: TWO } });
    expect(here.asked).toEqual([PINNED]);
    expect(found.reasons).toContainEqual(
      expect.stringMatching(/installed on 1970-01-01 from hf:old\/tiny@c{40}.*upgrade tiny-gemma-3n:q4_k_m$/),
    );
  });

  test('asks nobody where the runtime has the bytes', async () => {
    const path = '/runtime/blobs/two';
    const here = given({
      storedFile: async ({ source }) => ({ kind: 'file', ref: source.ref, path, sizeBytes: 100, digest: TWO }),
    });
    expect((await plan({}, here)).source).toMatchObject({ file: { path, digest: TWO } });
    expect(here.asked).toEqual([]);
  });

  test('is had anew where its bytes are nowhere any more', async () => {
    expect(refOf(await plan({}, given({}, { [PINNED]: 'source-not-found' })))).toBe(FIRST);
  });

  test('an unreachable source is no reason to take other bytes', async () => {
    expect((await failureOf(plan({}, given({}, { [PINNED]: 'network' })))).code).toBe('network');
  });

  test.each<[string, Partial<InstallRequest>]>([
    ['--force', { force: true }],
    ['--digest', { digest: ONE }],
    ['upgrade', { quantOrigin: { reason: 'this quant is installed', automatic: false }, quant: 'q4_k_m' }],
    ['another name', { name: 'other' }],
  ])('%s looks at the catalog again', async (_what, request) => {
    const model = request.quant === undefined ? 'tiny-gemma-3n:q4_k_m' : 'tiny-gemma-3n';
    expect(refOf(await plan({ model, ...request }, given()))).toBe(FIRST);
  });

  test('its quant stays where this tool chose it, also under a name of the user', async () => {
    const name = 'mine:latest';
    const records = [recorded({ automatic: true, name })];
    const here = given({ installed: async () => records });
    const found = await plan({ model: 'tiny-gemma-3n', name: 'mine' }, here);
    expect(found).toMatchObject({ quant: 'q4_k_m', automatic: true });
    expect(refOf(found)).toBe(PINNED);
  });
});

describe('--offline: only what is on this machine', () => {
  const refFor = (quant: string) => `hf:pub/tiny@${'c'.repeat(40)}/${quant}.gguf`;
  const CHOICE = ['q2_k', 'q4_k_m', 'q8_0'];

  /** Every quant has a source; `here`: those that are on this machine. */
  function offlineWorld(here: readonly string[]): World {
    const families = builtin.families.map(({ family, origins }) => ({
      origins,
      family: {
        ...family,
        models: family.models.map((model) => ({
          ...model,
          quants: model.quants
            .filter(({ id }) => model.id !== 'tiny-gemma-3n' || CHOICE.includes(id))
            .map(({ bundled: _bundled, ...quant }) => ({
              ...quant,
              sources: [{ ref: refFor(quant.id), digest: ONE }],
            })),
        })),
      },
    }));
    const faults = CHOICE.filter((quant) => !here.includes(quant)).map((quant) => [refFor(quant), 'network'] as const);
    return world(Object.fromEntries(faults), {
      catalog: { ...builtin, families },
      offline: true,
      readHeader: async ({ ref }) => {
        const quant = CHOICE.find((each) => ref === refFor(each)) ?? '';
        return { ...tiny, declaredQuant: quant.toUpperCase() };
      },
    });
  }

  test('the quant is chosen among those, and the reasons say so', async () => {
    const all = await plan({ model: 'tiny-gemma-3n' }, offlineWorld(CHOICE));
    const best = all.quant;
    const rest = CHOICE.filter((quant) => quant !== best);
    const found = await plan({ model: 'tiny-gemma-3n' }, offlineWorld(rest));
    expect(rest).toContain(found.quant);
    expect(found.reasons).toContainEqual(
      expect.stringMatching(/^only what is on this machine was compared \(--offline\): /),
    );
    expect((await plan({ model: 'tiny-gemma-3n' }, offlineWorld(['q2_k']))).quant).toBe('q2_k');
  });

  test('where nothing is here, the best quant is named as missing', async () => {
    const { quant } = await plan({ model: 'tiny-gemma-3n' }, offlineWorld(CHOICE));
    const error = await failureOf(plan({ model: 'tiny-gemma-3n' }, offlineWorld([])));
    expect(error).toMatchObject({ code: 'network', message: `${refFor(quant)} answers network` });
  });
});
