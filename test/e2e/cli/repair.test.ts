/** Damage of every kind on the embedded runtime, found by `verify` and put right by `repair`, without a network. */
import { copyFileSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { digestOf } from '../../../src/core/digest.ts';
import { type Home, makeHome, Q2, Q4 } from '../../helpers/cli.ts';

const NAME = 'mended:latest';
const OTHER = 'beside:latest';
const SIZE = readFileSync(Q4).length;
const DIGEST = digestOf(readFileSync(Q4));

let home: Home;
let source: string;
let blob: string;
let recordFile: string;

const verify = (...args: string[]) => home.json('verify', args);
const repair = (...args: string[]) => home.json('repair', [NAME, '--offline', '--no-smoke', ...args]);
const inData = (path: string) => join(home.path, 'data', path);

function modelFile(name: string): string {
  const file = readdirSync(inData('embedded/models')).find((each) => each.includes(name.replace(/:.*/, '')));
  return join(inData('embedded/models'), file ?? expect.fail(`there is no ${name}`));
}

function flip(path: string, position: number): void {
  const bytes = readFileSync(path);
  bytes.writeUInt8(bytes.readUInt8(position) ^ 0x01, position);
  writeFileSync(path, bytes);
}

beforeAll(async () => {
  home = makeHome();
  source = join(home.path, 'source.gguf');
  copyFileSync(Q4, source);
  for (const name of [NAME, OTHER]) {
    const done = await home.json('install', ['tiny-gemma-3n', '--from', source, '--name', name, '--no-smoke']);
    expect(done, done.error.message).toMatchObject({ code: 0 });
  }
  blob = inData(`embedded/blobs/${DIGEST.replace(':', '-')}`);
  const [file] = readdirSync(inData('registry')).filter((each) => each.startsWith('mended-'));
  recordFile = join(inData('registry'), file ?? expect.fail('there is no record'));
});
afterAll(() => home.remove());

async function expectGood(): Promise<void> {
  const { code, data } = await verify();
  expect([code, data?.results.map(({ name, ok }) => [name, ok])]).toEqual([
    0,
    [
      [OTHER, true],
      [NAME, true],
    ],
  ]);
  expect(digestOf(readFileSync(blob))).toBe(DIGEST);
}

test('nothing is wrong after an install: every byte was read once, and a repair changes nothing', async () => {
  const before = readFileSync(recordFile, 'utf8');
  const { code, data } = await verify();
  expect(code).toBe(0);
  expect(data?.results.map(({ bytesRead }) => bytesRead).sort()).toEqual([0, SIZE]);
  const { data: repaired } = await repair();
  expect(repaired?.results).toMatchObject([{ ok: true, changed: false, found: [], repairs: [] }]);
  expect(readFileSync(recordFile, 'utf8')).toBe(before);
});

test('--quick reads no byte, and says so', async () => {
  const { data } = await verify(NAME, '--quick');
  expect(data?.results).toMatchObject([{ ok: true, bytesRead: 0 }]);
  expect(data?.results[0]?.unchecked.join()).toContain('--quick');
});

test('row 35: one flipped byte anywhere is found, and put right from the source without a network', async () => {
  const positions = fc.oneof(fc.constantFrom(0, SIZE - 1), fc.nat({ max: SIZE - 1 }));
  await fc.assert(
    fc.asyncProperty(positions, async (position) => {
      flip(blob, position);
      const found = await verify();
      expect(found).toMatchObject({ code: 11, ok: false });
      for (const { problems } of found.data?.results ?? []) {
        expect(problems).toMatchObject([{ kind: 'corrupt-blob', digest: DIGEST, path: blob }]);
        expect(problems[0]?.models?.toSorted()).toEqual([OTHER, NAME]);
      }
      const repaired = await repair();
      expect(repaired.code, JSON.stringify(repaired)).toBe(0);
      expect(repaired.data?.results).toMatchObject([{ ok: true, changed: true, problems: [] }]);
      await expectGood();
    }),
    { numRuns: 8 },
  );
  expect((await home.json('run', [NAME, 'What is 2 + 2?'])).data?.response).toBe('4');
}, 120_000);

test('row 35: without an intact copy nothing is changed, exit 18, with a remedy', async () => {
  flip(blob, 3_000_000);
  flip(source, 3_000_000);
  const corrupt = digestOf(readFileSync(blob));
  const refused = await repair();
  expect(refused).toMatchObject({ code: 18, ok: false });
  expect(refused.data?.results).toMatchObject([{ ok: false, changed: false, problems: [{ kind: 'corrupt-blob' }] }]);
  expect(refused.data?.results[0]?.suggestions.join('\n')).toContain('gemma-provision install --from');
  expect(digestOf(readFileSync(blob))).toBe(corrupt);
  copyFileSync(Q4, source);
  expect((await repair()).code).toBe(0);
  await expectGood();
});

test('row 35: a blob that is cut off or gone is exit 11, and is put right', async () => {
  writeFileSync(blob, readFileSync(Q4).subarray(0, 1000));
  expect((await verify(NAME)).code).toBe(11);
  expect((await repair()).code).toBe(0);
  rmSync(blob);
  const gone = await verify(NAME);
  expect(gone.code).toBe(11);
  expect(gone.data?.results[0]?.problems.map(({ kind }) => kind)).toContain('missing-blob');
  expect((await repair()).code).toBe(0);
  await expectGood();
});

test('row 35: the text output describes the repair', async () => {
  flip(blob, 5);
  const { code, stdout } = await home.run(['verify', NAME]);
  expect(code).toBe(11);
  expect(stdout).toContain(DIGEST);
  expect(stdout).toContain(`used by ${OTHER}, ${NAME}`);
  expect(stdout).toContain(`gemma-provision repair ${NAME}`);
  expect((await home.run(['repair', NAME, '--offline'])).stdout).toContain('matches its record again');
  await expectGood();
});

test('row 35: the same install again notices it and replaces it; run and smoke say what to do', async () => {
  flip(blob, 5);
  const again = await home.json('install', ['tiny-gemma-3n', '--from', source, '--name', NAME, '--no-smoke']);
  expect(again).toMatchObject({ code: 0, data: { changed: true } });
  expect(again.warnings.join()).toContain('is corrupt');
  await expectGood();
  writeFileSync(blob, 'GGUF'.padEnd(readFileSync(Q4).length, '\u0000'));
  const answer = await home.json('run', [NAME, 'Hello']);
  expect(answer).toMatchObject({ code: 11, error: { code: 'digest-mismatch' } });
  expect(answer.error.suggestions.join()).toContain(`gemma-provision repair ${NAME}`);
  rmSync(blob);
  expect(await home.json('smoke', [NAME])).toMatchObject({ code: 18, error: { code: 'needs-repair' } });
  expect((await repair()).code).toBe(0);
  await expectGood();
});

describe('a name that is not what was recorded', () => {
  test('that another tool changed is drift, exit 4, and repair restores what was recorded', async () => {
    const path = modelFile(NAME);
    const before = readFileSync(recordFile, 'utf8');
    const manifest = JSON.parse(readFileSync(path, 'utf8'));
    manifest.spec.template = `{{ .Prompt }}`;
    manifest.spec.parameters.temperature = 0.123;
    writeFileSync(path, JSON.stringify(manifest));
    const found = await verify(NAME);
    expect(found).toMatchObject({ code: 4, ok: false });
    const kinds = found.data?.results[0]?.problems.map(({ kind }) => kind);
    expect(kinds).toEqual(['entry-drift', 'template-drift', 'parameter-drift']);
    expect((await repair()).code).toBe(0);
    expect(readFileSync(recordFile, 'utf8')).toBe(before);
    await expectGood();
  });

  test('that is gone is exit 4, and is made again', async () => {
    rmSync(modelFile(NAME));
    expect(await verify(NAME)).toMatchObject({ code: 4, data: { results: [{ problems: [{ kind: 'missing' }] }] } });
    expect((await repair()).data?.results).toMatchObject([{ ok: true, changed: true }]);
    await expectGood();
  });

  test('whose manifest is empty is exit 18, and is made again', async () => {
    writeFileSync(modelFile(NAME), '');
    expect(await verify(NAME)).toMatchObject({
      code: 18,
      data: { results: [{ problems: [{ kind: 'broken-entry' }] }] },
    });
    expect((await repair()).code).toBe(0);
    await expectGood();
  });
});

describe('row 25: a record file', () => {
  test.each([
    ['empty', () => ''],
    ['cut off', (text: string) => text.slice(0, 100)],
    ['binary', () => '\u0000\u0001\u0002'],
    ['of another shape', (text: string) => JSON.stringify({ ...JSON.parse(text), name: 7, surplus: true })],
  ])('that is %s is exit 18; repair keeps it aside and rebuilds it from the runtime', async (_, spoil) => {
    const good = JSON.parse(readFileSync(recordFile, 'utf8'));
    const entry = readFileSync(modelFile(NAME), 'utf8');
    const spoilt = spoil(readFileSync(recordFile, 'utf8'));
    writeFileSync(recordFile, spoilt);
    const found = await verify();
    expect(found).toMatchObject({ code: 18, ok: false });
    const problems = [expect.objectContaining({ kind: 'bad-record', path: recordFile })];
    expect(found.data?.results).toContainEqual(expect.objectContaining({ ok: false, problems }));
    expect(readFileSync(recordFile, 'utf8')).toBe(spoilt);

    const repaired = await repair();
    expect(repaired.code, JSON.stringify(repaired)).toBe(0);
    expect(repaired.data?.results).toMatchObject([{ ok: true, changed: true, found: [{ kind: 'bad-record' }] }]);
    expect(readFileSync(modelFile(NAME), 'utf8')).toBe(entry);
    const now = JSON.parse(readFileSync(recordFile, 'utf8'));
    const { family, model, quant, template, parameters, licence } = good;
    expect(now).toMatchObject({ family, model, quant, template, parameters, licence: { id: licence.id } });
    expect(now.stored.entryDigest).toBe(good.stored.entryDigest);
    expect(now.rebuilt).toMatchObject({ proven: true });
    expect(digestOf(readFileSync(now.source.path))).toBe(DIGEST);
    const aside = readdirSync(inData('registry')).filter(
      (each) => each.startsWith('mended-') && !each.endsWith('.json'),
    );
    expect(aside.map((each) => readFileSync(join(inData('registry'), each), 'utf8'))).toContain(spoilt);
    await expectGood();
  });

  test('of a newer version is refused by both, and left as it is', async () => {
    const good = readFileSync(recordFile, 'utf8');
    const newer = JSON.stringify({ ...JSON.parse(good), schemaVersion: 99 });
    writeFileSync(recordFile, newer);
    expect((await verify()).code).toBe(18);
    expect(await repair()).toMatchObject({ code: 18, error: { code: 'bad-record' } });
    expect(readFileSync(recordFile, 'utf8')).toBe(newer);
    writeFileSync(recordFile, good);
    await expectGood();
  });

  test('without a model in the runtime cannot be rebuilt: it is kept aside, exit 18', async () => {
    const [good, path] = [readFileSync(recordFile, 'utf8'), modelFile(NAME)];
    renameSync(path, `${path}.away`);
    writeFileSync(recordFile, 'not JSON');
    const refused = await repair();
    expect(refused).toMatchObject({ code: 18, error: { code: 'needs-repair' } });
    expect(refused.error.message).toContain('cannot be read');
    expect(refused.error.suggestions.join()).toContain('gemma-provision install');
    expect(readdirSync(inData('registry')).some((each) => each.includes('.broken'))).toBe(true);
    renameSync(`${path}.away`, path);
    writeFileSync(recordFile, good);
    await expectGood();
  });
});

test('the previous version is checked too, and the record says when it is lost', async () => {
  const next = await home.json('install', ['tiny-gemma-3n', '--from', Q2, '--name', NAME, '--no-smoke']);
  const keptAs = next.data?.previous?.keptAs ?? expect.fail('nothing is kept');
  expect((await verify(NAME)).code).toBe(0);
  rmSync(modelFile('gemma-provision-previous'));
  expect(await verify(NAME)).toMatchObject({ code: 4, data: { results: [{ problems: [{ kind: 'kept-missing' }] }] } });
  const { code, data } = await repair();
  expect([code, data?.results[0]?.ok]).toEqual([0, true]);
  expect(data?.results[0]?.repairs.join()).toContain(keptAs);
  const record = JSON.parse(readFileSync(recordFile, 'utf8'));
  expect(record.previous.quant).toBe('q4_k_m');
  expect(record.previous.keptAs).toBeUndefined();
  expect((await home.json('rollback', [NAME, '--no-smoke'])).error.code).toBe('record-not-found');
  expect((await verify(NAME)).code).toBe(0);
});

test('a name that is not ours is refused', async () => {
  expect(await home.json('verify', ['nobody'])).toMatchObject({ code: 3, error: { code: 'record-not-found' } });
  expect(await home.json('repair', ['nobody'])).toMatchObject({ code: 3, error: { code: 'record-not-found' } });
});
