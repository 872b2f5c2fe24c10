import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { dropRecord, findRecord, putRecord, readRecords } from '../../../src/registry/index.ts';
import { fileNameOf } from '../../../src/registry/record-file.ts';
import { memoryRegistry, recordOf } from './support.ts';

const folder = join('/data', 'registry');

describe('records', () => {
  test('what is put is found, listed by name and dropped', async () => {
    const registry = memoryRegistry();
    const [b, a] = [recordOf('b:latest'), recordOf('a:latest')];
    await putRecord(registry, b);
    await putRecord(registry, a);
    expect(await findRecord(registry, b)).toEqual(b);
    expect(await readRecords(registry)).toEqual({ records: [a, b], broken: [] });
    expect(await dropRecord(registry, a)).toBe(true);
    expect(await dropRecord(registry, a)).toBe(false);
    expect(await findRecord(registry, a)).toBeUndefined();
    expect((await readRecords(registry)).records).toEqual([b]);
  });

  test('an empty registry is no error', async () => {
    expect(await readRecords(memoryRegistry())).toEqual({ records: [], broken: [] });
  });

  test('the same name in another runtime or at another endpoint is another record', async () => {
    const registry = memoryRegistry();
    const here = recordOf('gemma:a');
    const there = recordOf('gemma:a', { runtime: { ...here.runtime, endpoint: 'http://10.0.0.2:11434' } });
    const embedded = recordOf('gemma:a', { runtime: { ...here.runtime, kind: 'embedded' } });
    for (const record of [here, there, embedded]) await putRecord(registry, record);
    expect((await readRecords(registry)).records).toHaveLength(3);
    expect(await findRecord(registry, there)).toEqual(there);
  });

  test('a new version of the runtime finds the old record', async () => {
    const registry = memoryRegistry();
    const record = recordOf('gemma:a');
    await putRecord(registry, record);
    const key = { name: 'gemma:a', runtime: { ...record.runtime, version: '0.30.0' } };
    expect(await findRecord(registry, key)).toEqual(record);
  });

  test.each(['a/b:c', '../../etc/passwd', '..', 'a b', '東京', 'A', '.hidden', 'x'.repeat(300), 'con'])(
    'the name %j stays inside the folder',
    async (name) => {
      const registry = memoryRegistry();
      const path = await putRecord(registry, recordOf(name));
      expect(path).toMatch(/^[/\\]data[/\\]registry[/\\](?!\.)[a-z0-9._-]+-[0-9a-f]{10}\.json$/);
      expect(path.length).toBeLessThan(120);
      expect((await findRecord(registry, recordOf(name)))?.name).toBe(name);
    },
  );

  test('names of the same model find the same record', async () => {
    const registry = memoryRegistry();
    await putRecord(registry, recordOf('Gemma'));
    expect((await findRecord(registry, recordOf('gemma:latest')))?.name).toBe('Gemma');
    expect(await findRecord(registry, recordOf('gemma:q4'))).toBeUndefined();
    await putRecord(registry, recordOf('gemma:latest'));
    expect((await readRecords(registry)).records).toHaveLength(1);
  });

  test('names that look alike have files of their own', () => {
    const names = ['a/b', 'a-b', 'a:b', 'a b', 'a_b'];
    expect(new Set(names.map((name) => fileNameOf(recordOf(name)))).size).toBe(names.length);
  });

  test('a record that does not fit the schema is never written', async () => {
    const registry = memoryRegistry();
    await expect(putRecord(registry, recordOf('a', { toolVersion: undefined as never }))).rejects.toThrow();
    expect(registry.texts.size).toBe(0);
  });
});

describe('broken records', () => {
  test.each([
    ['not JSON', '{', 'is not JSON'],
    ['empty', '', 'is not JSON'],
    ['another shape', '[]', 'is not valid'],
    ['a field missing', JSON.stringify({ ...recordOf('x'), quant: undefined }), 'quant'],
    ['an unknown field', JSON.stringify({ ...recordOf('x'), qant: 'q4' }), 'did you mean quant?'],
    ['a bad digest', JSON.stringify({ ...recordOf('x'), source: { ref: 'a', digest: 'sha256:12' } }), 'source.digest'],
  ])('%s: the error names the file and the remedy, the others stay readable', async (_, text, part) => {
    const registry = memoryRegistry();
    const good = recordOf('good');
    await putRecord(registry, good);
    const path = join(folder, fileNameOf(recordOf('x')));
    registry.write(path, text);

    const { records, broken } = await readRecords(registry);
    expect(records).toEqual([good]);
    expect(broken).toHaveLength(1);
    expect(broken[0]).toMatchObject({ path, error: { code: 'bad-record', exitCode: 18 } });
    await expect(findRecord(registry, recordOf('x'))).rejects.toMatchObject({
      code: 'bad-record',
      message: expect.stringContaining(part),
      suggestions: [
        `Repair it: gemma-provision repair ${recordOf('x').name}`,
        expect.stringContaining('install the model again'),
        expect.stringContaining(path),
      ],
    });
  });

  test('row 25: the remedy of a list names the model, where the file still tells it', async () => {
    const registry = memoryRegistry();
    const record = recordOf('ns/x:q4');
    const path = join(folder, fileNameOf(record));
    registry.write(path, JSON.stringify(record).slice(0, -40));
    expect((await readRecords(registry)).broken[0]).toMatchObject({
      name: 'ns/x:q4',
      error: { suggestions: expect.arrayContaining(['Repair it: gemma-provision repair ns/x:q4']) },
    });
    registry.write(path, JSON.stringify({ ...record, name: 'another' }).slice(0, -40));
    expect((await readRecords(registry)).broken[0]?.name).toBeUndefined();
  });

  test('an install heals a broken record, and drop removes it', async () => {
    const registry = memoryRegistry();
    const record = recordOf('x');
    const path = join(folder, fileNameOf(record));
    registry.write(path, '{');
    await putRecord(registry, record);
    expect(await findRecord(registry, record)).toEqual(record);
    registry.write(path, '{');
    expect(await dropRecord(registry, record)).toBe(true);
  });

  test('a record of a newer version is refused and not overwritten', async () => {
    const registry = memoryRegistry();
    const record = recordOf('x');
    const path = join(folder, fileNameOf(record));
    const newer = JSON.stringify({ schemaVersion: 7, name: 'x', whatever: true });
    registry.write(path, newer);
    const refusal = {
      code: 'bad-record',
      message: expect.stringContaining('newer version'),
      suggestions: [expect.stringContaining('Upgrade')],
    };
    await expect(findRecord(registry, record)).rejects.toMatchObject(refusal);
    await expect(putRecord(registry, record)).rejects.toMatchObject(refusal);
    expect((await readRecords(registry)).broken[0]?.error).toMatchObject(refusal);
    expect(registry.texts.get(path)).toBe(newer);
  });

  test('a copy under another file name is told, not listed twice', async () => {
    const registry = memoryRegistry();
    const record = recordOf('x');
    await putRecord(registry, record);
    registry.write(join(folder, 'copy.json'), JSON.stringify(record));
    const { records, broken } = await readRecords(registry);
    expect(records).toEqual([record]);
    expect(broken[0]?.error.message).toContain(fileNameOf(record));
  });

  test('a file that cannot be read is told as such', async () => {
    const registry = memoryRegistry();
    const refusing = {
      ...registry,
      disk: {
        ...registry.disk,
        list: () => Promise.resolve(['a.json', 'notes.txt']),
        readText: () => Promise.reject(new Error('EACCES: permission denied')),
      },
    };
    const { broken } = await readRecords(refusing);
    expect(broken.map((each) => each.error.message)).toEqual([expect.stringContaining('permission denied')]);
  });
});
