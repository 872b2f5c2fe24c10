/**
 * `install` by name alone, planned for every profile of the fixtures: a stand-in for the hub serves, at the references of the
 * built-in catalog, files with the true header and size of each quant and without weights.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { benchModels, pick, tensorsOf } from '../../../bench/fit/models.ts';
import { bytesOf, sparseFile } from '../../../bench/fit/sparse.ts';
import type { Quant } from '../../../src/catalog/schema.ts';
import { ROOT } from '../../helpers/cli.ts';
import { type FakeOllama, fakeOllama } from '../../helpers/fake-ollama.ts';
import { homeWithOllama } from '../../helpers/home-with-ollama.ts';
import { type Hub, type HubFileContent, type HubRepo, sha256, startHub } from '../../helpers/hub.ts';
import { familyOf } from '../../helpers/plans.ts';
import { tinyProjector } from '../../helpers/tiny-vision.ts';

const PROFILES = join(ROOT, 'test/fixtures/profiles');
const LONG = { timeout: 120_000 };

interface Published {
  readonly repository: string;
  readonly commit: string;
  readonly file: HubFileContent;
}

/** What a branch means at the stand-in. */
const MAIN = 'd'.repeat(40);

/** All that the catalog says is at the hub of one model. */
function publishedOf(family: string, id: string, chatTemplate: string): Published[] {
  const model = familyOf(family).models.find((each) => each.id === id);
  const shape = pick(benchModels(), id);
  const { length } = sparseFile(shape, 'f16', chatTemplate).header;
  return (model?.quants ?? []).flatMap((quant) => {
    // Headers of a model's quants are of one length, but for files that leave tensors out: they differ in types and offsets.
    const size = tensorsOf(shape, quant.id).reduce((sum, tensor) => sum + pad(bytesOf(tensor)), length);
    return publishedQuant(quant, size, () => sparseFile(shape, quant.id, chatTemplate).header);
  });
}

/** The projectors of a model, at the size that the catalog gives; their headers are those of a small one for that model. */
function projectorsOf(family: string, id: string): Published[] {
  const model = familyOf(family).models.find((each) => each.id === id);
  return (model?.projectors ?? []).flatMap(({ sources = [], digest, embeddingLength }) =>
    sources.flatMap(({ ref, sizeBytes = 0 }) => {
      const [, repository = '', commit = '', path = ''] = /^hf:([^@]+)@([^/]+)\/(.+)$/.exec(ref) ?? [];
      const sha = (digest ?? '').slice('sha256:'.length);
      const content = { head: tinyProjector({ width: embeddingLength }), size: sizeBytes, sha256: sha };
      return [{ repository, commit, file: { path, content } }];
    }),
  );
}

function pad(bytes: number): number {
  return Math.ceil(bytes / 32) * 32;
}

function publishedQuant(quant: Quant, size: number, make: () => Buffer): Published[] {
  let made: Buffer | undefined;
  return (quant.sources ?? []).flatMap(({ ref, digest, sizeBytes }) => {
    const [, repository = '', revision = '', path = ''] = /^hf:([^@]+)@([^/]+)\/(.+)$/.exec(ref) ?? [];
    if (repository === '') return [];
    const content = {
      // A header with Gemma's vocabulary has some MiB: only those that are read are made.
      get head() {
        made ??= make();
        return made;
      },
      size: sizeBytes ?? size,
      sha256: digest?.slice('sha256:'.length) ?? sha256(Buffer.from(ref)),
    };
    return [{ repository, commit: revision === 'main' ? MAIN : revision, file: { path, content } }];
  });
}

function repositoriesOf(published: readonly Published[]): HubRepo[] {
  return [...new Set(published.map(({ repository }) => repository))].map((id) => {
    const own = published.filter(({ repository }) => repository === id);
    const commits = Object.fromEntries(
      own.map(({ commit }) => [commit, own.filter((each) => each.commit === commit).map(({ file }) => file)]),
    );
    return { id, revisions: { main: own[0]?.commit ?? MAIN }, commits };
  });
}

let host: Awaited<ReturnType<typeof homeWithOllama>>;
let newer: FakeOllama;
let hub: Hub;
beforeAll(async () => {
  const template = (name: string) => readFileSync(join(ROOT, `templates/chat/${name}.jinja`), 'utf8');
  host = await homeWithOllama();
  newer = await fakeOllama('0.33.0');
  hub = await startHub({
    repos: repositoriesOf([
      ...publishedOf('gemma-3n', 'gemma-3n-e4b', template('gemma')),
      ...publishedOf('gemma-3', 'gemma-3-4b', template('gemma')),
      ...projectorsOf('gemma-3', 'gemma-3-4b'),
      ...publishedOf('gemma-4', 'gemma-4-e4b', template('gemma4-small')),
    ]),
  });
});
afterAll(async () => {
  await host.remove();
  await newer.close();
  await hub.close();
});

function plan(profile: string, ...args: string[]) {
  const target = ['--profile', join(PROFILES, profile), '--host', host.ollama.host, '--dry-run'];
  return host.home.json('install', [...args, ...target], { env: { HF_ENDPOINT: hub.url } });
}

/** Machines for which no quant of the model is small enough in Ollama 0.24; the command names a model that fits. */
const TOO_SMALL: Readonly<Record<string, readonly string[]>> = {
  'gemma-3n-e4b': ['apple-m1-8gb.json', 'raspberry-pi-5-4gb.json'],
  'gemma-3-4b': ['raspberry-pi-5-4gb.json'],
  'gemma-4-e4b': ['apple-m1-8gb.json', 'container-6gib.json', 'cpu-only-8gb.json', 'raspberry-pi-5-4gb.json'],
};

describe.each(readdirSync(PROFILES).sort())('%s', (profile) => {
  test.each([
    ['install', 'gemma-3n', 'gemma-3n-e4b', []],
    ['install gemma-3-4b', 'gemma-3', 'gemma-3-4b', ['gemma-3-4b']],
    ['install gemma-4-e4b', 'gemma-4', 'gemma-4-e4b', ['gemma-4-e4b']],
  ])('%s', LONG, async (_command, family, id, args) => {
    const planned = await plan(profile, ...args);
    if (TOO_SMALL[id]?.includes(profile)) {
      expect(planned).toMatchObject({ code: 12, error: { code: 'memory-short' } });
      expect(planned.error.suggestions.join(' ')).toMatch(/another model, \S+ would run/);
      return;
    }
    expect(planned, JSON.stringify(planned.error)).toMatchObject({ code: 0, data: { dryRun: true, model: id } });
    const { data } = planned;
    const { licence, models } = familyOf(family);
    const quants = models.find((model) => model.id === id)?.quants ?? [];
    const [best] = quants.find((quant) => quant.id === data?.quant)?.sources ?? [];
    expect(data?.source.ref).toBe(best?.ref);
    expect(data?.source.pinnedRef).toBe(best?.ref.replace('@main/', `@${MAIN}/`));
    expect(data?.source.digest).toMatch(/^sha256:[0-9a-f]{64}$/);
    expect(data?.plan).toMatchObject({ bytesToMove: data?.source.sizeBytes, memory: expect.any(Object) });
    expect(data?.licence).toEqual({ id: licence.id, url: licence.url, acceptanceRequired: licence.acceptanceRequired });
    expect(data?.choice.reasons).not.toEqual([]);
    expect(host.ollama.count('POST /api/create')).toBe(0);
  });
});

describe('install gemma-3-4b --vision on, for Ollama 0.33', () => {
  const profiles = readdirSync(PROFILES).sort();
  test.each(profiles)('%s', LONG, async (profile) => {
    const target = ['--profile', join(PROFILES, profile), '--host', newer.host, '--dry-run'];
    const env = { HF_ENDPOINT: hub.url };
    const planned = await host.home.json('install', ['gemma-3-4b', '--vision', 'on', ...target], { env });
    // The projector and its buffers take what the smallest quant would need there.
    if (['apple-m1-8gb.json', 'raspberry-pi-5-4gb.json'].includes(profile)) {
      expect(planned).toMatchObject({ code: 12, error: { code: 'memory-short' } });
      return;
    }
    const [projector] = familyOf('gemma-3').models.find(({ id }) => id === 'gemma-3-4b')?.projectors ?? [];
    expect(planned, JSON.stringify(planned.error)).toMatchObject({
      code: 0,
      data: {
        dryRun: true,
        model: 'gemma-3-4b',
        projector: { id: projector?.id, source: { ref: projector?.sources?.[0]?.ref, digest: projector?.digest } },
      },
    });
    const { data } = planned;
    const moved = (data?.source.sizeBytes ?? 0) + (projector?.sources?.[0]?.sizeBytes ?? 0);
    expect(data?.plan?.bytesToMove).toBe(moved);
    expect(newer.count('POST /api/create')).toBe(0);
  });
});

test('a named quant is planned from the first publisher of it, with the size that its header gives', async () => {
  const planned = await plan('nvidia-rtx-4090-24gb.json', 'gemma-3n-e4b:q4_k_m');
  expect(planned.data).toMatchObject({
    quant: 'q4_k_m',
    source: { ref: expect.stringContaining('hf:bartowski/google_gemma-3n-E4B-it-GGUF@main/') },
  });
  expect(planned.data?.choice.reasons.join('\n')).toContain(`@${MAIN}/google_gemma-3n-E4B-it-Q4_K_M.gguf now`);
});
