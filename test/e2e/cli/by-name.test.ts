/** Models by their name alone: the catalog says where their files are, and a stand-in for the hub has them. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Home, makeHome, Q2, Q4, ROOT } from '../../helpers/cli.ts';
import { type Hub, type HubRepo, sha256, startHub } from '../../helpers/hub.ts';

const COMMIT = 'b'.repeat(40);
const NEXT = 'c'.repeat(40);
const LONG = { timeout: 120_000 };
const MODEL = 'hub-tiny';
const EMBEDDED = ['--runtime', 'embedded'];

let home: Home;
let hub: Hub;
let catalog: string;
let repo: HubRepo;

beforeEach(async () => {
  home = makeHome();
  const files = [Q4, Q2].map((path) => ({ path: path.slice(path.lastIndexOf('/') + 1), content: readFileSync(path) }));
  // The next commit has other bytes under the same name.
  const changed = files.map(({ path }) => ({ path, content: readFileSync(Q2) }));
  repo = { id: 'org/tiny-GGUF', revisions: { main: COMMIT }, commits: { [COMMIT]: files, [NEXT]: changed } };
  hub = await startHub({ repos: [repo] });
  catalog = writeCatalog(home);
});
afterEach(async () => {
  home.remove();
  await hub.close();
});

interface QuantText {
  readonly id: string;
  readonly file: string;
  readonly bundled?: string;
  readonly digest: string;
}

/**
 * The tiny family again, but published: where a quant of it is bundled, it has a source at the hub instead, by branch or by
 * commit. The others have none, as quants that nobody publishes.
 */
function writeCatalog({ path }: Home): string {
  const { models, ...family } = JSON.parse(readFileSync(join(ROOT, 'catalog/tiny-gemma-3n.json'), 'utf8'));
  const [model] = models;
  const quants = model.quants.map(({ bundled, digest, ...quant }: QuantText) => {
    if (bundled === undefined) return quant;
    const pinned = quant.id !== 'q4_k_m';
    const source = { ref: `hf:org/tiny-GGUF@${pinned ? COMMIT : 'main'}/${quant.file}`, ...(pinned && { digest }) };
    return { ...quant, sources: [source] };
  });
  const file = join(path, 'hub-tiny.json');
  writeFileSync(file, JSON.stringify({ ...family, id: MODEL, models: [{ ...model, id: MODEL, quants }] }));
  return file;
}

const ask = () => ({ env: { HF_ENDPOINT: hub.url } });
const install = (model: string, ...more: string[]) =>
  home.json('install', [model, '--catalog', catalog, ...EMBEDDED, ...more], ask());

describe('install', () => {
  test('a dry run shows source, commit, size, digest and licence of a name, with nothing on disk', async () => {
    const planned = await install(MODEL, '--dry-run');
    const file = 'tiny-gemma-3n-q4_k_m.gguf';
    const pinnedRef = `hf:org/tiny-GGUF@${COMMIT}/${file}`;
    const digest = `sha256:${sha256(readFileSync(Q4))}`;
    expect(planned, planned.stderr).toMatchObject({
      code: 0,
      data: {
        dryRun: true,
        quant: 'q4_k_m',
        source: { ref: `hf:org/tiny-GGUF@main/${file}`, pinnedRef, digest, sizeBytes: readFileSync(Q4).length },
        licence: { id: 'Apache-2.0', acceptanceRequired: false },
      },
    });
    expect(planned.data?.choice.reasons.join('\n')).toContain(`@main/${file} is ${pinnedRef} now`);
    expect(existsSync(join(home.path, 'cache', 'blobs'))).toBe(false);

    const args = ['install', MODEL, '--catalog', catalog, ...EMBEDDED, '--dry-run'];
    const { stdout } = await home.run(args, ask());
    for (const shown of [pinnedRef, digest, 'Apache-2.0', 'MiB']) expect(stdout).toContain(shown);
  });
});

describe('a source that fails', () => {
  const file = 'tiny-gemma-3n-q2_k.gguf';
  const here = `hf:org/tiny-GGUF@${COMMIT}/${file}`;
  const gone = `hf:gone/tiny-GGUF@${COMMIT}/${file}`;
  const digest = `sha256:${sha256(readFileSync(Q2))}`;
  const publish = (sources: readonly { ref: string; digest?: string }[]) => {
    const { models, ...family } = JSON.parse(readFileSync(catalog, 'utf8'));
    const quants = models[0].quants.map((quant: QuantText) => (quant.id === 'q2_k' ? { ...quant, sources } : quant));
    writeFileSync(catalog, JSON.stringify({ ...family, models: [{ ...models[0], quants }] }));
  };

  test('the next one of the same digest takes its place, and the plan, the warnings and the record say so', async () => {
    publish([
      { ref: gone, digest },
      { ref: here, digest },
    ]);
    const done = await install(`${MODEL}:q2_k`, '--no-smoke');
    expect(done, done.stderr).toMatchObject({ code: 0, data: { source: { ref: here, digest } } });
    expect(done.warnings).toContainEqual(expect.stringContaining(`${gone} cannot be used`));
    expect(done.data?.record?.choice.reasons).toContain(`The same bytes come from ${here}.`);
  });

  test('other bytes only when the user asks for them', async () => {
    publish([{ ref: gone, digest }, { ref: here }]);
    const failed = await install(`${MODEL}:q2_k`, '--no-smoke');
    expect(failed).toMatchObject({ code: 3, error: { code: 'source-not-found' } });
    expect(failed.error.suggestions.join(' ')).toContain(`--from ${here}`);
    expect(await install(`${MODEL}:q2_k`, '--no-smoke', '--from', here)).toMatchObject({ code: 0 });
  });

  test('a wrong digest is exit 11, although another source has the right one', async () => {
    const wrong = `sha256:${'0'.repeat(64)}`;
    publish([
      { ref: here, digest: wrong },
      { ref: `hf:org/tiny-GGUF@main/${file}`, digest: wrong },
    ]);
    expect(await install(`${MODEL}:q2_k`, '--no-smoke')).toMatchObject({
      code: 11,
      error: { code: 'digest-mismatch' },
    });
  });
});

describe('a second install by name', () => {
  const NAME = `${MODEL}:q4_k_m`;

  test('changes nothing and needs no hub; only --force asks for what the branch is now', LONG, async () => {
    const first = await install(MODEL);
    expect(first, first.stderr).toMatchObject({ code: 0, data: { changed: true, smoke: { failed: 0 } } });
    const pinnedRef = `hf:org/tiny-GGUF@${COMMIT}/tiny-gemma-3n-q4_k_m.gguf`;
    const recorded = (await home.json('show', [NAME])).data?.records[0];
    expect(recorded?.source.pinnedRef).toBe(pinnedRef);

    // As after an upgrade of this tool: the catalog has another source, best first, and the branch has moved.
    repo.revisions.main = NEXT;
    writeFileSync(catalog, readFileSync(catalog, 'utf8').replace('hf:org/tiny-GGUF@main/', 'hf:new/tiny-GGUF@main/'));
    hub.requests.splice(0);
    const second = await install(MODEL);
    expect(second).toMatchObject({ code: 0, data: { changed: false, bytesMoved: 0, source: { pinnedRef } } });
    expect(hub.requests).toEqual([]);
    expect((await home.json('show', [NAME])).data?.records[0]).toEqual(recorded);

    await hub.close();
    expect(await install(MODEL)).toMatchObject({ code: 0, data: { changed: false, quant: 'q4_k_m' } });
    expect(await install(MODEL, '--force', '--dry-run')).toMatchObject({ code: 10, error: { code: 'network' } });
  });
});

describe('upgrade --to', () => {
  test('moves a name to another model with the same proof; rollback returns to the first', LONG, async () => {
    expect(await install('tiny-gemma-3n:q2_k', '--name', 'assistant', '--ctx', '512')).toMatchObject({ code: 0 });
    const args = ['assistant', '--to', MODEL, '--catalog', catalog];

    const planned = await home.json('upgrade', [...args, '--dry-run'], ask());
    expect(planned.data?.results).toMatchObject([
      { ok: true, report: { dryRun: true, model: MODEL, quant: 'q4_k_m' } },
    ]);
    expect((await home.json('show', ['assistant'])).data?.records[0]?.model).toBe('tiny-gemma-3n');

    const moved = await home.json('upgrade', args, ask());
    expect(moved, moved.stderr).toMatchObject({ code: 0, ok: true });
    const [result] = moved.data?.results ?? [];
    expect(result).toMatchObject({
      name: 'assistant:latest',
      report: {
        changed: true,
        model: MODEL,
        quant: 'q4_k_m',
        smoke: { failed: 0 },
        prompt: { verdict: 'proven' },
        previous: { model: 'tiny-gemma-3n', quant: 'q2_k' },
        record: {
          parameters: { num_ctx: 512 },
          source: {
            ref: 'hf:org/tiny-GGUF@main/tiny-gemma-3n-q4_k_m.gguf',
            pinnedRef: `hf:org/tiny-GGUF@${COMMIT}/tiny-gemma-3n-q4_k_m.gguf`,
            digest: `sha256:${sha256(readFileSync(Q4))}`,
          },
        },
      },
    });

    const back = await home.json('rollback', ['assistant']);
    expect(back).toMatchObject({ code: 0, data: { model: 'tiny-gemma-3n', quant: 'q2_k' } });
    expect((await home.json('show', ['assistant'])).data?.records[0]).toMatchObject({
      model: 'tiny-gemma-3n',
      previous: { model: MODEL },
    });
  });

  test('without a name, or for a model that the catalog does not have, nothing is changed', async () => {
    expect(await home.json('upgrade', ['--to', MODEL, '--catalog', catalog])).toMatchObject({
      code: 2,
      error: { code: 'bad-usage', suggestions: [expect.stringContaining(`upgrade NAME --to ${MODEL}`)] },
    });
    await install('tiny-gemma-3n:q2_k', '--name', 'assistant', '--no-smoke');
    expect(await home.json('upgrade', ['assistant', '--to', 'gemma-9'])).toMatchObject({
      code: 3,
      error: { code: 'model-not-found' },
    });
    expect(hub.requests).toEqual([]);
  });
});

describe('lock', () => {
  test('pins the commit that a branch stood for: an install from it gets the same bytes when the branch moves', async () => {
    const file = 'tiny-gemma-3n-q4_k_m.gguf';
    const path = join(home.path, 'gemma-provision.lock');
    const pinnedRef = `hf:org/tiny-GGUF@${COMMIT}/${file}`;
    const digest = `sha256:${sha256(readFileSync(Q4))}`;
    const args = [`${MODEL}:q4_k_m`, '--catalog', catalog, ...EMBEDDED, '--file', path];
    const locked = await home.json('lock', args, ask());
    expect(locked, locked.stderr).toMatchObject({ code: 0, data: { lock: { source: { pinnedRef, digest } } } });

    repo.revisions.main = NEXT;
    const frozen = ['--frozen', '--lock', path, '--catalog', catalog, ...EMBEDDED, '--no-smoke'];
    expect(await home.json('install', frozen, ask())).toMatchObject({
      code: 0,
      data: { source: { pinnedRef, digest } },
    });
  });
});
