import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readGgufHeader } from '../../../src/gguf/header.ts';
import type { GgufFacts } from '../../../src/gguf/schema.ts';
import { readSplitHeader, splitNames } from '../../../src/gguf/split.ts';
import { readHeader, readInstallableHeader, readRemoteHeader } from '../../../src/provision/plan/header.ts';
import { failureOf } from '../../helpers/failure.ts';
import { buildGguf, type GgufSpec, type MetadataSpec, memorySource, modelSpec } from '../../helpers/gguf-builder.ts';
import { plainHttp } from '../../helpers/http.ts';
import { serve } from '../../helpers/http-server.ts';

const WHOLE = modelSpec();

interface Change {
  readonly no?: number | undefined;
  readonly count?: number | undefined;
  readonly total?: number;
}

/** One file of the model as llama-gguf-split writes it: all metadata in the first, only the split keys in the others. */
function partSpec(no: number, tensors: readonly [from: number, to: number], change: Change = {}): GgufSpec {
  const told = { no, count: 3, total: WHOLE.tensors.length, ...change };
  const keys: MetadataSpec[] = [{ key: 'split.tensors.count', type: 'i32', value: told.total }];
  if (told.no !== undefined) keys.push({ key: 'split.no', type: 'u16', value: told.no });
  if (told.count !== undefined) keys.push({ key: 'split.count', type: 'u16', value: told.count });
  return { metadata: [...(no === 0 ? WHOLE.metadata : []), ...keys], tensors: WHOLE.tensors.slice(...tensors) };
}

/** The first file holds no tensors, as with `--no-tensor-first-split`. */
const PARTS = [partSpec(0, [0, 0]), partSpec(1, [0, 4]), partSpec(2, [4, 6])].map((spec) => buildGguf(spec));

function readParts(parts: readonly Uint8Array[], sizes: readonly (number | undefined)[] = []): Promise<GgufFacts> {
  return readSplitHeader(
    parts.map((content, index) => ({
      name: `m-0000${index + 1}`,
      open: (task) => task(memorySource(content), index in sizes ? sizes[index] : content.length),
    })),
  );
}

describe('names of the files of a split model', () => {
  test('follow from any of them, with whatever stands in front', () => {
    const names = [
      'a/x-Q4_K_M-00001-of-00003.gguf',
      'a/x-Q4_K_M-00002-of-00003.gguf',
      'a/x-Q4_K_M-00003-of-00003.gguf',
    ];
    for (const name of names) expect(splitNames(name)).toEqual(names);
    expect(splitNames('X-00001-of-00002.GGUF')).toEqual(['X-00001-of-00002.GGUF', 'X-00002-of-00002.GGUF']);
  });

  test.each([
    'model.gguf',
    'model-00001-of-00001.gguf',
    'model-00000-of-00003.gguf',
    'model-00004-of-00003.gguf',
    'model-1-of-3.gguf',
    'model-00001-of-00003.safetensors',
    'model-00001-of-00003.gguf.part',
    'model-00001-of-99999.gguf',
  ])('%s is a model of its own', (name) => {
    expect(splitNames(name)).toBeUndefined();
  });
});

describe('the headers of a split model', () => {
  test('are read as that of the whole model', async () => {
    const content = buildGguf(WHOLE);
    const whole = await readGgufHeader(memorySource(content), { fileBytes: content.length });
    const facts = await readParts(PARTS);
    for (const key of ['architecture', 'name', 'declaredQuant', 'tokenizer', 'hyperparameters', 'weights'] as const)
      expect(facts[key]).toEqual(whole[key]);
    expect(facts.typeBytes).toEqual(whole.typeBytes);
    expect(facts.tensors.map(({ name, part }) => [name, part])).toEqual(
      whole.tensors.map(({ name }, index) => [name, index < 4 ? 1 : 2]),
    );
    const sum = PARTS.reduce((bytes, { length }) => bytes + length, 0);
    expect(facts.fileBytes).toBe(sum);
    expect(facts.parts?.map(({ tensorCount }) => tensorCount)).toEqual([0, 4, 2]);
    expect(facts.parts?.map(({ fileBytes }) => fileBytes)).toEqual(PARTS.map(({ length }) => length));
    // The first file has nothing behind its header, so its padding is not needed.
    expect(facts.requiredBytes).toBeGreaterThan(sum - 32);
    expect(facts.requiredBytes).toBeLessThanOrEqual(sum);
  });

  test('need the count in the first file only', async () => {
    const last = buildGguf(partSpec(2, [4, 6], { count: undefined }));
    expect((await readParts([...PARTS.slice(0, 2), last])).tensors).toHaveLength(6);
  });

  test('sum no sizes when one is not known', async () => {
    expect((await readParts(PARTS, [undefined])).fileBytes).toBeUndefined();
  });

  test.each<[string, readonly GgufSpec[], string]>([
    ['one without split keys', [WHOLE], 'm-00001 (file 1 of 1): its name is that of a part of a split model'],
    [
      'too few',
      [partSpec(0, [0, 3]), partSpec(1, [3, 6])],
      'm-00001 (file 1 of 2): its header says that the model has 3 files, its name says 2',
    ],
    [
      'in the wrong order',
      [partSpec(0, [0, 2]), partSpec(2, [4, 6]), partSpec(1, [2, 4])],
      'm-00002 (file 2 of 3): its header says that it is file 3, its name says file 2',
    ],
    [
      'one that does not say its place',
      [partSpec(0, [0, 2]), partSpec(1, [2, 4], { no: undefined }), partSpec(2, [4, 6])],
      'm-00002 (file 2 of 3): its header does not say which file',
    ],
    [
      'a tensor twice',
      [partSpec(0, [0, 2]), partSpec(1, [1, 4]), partSpec(2, [4, 6])],
      'm-00002 (file 2 of 3): the tensor "blk.0.attn_q.weight" is already in an earlier file',
    ],
    [
      'a tensor too few',
      [partSpec(0, [0, 2]), partSpec(1, [3, 4]), partSpec(2, [4, 6])],
      'the first file declares 6 tensors, all files together have 5',
    ],
    [
      'none with a tensor',
      [partSpec(0, [0, 0], { total: 0 }), partSpec(1, [0, 0]), partSpec(2, [0, 0])],
      'lists no tensors',
    ],
    ['a thousand and one files', [partSpec(0, [0, 6], { count: 1001 })], 'claims to be one of 1001 files'],
  ])('are refused: %s', async (_, specs, fragment) => {
    const error = await failureOf(readParts(specs.map((spec) => buildGguf(spec))));
    expect(error.code).toBe('bad-gguf');
    expect(error.message).toContain(fragment);
    expect(error.suggestions.length).toBeGreaterThan(0);
  });

  test('tell which file is cut off', async () => {
    const [first, second, third] = PARTS;
    const cut = second?.subarray(0, -9);
    const error = await failureOf(readParts([first, cut, third].filter((part) => part !== undefined)));
    expect(error).toMatchObject({
      code: 'truncated-file',
      message: expect.stringContaining('m-00002 (file 2 of 3): '),
    });
    expect(error.message).toContain(': 9 are missing');
  });

  test('of one file alone are no model, whatever it is named', async () => {
    const error = await failureOf(readGgufHeader(memorySource(buildGguf(partSpec(1, [0, 4])))));
    expect(error).toMatchObject({ code: 'bad-gguf', message: expect.stringContaining('file 2 of 3 of a split model') });
    expect(error.suggestions.join(' ')).toContain('llama-gguf-split --merge');
  });
});

describe('split files on disk', () => {
  let folder = '';
  const name = (no: number): string => `tiny-Q4_K_M-0000${no}-of-00003.gguf`;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'split-'));
    for (const [index, content] of PARTS.entries()) await writeFile(join(folder, name(index + 1)), content);
  });
  afterAll(() => rm(folder, { recursive: true }));

  test.each([1, 3])('are found from file %d', async (no) => {
    const facts = await readHeader(join(folder, name(no)), PARTS[no - 1]?.length ?? 0);
    expect(facts.parts?.map((part) => part.name)).toEqual([name(1), name(2), name(3)]);
    expect(facts.fileBytes).toBe(PARTS.reduce((sum, { length }) => sum + length, 0));
    expect(facts.warnings).toEqual([]);
  });

  test('cannot be installed as they are, with the way to one file', async () => {
    const error = await failureOf(
      readInstallableHeader(
        { kind: 'file', ref: name(1), path: join(folder, name(1)), sizeBytes: 1 },
        { http: plainHttp },
      ),
    );
    expect(error.message).toContain('one of 3 files of a split model');
    expect(error.suggestions[0]).toContain(`llama-gguf-split --merge ${join(folder, name(1))}`);
  });

  test('a missing one is named', async () => {
    const other = await mkdtemp(join(tmpdir(), 'split-'));
    await writeFile(join(other, name(1)), PARTS[0] ?? '');
    const error = await failureOf(readHeader(join(other, name(1)), 1));
    await rm(other, { recursive: true });
    expect(error.code).toBe('source-not-found');
    expect(error.message).toBe(`${join(other, name(2))} (file 2 of 3): this file of the split model is missing`);
  });

  test('one that was renamed is no model', async () => {
    const path = join(folder, 'renamed.gguf');
    await writeFile(path, PARTS[1] ?? '');
    const error = await failureOf(readHeader(path, PARTS[1]?.length ?? 0));
    expect(error.message).toContain(`${path}: this is file 2 of 3`);
  });
});

describe('split files on a web server', () => {
  test('are read one after the other, and a missing one is named', async () => {
    let missing = -1;
    const server = await serve((request, response) => {
      const index = Number(/-0000(\d)-of-00003\.gguf\?v=1$/.exec(request.url ?? '')?.[1]) - 1;
      const content = PARTS[index];
      if (content === undefined || index === missing) response.writeHead(404).end();
      else response.writeHead(200, { 'content-length': content.length }).end(content);
    });
    try {
      const address = `${server.url}/org/x-00001-of-00003.gguf?v=1`;
      let requests = 0;
      const onTraffic = (traffic: { requests: number }): void => {
        requests = traffic.requests;
      };
      const facts = await readRemoteHeader(address, { http: plainHttp, onTraffic });
      expect(facts.tensors).toHaveLength(6);
      expect(facts.fileBytes).toBe(PARTS.reduce((sum, { length }) => sum + length, 0));
      expect(requests).toBe(3);
      missing = 2;
      const error = await failureOf(readRemoteHeader(address, { http: plainHttp }));
      expect(error.code).toBe('source-not-found');
      expect(error.message).toMatch(
        /^x-00003-of-00003\.gguf \(file 3 of 3\): http.*: there is no such file \(HTTP 404\)$/,
      );
    } finally {
      await server.close();
    }
  });
});
