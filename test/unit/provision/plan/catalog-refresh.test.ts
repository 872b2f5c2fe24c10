import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { drive } from '../../../../src/core/progress.ts';
import { openCatalog } from '../../../../src/provision/plan/catalog.ts';
import { refreshCatalog } from '../../../../src/provision/plan/catalog-refresh.ts';
import { makeApp } from '../../../helpers/app.ts';
import { type Hub, type HubOptions, type HubRepo, sha256, startHub } from '../../../helpers/hub.ts';
import { sampleFamily, sampleModel } from '../../catalog/helpers.ts';

const OLD = 'a'.repeat(40);
const NEW = 'b'.repeat(40);
const Q8 = { path: 'q/sample-Q8_0.gguf', content: Buffer.from('GGUF eight') };
const Q4 = { path: 'sample-Q4_K_M.gguf', content: Buffer.from('GGUF four') };
const Q4_NEW = { path: Q4.path, content: Buffer.from('GGUF four, made again') };
const MANY = Array.from({ length: 7 }, (_, index) => ({
  path: `extra/${index}.txt`,
  content: Buffer.from('x'),
  lfs: false,
}));
const digest = (file: { content: Buffer }) => `sha256:${sha256(file.content)}`;

let folder: string;
let repo: HubRepo;
let hub: Hub | undefined;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'catalog-refresh-'));
  repo = {
    id: 'acme/sample-GGUF',
    revisions: { main: NEW },
    commits: { [OLD]: [Q8, Q4], [NEW]: [...MANY, Q8, Q4_NEW] },
  };
});
afterEach(async () => {
  await hub?.close();
  hub = undefined;
  await rm(folder, { recursive: true, force: true });
});

function familyWith(sources: Readonly<Record<string, readonly object[]>>) {
  const model = sampleModel();
  const quants = model.quants.map((quant) => ({ ...quant, ...(sources[quant.id] && { sources: sources[quant.id] }) }));
  return { ...sampleFamily(), models: [{ ...model, quants }] };
}

/** A root with a catalog of its own, and a home. */
async function open(family: object, options: Partial<HubOptions> = {}) {
  await mkdir(join(folder, 'root/catalog'), { recursive: true });
  await writeFile(join(folder, 'root/catalog/sample.json'), JSON.stringify(family));
  hub = await startHub({ repos: [repo], pageSize: 3, ...options });
  const warnings: string[] = [];
  const app = makeApp({
    home: folder,
    root: join(folder, 'root'),
    env: { HF_ENDPOINT: hub.url },
    options: { warn: (message) => warnings.push(message) },
  });
  const refresh = async (files: readonly string[] = [], dryRun = false) => {
    try {
      return await drive(refreshCatalog(app, { files, dryRun }), () => undefined);
    } finally {
      await app.close();
    }
  };
  return { app, refresh, warnings };
}

const overlayOf = () => join(folder, 'config/catalog/sources-sample.json');

describe('catalog refresh', () => {
  test('pins a branch with size and digest, in an overlay that later runs load; a second run changes nothing', async () => {
    const { app, refresh } = await open(familyWith({ q8_0: [{ ref: 'hf:acme/sample-GGUF@main/q/sample-Q8_0.gguf' }] }));
    const data = await refresh();
    const after = {
      ref: `hf:acme/sample-GGUF@${NEW}/q/sample-Q8_0.gguf`,
      digest: digest(Q8),
      sizeBytes: Q8.content.length,
    };
    expect(data).toEqual({
      dryRun: false,
      repositories: 1,
      sources: 1,
      unchanged: 0,
      changes: [
        {
          kind: 'pinned',
          usedBy: ['sample-1b:q8_0'],
          before: { ref: 'hf:acme/sample-GGUF@main/q/sample-Q8_0.gguf' },
          after,
        },
      ],
      files: [{ path: overlayOf(), written: true }],
    });
    const catalog = await openCatalog(join(folder, 'root'), app.paths, []);
    expect(catalog.families[0]?.family.models[0]?.quants[0]?.sources).toEqual([after]);
    expect((await refresh()).files).toEqual([]);
  });

  test('asks each repository for its refs once and for each page of its tree once', async () => {
    const { refresh } = await open(
      familyWith({
        q8_0: [{ ref: 'hf:acme/sample-GGUF@main/q/sample-Q8_0.gguf' }],
        q4_k_m: [{ ref: 'hf:acme/sample-GGUF@main/sample-Q4_K_M.gguf' }],
      }),
    );
    expect((await refresh()).changes).toHaveLength(2);
    const lines = hub?.requests.map(({ line }) => line.replace(/&cursor=.*/, '&cursor')) ?? [];
    // Nine files and two folders in pages of three.
    expect(lines).toEqual([
      'GET /api/models/acme/sample-GGUF/refs',
      `GET /api/models/acme/sample-GGUF/tree/${NEW}?recursive=true`,
      ...Array<string>(3).fill(`GET /api/models/acme/sample-GGUF/tree/${NEW}?recursive=true&limit=3&cursor`),
    ]);
  });

  test('a file that was replaced under its name is shown with old and new; --dry-run writes nothing', async () => {
    const before = { ref: `hf:acme/sample-GGUF@${OLD}/sample-Q4_K_M.gguf`, digest: digest(Q4), sizeBytes: 9 };
    const { refresh } = await open(
      familyWith({ q4_k_m: [before], q8_0: [{ ref: `hf:acme/sample-GGUF@${OLD}/q/sample-Q8_0.gguf` }] }),
    );
    const data = await refresh([], true);
    expect(data.changes).toEqual([
      {
        kind: 'completed',
        usedBy: ['sample-1b:q8_0'],
        before: { ref: `hf:acme/sample-GGUF@${OLD}/q/sample-Q8_0.gguf`, digest: digest(Q8), sizeBytes: 10 },
        // The same bytes as on the branch: the pin stays.
        after: { ref: `hf:acme/sample-GGUF@${OLD}/q/sample-Q8_0.gguf`, digest: digest(Q8), sizeBytes: 10 },
      },
      {
        kind: 'moved',
        usedBy: ['sample-1b:q4_k_m'],
        before,
        after: {
          ref: `hf:acme/sample-GGUF@${NEW}/sample-Q4_K_M.gguf`,
          digest: digest(Q4_NEW),
          sizeBytes: Q4_NEW.content.length,
        },
      },
    ]);
    expect(data.files).toEqual([{ path: overlayOf(), written: false }]);
    await expect(readdir(join(folder, 'config'))).rejects.toMatchObject({ code: 'ENOENT' });
  });

  test('changes a file of the user in place and leaves everything else as it was written', async () => {
    const ref = 'hf:acme/sample-GGUF@main/q/sample-Q8_0.gguf';
    const { refresh } = await open(sampleFamily('other', 'other-1b'));
    const own = join(folder, 'mine.json');
    const text = JSON.stringify(familyWith({ q8_0: [{ ref }] }), undefined, '\t').replace('"Sample"', '"S\\u0061mple"');
    await writeFile(own, text);
    const data = await refresh([own]);
    expect(data.files).toEqual([{ path: own, written: true }]);
    const gap = '\n\t\t\t\t\t\t';
    expect(await readFile(own, 'utf8')).toBe(
      text.replace(
        `${gap}\t"ref": "${ref}"`,
        `${gap}\t"ref": "hf:acme/sample-GGUF@${NEW}/q/sample-Q8_0.gguf",${gap}\t"digest": "${digest(Q8)}",${gap}\t"sizeBytes": 10`,
      ),
    );
    expect((await refresh([own])).files).toEqual([]);
  });

  test('what vanished is said: a repository, a branch, a file; the rest is written', async () => {
    const { refresh } = await open(
      familyWith({
        q8_0: [
          { ref: 'hf:acme/gone-GGUF@main/a.gguf' },
          { ref: 'hf:acme/sample-GGUF@v9/a.gguf' },
          { ref: 'hf:acme/sample-GGUF@main/gone.gguf' },
          { ref: 'hf:acme/sample-GGUF@main/q/sample-Q8_0.gguf' },
        ],
      }),
    );
    const data = await refresh();
    expect(data.changes.map(({ kind, why = '' }) => `${kind} ${why.replace(/^127[^ ]+ /, '')}`)).toEqual([
      expect.stringContaining('vanished there is no repository acme/gone-GGUF'),
      expect.stringContaining('vanished acme/sample-GGUF has no revision v9'),
      expect.stringContaining(`vanished acme/sample-GGUF has no gone.gguf at ${NEW}`),
      'pinned ',
    ]);
    expect(data.files).toEqual([{ path: overlayOf(), written: true }]);
  });

  test('a projector is called one', async () => {
    const family = familyWith({});
    const [model] = family.models;
    const ref = 'hf:acme/gone-GGUF@main/mmproj.gguf';
    const size = { value: 9, source: 'a page' };
    const projector = {
      id: 'f16',
      file: 'mmproj.gguf',
      serves: ['image'],
      types: ['gemma3'],
      embeddingLength: sampleModel().hyperparameters.embeddingLength,
      tensorBytes: size,
      fileBytes: size,
      sources: [{ ref }],
    };
    const image = { kind: 'image', direction: 'input', detail: 'pictures', servedByRuntimes: true };
    const { refresh } = await open({
      ...family,
      models: [{ ...model, modalities: [...sampleModel().modalities, image], projectors: [projector] }],
    });
    expect((await refresh()).changes).toMatchObject([{ kind: 'vanished', usedBy: ['sample-1b projector f16'] }]);
  });

  test('a pinned commit that is gone is replaced by the branch', async () => {
    const gone = 'c'.repeat(40);
    const { refresh } = await open(familyWith({ q8_0: [{ ref: `hf:acme/sample-GGUF@${gone}/q/sample-Q8_0.gguf` }] }));
    expect((await refresh()).changes).toMatchObject([
      { kind: 'moved', after: { ref: `hf:acme/sample-GGUF@${NEW}/q/sample-Q8_0.gguf` } },
    ]);
  });

  test('a repository that was renamed is written under its new name', async () => {
    const { refresh } = await open(
      familyWith({ q8_0: [{ ref: `hf:acme/old-GGUF@${NEW}/q/sample-Q8_0.gguf`, digest: digest(Q8), sizeBytes: 10 }] }),
      { moved: { 'acme/old-GGUF': 'acme/sample-GGUF' } },
    );
    expect((await refresh()).changes).toMatchObject([
      { kind: 'completed', after: { ref: `hf:acme/sample-GGUF@${NEW}/q/sample-Q8_0.gguf` } },
    ]);
  });

  test('a newer catalog with another pin is not changed by what was found out about the old one', async () => {
    const { app, refresh } = await open(familyWith({ q8_0: [{ ref: 'hf:acme/sample-GGUF@main/q/sample-Q8_0.gguf' }] }));
    await refresh();
    const newer = [{ ref: `hf:acme/sample-GGUF@${OLD}/q/sample-Q8_0.gguf` }];
    await writeFile(join(folder, 'root/catalog/sample.json'), JSON.stringify(familyWith({ q8_0: newer })));
    const catalog = await openCatalog(join(folder, 'root'), app.paths, []);
    expect(catalog.families[0]?.family.models[0]?.quants[0]?.sources).toEqual(newer);
  });
});

describe('a refresh that fails leaves everything as it was', () => {
  const TWO = familyWith({
    q8_0: [{ ref: 'hf:acme/sample-GGUF@main/q/sample-Q8_0.gguf' }],
    q4_k_m: [{ ref: 'hf:acme/second-GGUF@main/sample-Q4_K_M.gguf' }],
  });

  test.each([
    ['a hub that fails', (at: Hub) => at.failNext(3, 500), { code: 'remote-fault' }],
    ['a web page in place of an answer', (at: Hub) => at.answerPage(1), { code: 'remote-fault' }],
    [
      'a rate limit for longer than its window',
      (at: Hub) => at.failNext(1, 429, { ratelimit: '"api";r=0;t=3000' }),
      { code: 'remote-fault', suggestions: [expect.stringContaining('50 m'), expect.stringContaining('HF_TOKEN')] },
    ],
    ['a token that is not valid', (at: Hub) => at.failNext(1, 403), { code: 'unauthorised' }],
  ])('%s', async (_, fail, expected) => {
    const own = join(folder, 'mine.json');
    const text = JSON.stringify(TWO);
    await writeFile(own, text);
    const second = { ...repo, id: 'acme/second-GGUF' };
    const { refresh } = await open(sampleFamily('other', 'other-1b'), { repos: [repo, second] });
    // The first repository is answered in full: one request for its refs, four for its tree.
    const at = hub;
    if (at === undefined) throw new Error('no hub');
    const started = at.requests.length;
    const failing = failAfter(at, started + 5, () => fail(at));
    await expect(refresh([own])).rejects.toMatchObject(expected);
    failing();
    expect(await readFile(own, 'utf8')).toBe(text);
    expect(at.requests.length).toBeGreaterThan(5);
  });

  test('an invalid file is refused before anything is asked', async () => {
    const own = join(folder, 'mine.json');
    await writeFile(own, '{"schemaVersion": 1, "id": "sample"}');
    const { refresh } = await open(sampleFamily('other', 'other-1b'));
    await expect(refresh([own])).rejects.toMatchObject({ code: 'bad-catalog' });
    expect(hub?.requests).toEqual([]);
  });

  test('a file of the user under the name of the overlay is not replaced', async () => {
    await mkdir(join(folder, 'config/catalog'), { recursive: true });
    await writeFile(overlayOf(), JSON.stringify({ schemaVersion: 1, id: 'sample', title: 'Mine' }));
    const { refresh } = await open(familyWith({ q8_0: [{ ref: 'hf:acme/sample-GGUF@main/q/sample-Q8_0.gguf' }] }));
    await expect(refresh()).rejects.toMatchObject({ code: 'bad-usage' });
    expect(hub?.requests).toEqual([]);
  });
});

/** Calls `then` when the hub has answered so many requests. */
function failAfter(at: Hub, count: number, then: () => void): () => void {
  const push = at.requests.push.bind(at.requests);
  at.requests.push = (...items) => {
    const length = push(...items);
    if (length === count) then();
    return length;
  };
  return () => {
    at.requests.push = push;
  };
}
