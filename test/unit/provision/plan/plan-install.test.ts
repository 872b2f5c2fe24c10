import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import type { Catalog } from '../../../../src/catalog/load.ts';
import { ProvisionError } from '../../../../src/core/errors.ts';
import { GIB } from '../../../../src/core/units.ts';
import type { GgufFacts } from '../../../../src/gguf/schema.ts';
import type { HostProfile } from '../../../../src/hardware/schema.ts';
import { recordOf } from '../../../../src/provision/install/record.ts';
import { openCatalog } from '../../../../src/provision/plan/catalog.ts';
import type { InstallPlan, InstallRequest, PlanningInputs } from '../../../../src/provision/plan/contract.ts';
import { readHeader } from '../../../../src/provision/plan/header.ts';
import { planInstall } from '../../../../src/provision/plan/plan-install.ts';
import { locationOf } from '../../../../src/provision/plan/quant-places.ts';
import type { InstallRecord } from '../../../../src/registry/schema.ts';
import { RuntimeKind } from '../../../../src/runtimes/contract.ts';
import { ollamaFacts } from '../../../../src/runtimes/registry.ts';
import { failureOf } from '../../../helpers/failure.ts';
import { type Gemma4Size, gemma4Model } from '../../../helpers/gemma4-model.ts';
import { ROOT, SPEC, TINY_DIGEST, TINY_FILE, tinyPlan } from '../../../helpers/plans.ts';
import { E4B_SHAPE, host, tabledWeights } from '../../fit/support.ts';

let catalog: Catalog;
let tiny: GgufFacts;
beforeAll(async () => {
  const nowhere = join(ROOT, 'no-such-folder');
  catalog = await openCatalog(ROOT, { config: nowhere, data: nowhere, cache: nowhere }, []);
  tiny = await readHeader(TINY_FILE, 3_999_936);
});

/** Files by path; a folder is a path that ends with a slash. */
function inputs(
  files: Readonly<Record<string, Partial<GgufFacts>>> = {},
  changes: Partial<PlanningInputs> = {},
): PlanningInputs {
  return {
    catalog,
    runtime: { kind: 'ollama', version: '0.24.0', endpoint: 'http://127.0.0.1:11434' },
    facts: ollamaFacts('0.24.0'),
    profile: host({ ram: 32 }),
    async resolve({ ref, fileName, expected }) {
      if (ref.startsWith('ollama:')) return { kind: 'library', ref, name: ref.slice('ollama:'.length) };
      if (ref.endsWith('/') && fileName === undefined) throw new ProvisionError('bad-usage', 'a folder');
      const path = ref.endsWith('/') ? `${ref}${fileName}` : ref;
      if (files[path] === undefined) throw new ProvisionError('source-not-found', path);
      return { kind: 'file', ref, path, sizeBytes: 100, ...(expected?.digest && { digest: expected.digest }) };
    },
    bundledPath: (relative) => `/bundled/${relative}`,
    readHeader: async (file) => ({ ...tiny, ...files[locationOf(file)] }),
    chatTemplate: async () => '{{ .Prompt }}',
    referenceTemplate: async (name) => `official ${name}`,
    installed: async () => [],
    ...changes,
  };
}

/** The header of a random Gemma 4, of a shape that the catalog does not list. */
async function gemma4Header(size: Gemma4Size, addBos: boolean): Promise<GgufFacts> {
  const folder = await mkdtemp(join(tmpdir(), 'gemma4-plan-'));
  try {
    const path = join(folder, 'model.gguf');
    const bytes = gemma4Model(size, { template: '{{ bos_token }}', addBos });
    await writeFile(path, bytes);
    return await readHeader(path, bytes.length);
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** As a pretrained model, or a file that was converted without its chat template. */
function withoutTemplate(changes: Partial<PlanningInputs> = {}): PlanningInputs {
  const { chatTemplate: _, ...bare } = tiny;
  return inputs({ [BUNDLED]: {} }, { readHeader: async () => bare, ...changes });
}

function plan(request: Partial<InstallRequest>, given = inputs()) {
  return planInstall({ settings: {}, force: false, ...request }, given);
}

function refused(code: string, message?: RegExp) {
  return expect.objectContaining({ code, ...(message && { message: expect.stringMatching(message) }) });
}

const BUNDLED = '/bundled/models/tiny-gemma-3n/tiny-gemma-3n-q4_k_m.gguf';
const BUNDLED_Q2 = '/bundled/models/tiny-gemma-3n/tiny-gemma-3n-q2_k.gguf';
const Q2_DIGEST = `sha256:${'2'.repeat(64)}` as const;
const E4B = { hyperparameters: E4B_SHAPE, weights: tabledWeights('q4_k_m'), declaredQuant: 'Q4_K_M' };

describe('what is meant', () => {
  test('auto takes the best of what ships, with the digest of the catalog and a reason', async () => {
    const found = await plan(
      { model: 'tiny-gemma-3n' },
      inputs({ [BUNDLED]: {}, [BUNDLED_Q2]: { declaredQuant: 'Q2_K' } }),
    );
    expect(found).toMatchObject({ quant: 'q4_k_m', name: 'tiny-gemma-3n:q4_k_m', obstacles: [] });
    expect(found.source).toMatchObject({ kind: 'file', file: { path: BUNDLED, digest: TINY_DIGEST } });
    expect(found.reasons).not.toEqual([]);
  });

  test("the prompt is to be the one of the file's own template, else of the one that it is given", async () => {
    const own = await plan({ model: 'tiny-gemma-3n:q4_k_m' }, inputs({ [BUNDLED]: {} }));
    expect(own.prompt).toEqual({ reference: { source: tiny.chatTemplate, from: 'file' }, addsBos: true });
    const official = await plan({ model: 'tiny-gemma-3n:q4_k_m', chatTemplate: 'family' }, withoutTemplate());
    expect(official.prompt.reference).toEqual({ source: 'official gemma', from: 'catalog' });
    const none = await plan(
      { model: 'tiny-gemma-3n:q4_k_m', chatTemplate: 'family' },
      withoutTemplate({ referenceTemplate: async () => undefined }),
    );
    expect(none.prompt.reference).toBeUndefined();
    const pulled = await plan({ from: 'ollama:gemma3n:e4b' }, inputs());
    expect(pulled.prompt).toEqual({ reference: { source: 'official gemma', from: 'catalog' } });
  });

  describe('a file without a chat template', () => {
    const model = 'tiny-gemma-3n:q4_k_m';

    test.each(RuntimeKind.options)('is refused before anything is planned for %s, with both remedies', async (kind) => {
      const asked: string[] = [];
      const given = withoutTemplate({
        runtime: { kind, version: '0.24.0', endpoint: 'e' },
        planTransfer: async () => {
          asked.push('transfer');
          throw new Error('not yet');
        },
      });
      const error = await failureOf(plan({ model }, given));
      expect(error.code).toBe('bad-template');
      expect(error.message).toMatch(/tiny-gemma-3n-q4_k_m\.gguf has no chat template.*pretrained \(base\) model/);
      expect(error.suggestions.join(' ')).toMatch(/--suite base.*--chat-template family/);
      expect(asked).toEqual([]);
    });

    test('is installed as a pretrained model where the user says so', async () => {
      const found = await plan({ model, chatTemplate: 'none' }, withoutTemplate());
      expect(found.model).toMatchObject({ kind: 'base', smokeSuite: 'base' });
      expect(found.source).toMatchObject({ spec: { templateName: 'raw', jinja: 'official raw' } });
      expect(found.prompt.reference).toEqual({ source: 'official raw', from: 'catalog' });
      expect(found.reasons[0]).toContain('pretrained');
    });

    test('needs no word of the user for a model that the catalog calls pretrained', async () => {
      const families = catalog.families.map(({ family, origins }) => ({
        family: { ...family, models: family.models.map((each) => ({ ...each, kind: 'base' as const })) },
        origins,
      }));
      const found = await plan({ model }, withoutTemplate({ catalog: { families } }));
      expect(found.source).toMatchObject({ spec: { templateName: 'raw' } });
    });

    test('gets the template of its family where the user says so', async () => {
      const found = await plan({ model, chatTemplate: 'family' }, withoutTemplate());
      expect(found.model).toMatchObject({ kind: 'test', smokeSuite: 'tiny-gemma-3n' });
      expect(found.source).toMatchObject({ spec: { templateName: 'gemma', jinja: 'official gemma' } });
    });

    test('cannot get one that the runtime cannot use', async () => {
      const given = withoutTemplate({
        runtime: { kind: 'embedded', version: '3.22.1', endpoint: 'in-process' },
        referenceTemplate: async () => undefined,
      });
      await expect(plan({ model, chatTemplate: 'family' }, given)).rejects.toEqual(refused('bad-template', /Jinja/));
    });

    test.each(['family', 'none'] as const)('changes nothing for a file that has one: %s', async (chatTemplate) => {
      const { source, model: found } = await plan({ model, chatTemplate }, inputs({ [BUNDLED]: {} }));
      expect(source).toMatchObject({ spec: { templateName: 'gemma' } });
      expect(source).not.toHaveProperty('spec.jinja');
      expect(found.kind).toBe('test');
    });
  });

  describe('auto where the model is installed already', () => {
    const files = { [BUNDLED]: {}, [BUNDLED_Q2]: { declaredQuant: 'Q2_K' } };
    const path = BUNDLED_Q2;
    const recorded = (more: Partial<InstallPlan> = {}) =>
      recordOf({
        plan: tinyPlan({
          quant: 'q2_k',
          name: 'tiny-gemma-3n:q2_k',
          reasons: ['memory was short then'],
          automatic: true,
          source: {
            kind: 'file',
            file: { kind: 'file', ref: path, path, sizeBytes: 1, digest: Q2_DIGEST },
            spec: SPEC,
          },
          ...more,
        }),
        promoted: { name: 'tiny-gemma-3n:q2_k' },
        tested: {},
        effects: { now: () => new Date(0), toolVersion: '1.0.0' },
      });
    const given = (...records: InstallRecord[]) =>
      inputs(files, { installed: async () => (records.length > 0 ? records : [recorded()]) });

    test('keeps what was chosen before and says so; the reasons of then are not repeated', async () => {
      const { quant, reasons, automatic } = await plan({ model: 'tiny-gemma-3n' }, given());
      expect({ quant, automatic }).toEqual({ quant: 'q2_k', automatic: true });
      expect(reasons[0]).toBe('chosen automatically when it was installed on 1970-01-01; --force chooses again');
      expect(reasons).not.toContain('memory was short then');
    });

    test('the policy of what this tool chose is recorded, and none of what was named', async () => {
      const fresh = inputs(files);
      const policies = async (request: Partial<InstallRequest>) =>
        (await plan({ model: 'tiny-gemma-3n', ...request }, fresh)).policy;
      expect([await policies({}), await policies({ policy: 'card' })]).toEqual(['best', 'card']);
      expect(await policies({ quant: 'q2_k', policy: 'card' })).toBeUndefined();
      const quantOrigin = { reason: 'this quant is installed', automatic: true };
      expect(await policies({ quant: 'q2_k', quantOrigin, policy: 'card' })).toBe('card');
      expect(recorded({ policy: 'card' }).choice.policy).toBe('card');
      expect(recorded().choice).not.toHaveProperty('policy');
    });

    test('what the user named for another install is no choice of this tool', async () => {
      const named = recorded({ automatic: false });
      expect((await plan({ model: 'tiny-gemma-3n' }, given(named))).quant).toBe('q4_k_m');
      // The newest is looked at first, but an older automatic one still counts.
      expect((await plan({ model: 'tiny-gemma-3n' }, given(named, recorded()))).quant).toBe('q2_k');
    });

    test('a folder that is given anew is chosen from freshly, the same one is not', async () => {
      const names = { '/y/tiny-gemma-3n-q4_k_m.gguf': {}, '/y/tiny-gemma-3n-q2_k.gguf': { declaredQuant: 'Q2_K' } };
      const folder = { model: 'tiny-gemma-3n', from: '/y/' };
      const other = inputs(names, { installed: async () => [recorded()] });
      expect((await plan(folder, other)).quant).toBe('q4_k_m');
      const file = { kind: 'file', ref: '/y/', path: `/y/tiny-gemma-3n-q2_k.gguf`, sizeBytes: 1 } as const;
      const same = inputs(names, { installed: async () => [recorded({ source: { kind: 'file', file, spec: SPEC } })] });
      expect((await plan(folder, same)).quant).toBe('q2_k');
    });

    test('a quant from a record or a lock file is not called the wish of the user', async () => {
      const quantOrigin = { reason: 'this quant is installed', automatic: true };
      const found = await plan({ model: 'tiny-gemma-3n', quant: 'q2_k', quantOrigin }, given());
      expect(found).toMatchObject({ quant: 'q2_k', automatic: true });
      expect(found.reasons).toContain('this quant is installed');
      expect(found.reasons.join('\n')).not.toMatch(/requested|Without --quant/);
    });

    test.each<[string, Partial<InstallRequest>]>([
      ['force', { force: true }],
      ['another use case', { useCase: 'chatbot' }],
    ])('%s chooses anew', async (_what, request) => {
      expect((await plan({ model: 'tiny-gemma-3n', ...request }, given())).quant).toBe('q4_k_m');
    });
  });

  test('a flag that would have no effect is refused, not ignored', async () => {
    const named = { model: 'tiny-gemma-3n', family: 'gemma-3' };
    await expect(plan(named, inputs({ [BUNDLED]: {} }))).rejects.toEqual(
      refused('bad-usage', /--family gemma-3 cannot be used with tiny-gemma-3n: its family is tiny-gemma-3n/),
    );
    await expect(plan({ from: 'ollama:gemma3n:e4b', way: 'copy' })).rejects.toEqual(
      refused('bad-usage', /--via copy cannot be used with ollama:gemma3n:e4b/),
    );
  });

  test('a file decides the quant', async () => {
    const found = await plan({ model: 'tiny-gemma-3n', from: '/x/a.gguf' }, inputs({ '/x/a.gguf': {} }));
    expect(found).toMatchObject({ quant: 'q4_k_m', reasons: expect.arrayContaining(['this is the quant of a.gguf']) });
  });

  test('a folder offers the quants that are in it', async () => {
    const given = inputs({ '/x/tiny-gemma-3n-q2_k.gguf': { declaredQuant: 'Q2_K' } });
    expect(await plan({ model: 'tiny-gemma-3n', from: '/x/' }, given)).toMatchObject({ quant: 'q2_k' });
    await expect(plan({ model: 'gemma-3n-e4b', from: '/x/' }, given)).rejects.toEqual(refused('source-not-found'));
  });

  describe('a folder without a file of the model', () => {
    const filesIn =
      (...names: string[]) =>
      async () =>
        names.map((name) => ({ ref: `/x/${name}`, path: `/x/${name}`, sizeBytes: 1 }));

    test('says how many files it has, and why each cannot be read', async () => {
      const names = ['a', 'b', 'c', 'd', 'e', 'f'].map((name) => `${name}.gguf`);
      const readHeader: PlanningInputs['readHeader'] = async (file) => {
        throw new ProvisionError('bad-gguf', `${locationOf(file)}: it begins with HTML`);
      };
      const answer = plan(
        { model: 'gemma-3n-e4b', from: '/x/' },
        inputs({}, { filesIn: filesIn(...names), readHeader }),
      );
      await expect(answer).rejects.toEqual(
        refused(
          'source-not-found',
          /^\/x\/ does not contain a file of gemma-3n-e4b: 6 \.gguf files, none can be read\n {2}a\.gguf: it begins with HTML\n(?: {2}\w\.gguf: .*\n){4} {2}and 1 more$/,
        ),
      );
    });

    test('says what the others are, and which is the model under another name', async () => {
      const given = inputs({ '/x/mine.gguf': E4B, '/x/tiny.gguf': {} }, { filesIn: filesIn('mine.gguf', 'tiny.gguf') });
      await expect(plan({ model: 'gemma-3n-e4b', from: '/x/' }, given)).rejects.toMatchObject({
        message: expect.stringContaining('mine.gguf: gemma-3n-e4b:q4_k_m\n  tiny.gguf: tiny-gemma-3n:q4_k_m'),
        suggestions: ['To use a file with another name, pass its path: --from /x/mine.gguf'],
      });
    });

    test('says that it has none at all', async () => {
      const given = inputs({}, { filesIn: filesIn() });
      await expect(plan({ model: 'gemma-3n-e4b', from: '/x/' }, given)).rejects.toEqual(
        refused('source-not-found', /gemma-3n-e4b: 0 \.gguf files$/),
      );
    });
  });

  test('a model that the catalog lacks is described by its own header', async () => {
    const shape = { ...E4B_SHAPE, blockCount: 7 };
    const given = inputs({ '/x/odd.gguf': { ...E4B, hyperparameters: shape, name: 'Odd One!' } });
    expect(await plan({ from: '/x/odd.gguf' }, given)).toMatchObject({ name: 'odd-one:q4_k_m', quant: 'q4_k_m' });
  });

  test('nobody names anything: the card’s model, from the first source of its best quant', async () => {
    const error = await failureOf(plan({}));
    expect(error).toMatchObject({ code: 'source-not-found', message: expect.stringMatching(/^hf:.*gemma-3n-E4B-it/) });
  });

  test('a quant that nobody publishes: those that are published, and the way to make it', async () => {
    const error = await failureOf(plan({ model: 'gemma-3-4b:q5_1' }));
    expect(error).toMatchObject({ code: 'source-not-found', message: expect.stringContaining('gemma-3-4b:q5_1') });
    expect(error.suggestions[0]).toMatch(/has a source: f16, q8_0, q6_k/);
    expect(error.suggestions[1]).toMatch(/from an F16 file.*llama-quantize F16.gguf gemma-3-4b-it-q5_1.gguf q5_1/);
    // Ollama's own build is another quant.
    expect(error.suggestions.join(' ')).not.toContain('ollama:');
  });

  test('F16 that nobody publishes is not made from F16, nor is another quant without saying so', async () => {
    const f16 = await failureOf(plan({ model: 'gemma-3-27b:f16' }));
    expect(f16.suggestions.join(' ')).not.toContain('llama-quantize');
    expect(f16.suggestions[1]).toMatch(/If you have an F16 file.*--from/);
    const other = await failureOf(plan({ model: 'gemma-3-27b:q5_0' }));
    expect(other.suggestions[1]).toMatch(/no source of F16 either.*llama-quantize/);
  });

  test('a quant beside those that ship: these are at hand', async () => {
    const { suggestions } = await failureOf(plan({ model: 'tiny-gemma-3n:q8_0' }));
    expect(suggestions[0]).toBe('Choose a quant that has a source: q4_k_m, q2_k.');
  });

  test('an upgrade takes no file: an install under the same name does', async () => {
    const moved = { model: 'gemma-3-4b', quant: 'q5_1', name: 'chat', quantOrigin: { reason: 'x', automatic: false } };
    const { suggestions } = await failureOf(plan(moved));
    expect(suggestions[1]).toContain(
      'gemma-provision install gemma-3-4b:q5_1 --from ./gemma-3-4b-it-q5_1.gguf --name chat',
    );
  });
});

describe('what is refused', () => {
  const file = { from: '/x/a.gguf' };

  test('two quants at once', async () => {
    await expect(plan({ model: 'tiny-gemma-3n:q4_k_m', quant: 'q2_k' })).rejects.toEqual(
      refused('bad-usage', /q4_k_m.*q2_k/),
    );
    await expect(
      plan({ model: 'tiny-gemma-3n:Q4-K-M', quant: 'q4_k_m' }, inputs({ [BUNDLED]: {} })),
    ).resolves.toBeDefined();
  });

  test('a file of another quant than was asked for', async () => {
    const given = inputs({ '/x/a.gguf': {} });
    await expect(plan({ model: 'tiny-gemma-3n:q2_k', ...file }, given)).rejects.toEqual(
      refused('bad-usage', /has the quant q4_k_m/),
    );
  });

  test('a file that is to be one model and would become another: its catalog is missing', async () => {
    const given = inputs({ '/x/a.gguf': {} });
    const error = await failureOf(plan({ ...file, family: 'gemma-3n', expectedModel: 'my-tiny' }, given));
    expect(error).toMatchObject({ code: 'model-not-found', message: expect.stringMatching(/my-tiny.*tiny-gemma-3n/) });
    expect(error.suggestions[0]).toContain('--catalog FILE');
    await expect(plan({ ...file, expectedModel: 'tiny-gemma-3n' }, given)).resolves.toBeDefined();
  });

  test('another architecture, another model of the same, no language model', async () => {
    const named = { model: 'tiny-gemma-3n', ...file };
    await expect(plan(named, inputs({ '/x/a.gguf': { architecture: 'llama' } }))).rejects.toEqual(
      refused('wrong-architecture', /llama/),
    );
    await expect(plan(named, inputs({ '/x/a.gguf': E4B }))).rejects.toEqual(
      refused('wrong-architecture', /blocks 35 instead of \d+/),
    );
    // The difference is shown where it is, and only there.
    const heads = { ...(tiny.hyperparameters ?? E4B_SHAPE), headCount: 99 };
    await expect(plan(named, inputs({ '/x/a.gguf': { hyperparameters: heads } }))).rejects.toEqual(
      refused('wrong-architecture', /: attention heads 99 instead of \d+$/),
    );
    await expect(plan(file, inputs({ '/x/a.gguf': { architecture: 'novel' } }))).rejects.toEqual(
      refused('wrong-architecture'),
    );
    const { hyperparameters: _, ...projector } = tiny;
    const given = inputs({ '/x/a.gguf': {} }, { readHeader: async () => projector });
    await expect(plan(file, given)).rejects.toEqual(refused('wrong-architecture', /does not contain a language model/));
  });

  test('a file whose quant nobody can tell', async () => {
    const { declaredQuant: _, ...silent } = tiny;
    const given = inputs({ '/x/a.gguf': {} }, { readHeader: async () => silent });
    await expect(plan({ model: 'tiny-gemma-3n', ...file }, given)).rejects.toEqual(refused('quant-not-found'));
    await expect(plan({ model: 'tiny-gemma-3n', quant: 'q3_k_m', ...file }, given)).resolves.toMatchObject({
      quant: 'q3_k_m',
    });
  });

  test('a server too old for the architecture', async () => {
    const old = inputs({ [BUNDLED]: {} }, { facts: ollamaFacts('0.9.2') });
    await expect(plan({ model: 'tiny-gemma-3n:q4_k_m' }, old)).rejects.toEqual(refused('runtime-too-old'));
  });

  test('a context beyond the model’s', async () => {
    const given = inputs({ [BUNDLED]: {} });
    const request = { model: 'tiny-gemma-3n:q4_k_m', settings: { contextLength: 1_000_000 } };
    await expect(plan(request, given)).rejects.toEqual(refused('bad-usage', /--ctx 1000000/));
  });
});

describe('room', () => {
  const model = 'gemma-3n-e4b:q4_k_m';
  const from = '/x/e4b.gguf';

  test('too little memory is an obstacle to a named quant, and an error when nothing fits', async () => {
    const small = inputs({ [from]: E4B }, { profile: host({ ram: 2 }) });
    const found = await plan({ model, from }, small);
    expect(found.obstacles).toEqual([refused('memory-short')]);
    const folder = { model: 'gemma-3n-e4b', from: '/y/' };
    const files = inputs({ '/y/gemma-3n-E4B-it-Q4_K_M.gguf': E4B, [from]: E4B }, { profile: host({ ram: 2 }) });
    const entry = catalog.families
      .flatMap(({ family }) => family.models)
      .find(({ id }) => id === 'gemma-3n-e4b')
      ?.quants.find(({ id }) => id === 'q4_k_m');
    const byFolder = inputs({ [`/y/${entry?.file}`]: E4B }, { profile: files.profile });
    await expect(plan(folder, byFolder)).rejects.toEqual(refused('memory-short'));
    await expect(plan({ ...folder, force: true }, byFolder)).resolves.toMatchObject({ quant: 'q4_k_m' });
  });

  test('too little memory: what is suggested instead fits, by the plan for it', async () => {
    const suggestions = async (profile: HostProfile, request: Partial<InstallRequest> = {}) => {
      const { obstacles } = await plan({ model, from, ...request }, inputs({ [from]: E4B }, { profile }));
      return obstacles[0]?.suggestions ?? [];
    };
    expect(await suggestions(host({ ram: 8, free: 5.7 }))).toEqual([
      'Choose gemma-3n-e4b:q3_k_m, which fits.',
      'List what fits, and what would change it: gemma-provision recommend gemma-3n-e4b',
      'Install it anyway with --force.',
    ]);
    const [other] = await suggestions(host({ ram: 4, free: 3.3 }));
    expect(other).toMatch(
      /^Install another model, gemma-3-1b:q8_0 would run on the CPU \(5 stars, about \S+ tok\/s\): gemma-provision install gemma-3-1b:q8_0$/,
    );
    const long = await suggestions(host({ ram: 8, free: 4.85 }), { settings: { contextLength: 32_768 } });
    expect(long[0]).toMatch(/^Use --ctx \d+\. num_ctx 32768 → \d+: q\w+ would run on the CPU/);
    expect(long[1]).toMatch(/^Install another model, .*: gemma-provision install \S+:\S+ --ctx 32768$/);
  });

  test('too small a disk is an obstacle; a server elsewhere is not judged', async () => {
    const store = { purpose: 'models', path: '/models' } as const;
    const profile = { ...host({ ram: 32 }), disks: [{ ...store, free: 99, total: GIB }] };
    const here = inputs({ [from]: E4B }, { profile, facts: ollamaFacts('0.24.0', store) });
    expect((await plan({ model, from }, here)).obstacles).toEqual([refused('disk-full', /99 B free/)]);
    const elsewhere = inputs({ [from]: E4B }, { profile });
    expect((await plan({ model, from }, elsewhere)).obstacles).toEqual([]);
  });
});

describe('the library of the server', () => {
  const from = 'ollama:gemma3n:e4b';

  test('keeps its own name', async () => {
    const found = await plan({ from });
    expect(found).toMatchObject({ model: { id: 'gemma-3n-e4b' }, name: 'gemma3n:e4b', source: { kind: 'library' } });
  });

  test('is one quant of one model: another one is refused, not ignored', async () => {
    await expect(plan({ model: 'gemma-3n-e4b:q5_1', from })).rejects.toEqual(
      refused('bad-usage', /has the quant q4_k_m, not q5_1/),
    );
    await expect(plan({ quant: 'q5_1', from })).rejects.toEqual(refused('bad-usage', /not q5_1/));
    await expect(plan({ model: 'gemma-3n-e2b', from })).rejects.toEqual(refused('bad-usage', /not gemma-3n-e2b/));
    await expect(plan({ model: 'gemma-3n-e4b:q4_k_m', from })).resolves.toMatchObject({ name: 'gemma3n:e4b' });
  });

  test('is refused below 0.10.0, without a library, and for a name that it lacks', async () => {
    await expect(plan({ from }, inputs({}, { facts: ollamaFacts('0.9.6') }))).rejects.toEqual(
      refused('runtime-too-old', /0\.10\.0/),
    );
    await expect(plan({ from: 'ollama:gemma3n:e5b' })).rejects.toEqual(refused('model-not-found'));
  });
});

describe('a model whose chat format servers have built in', () => {
  const planOn = async (version: string, size: Gemma4Size, addBos = false) => {
    const header = await gemma4Header(size, addBos);
    const given = inputs({ '/x/model.gguf': {} }, { facts: ollamaFacts(version), readHeader: async () => header });
    return plan({ from: '/x/model.gguf' }, given);
  };

  test.each(['small', 'large'] as const)(
    'gets the %s renderer for a file of another shape, by its kind',
    async (size) => {
      const { source } = await planOn('0.33.0', size);
      const spec = source.kind === 'file' ? source.spec : expect.fail();
      expect(spec.templateName).toBe(`gemma4-${size}`);
      expect(spec.builtIn).toMatchObject({ renderer: `gemma4-${size}`, parser: 'gemma4', requires: '0.21.0' });
      expect(spec.parameters.stop).toEqual(['<turn|>']);
    },
  );

  test('is refused by servers that would write another prompt', async () => {
    await expect(planOn('0.20.7', 'large')).rejects.toEqual(
      refused('runtime-too-old', /gemma4-large exists since 0\.21\.0/),
    );
    await expect(planOn('0.20.7', 'small')).resolves.toMatchObject({ source: { kind: 'file' } });
    await expect(planOn('0.20.6', 'small')).rejects.toEqual(refused('runtime-too-old', /empty thought/));
  });

  test('is refused where its prompt would begin with two BOS tokens', async () => {
    await expect(planOn('0.24.0', 'small', true)).rejects.toEqual(refused('runtime-too-old', /add_bos_token/));
    await expect(planOn('0.30.0', 'small', true)).resolves.toMatchObject({ source: { kind: 'file' } });
  });
});
