/** What lies in a models folder, whatever was done to it. */

import * as fs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { digestOf } from '../../../../src/core/digest.ts';
import { realDisk } from '../../../../src/disk/disk.ts';
import { readModelsFolder } from '../../../../src/runtimes/ollama/folder/read.ts';

const A = digestOf('a');
const B = digestOf('b');
const GOOD = JSON.stringify({ schemaVersion: 2, config: { digest: A }, layers: [{ digest: B }, { digest: A }] });

let folder: string;
beforeEach(async () => {
  folder = await fs.mkdtemp(join(tmpdir(), 'models-folder-'));
});
afterEach(() => fs.rm(folder, { recursive: true, force: true }));

async function put(path: string, text: string): Promise<string> {
  const full = join(folder, path);
  await fs.mkdir(dirname(full), { recursive: true });
  await fs.writeFile(full, text);
  return full;
}

const inLibrary = (name: string) => `manifests/registry.ollama.ai/library/${name}`;

test('names are those that the server lists, with the digests of each manifest', async () => {
  const path = await put(inLibrary('gemma/q4'), GOOD);
  await put('manifests/registry.ollama.ai/team/gemma/latest', GOOD);
  await put('manifests/example.org/library/gemma/latest', GOOD);
  const { manifests } = await readModelsFolder(folder, realDisk);
  expect(manifests.map(({ name }) => name).sort()).toEqual([
    'example.org/library/gemma:latest',
    'gemma:q4',
    'team/gemma:latest',
  ]);
  expect(manifests.find(({ name }) => name === 'gemma:q4')).toEqual({
    name: 'gemma:q4',
    path,
    digest: digestOf(GOOD),
    digests: [A, B],
  });
});

test.each([
  ['', 'is empty'],
  ['{"schemaVersion": 2, "con', 'is not a manifest'],
  ['\u0000\u0001', 'is not a manifest'],
  [JSON.stringify({ layers: [{ digest: A }] }), 'is not a manifest'],
  [JSON.stringify({ config: { digest: '../../etc/passwd' }, layers: [] }), 'is not a manifest'],
])('a manifest of %j %s, and costs no other', async (text, broken) => {
  await put(inLibrary('bad/latest'), text);
  await put(inLibrary('good/latest'), GOOD);
  const { manifests } = await readModelsFolder(folder, realDisk);
  expect(manifests.find(({ name }) => name === 'bad:latest')).toMatchObject({ broken, digests: [] });
  expect(manifests.find(({ name }) => name === 'good:latest')?.digests).toEqual([A, B]);
});

test('layers may be null, as servers write none', async () => {
  await put(inLibrary('bare/latest'), JSON.stringify({ config: { digest: A }, layers: null }));
  expect((await readModelsFolder(folder, realDisk)).manifests).toMatchObject([{ name: 'bare:latest', digests: [A] }]);
});

test('blobs are told with size and age, and files of any other name as well', async () => {
  const path = await put(`blobs/${A.replace(':', '-')}`, 'abc');
  await put('blobs/sha256-123partial', 'x');
  await fs.utimes(path, 1_000, 1_000);
  const { blobs } = await readModelsFolder(folder, realDisk);
  expect(blobs).toMatchObject([
    { name: 'sha256-123partial', sizeBytes: 1 },
    { name: A.replace(':', '-'), digest: A, path, sizeBytes: 3, modifiedMs: 1_000_000 },
  ]);
  expect(blobs[0]?.digest).toBeUndefined();
});

test('row 47: links within the folder are told and not followed', async () => {
  const outside = await fs.mkdtemp(join(tmpdir(), 'outside-'));
  try {
    await fs.mkdir(join(outside, 'library/secret'), { recursive: true });
    await fs.writeFile(join(outside, 'library/secret/latest'), GOOD);
    await put(inLibrary('good/latest'), GOOD);
    await put('blobs/x', '');
    const linked = join(folder, 'manifests/evil.example');
    const blob = join(folder, 'blobs', B.replace(':', '-'));
    await fs.symlink(outside, linked);
    await fs.symlink(join(outside, 'library/secret/latest'), blob);
    const found = await readModelsFolder(folder, realDisk);
    expect(found.manifests.map(({ name }) => name)).toEqual(['good:latest']);
    expect(found.blobs.map(({ name }) => name)).toEqual(['x']);
    expect([...found.links].sort()).toEqual([blob, linked].sort());
  } finally {
    await fs.rm(outside, { recursive: true, force: true });
  }
});

test('blobs and manifests themselves may be links, as for the server', async () => {
  await put('elsewhere/registry.ollama.ai/library/good/latest', GOOD);
  await fs.symlink(join(folder, 'elsewhere'), join(folder, 'manifests'));
  expect((await readModelsFolder(folder, realDisk)).manifests).toMatchObject([{ name: 'good:latest' }]);
});

test('a folder that is not there is empty; what lies too high or too deep is no name', async () => {
  expect(await readModelsFolder(join(folder, 'none'), realDisk)).toMatchObject({ manifests: [], blobs: [], links: [] });
  await put('manifests/stray', GOOD);
  await put(`${inLibrary('a')}/b/c/d`, GOOD);
  expect((await readModelsFolder(folder, realDisk)).manifests).toEqual([]);
});
