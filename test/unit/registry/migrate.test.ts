import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { findRecord, putRecord } from '../../../src/registry/index.ts';
import { migrateRecord, parseRecord, pathOf } from '../../../src/registry/record-file.ts';
import { InstallRecord } from '../../../src/registry/schema.ts';
import { memoryRegistry, recordOf } from './support.ts';

/** Records as version 0.1.0 of this tool wrote them, on the embedded runtime and into Ollama 0.24.0. */
const FOLDER = join(import.meta.dirname, '../../fixtures/records/v1');

describe.each(readdirSync(FOLDER))('the record %s of version 1', (file) => {
  const text = readFileSync(join(FOLDER, file), 'utf8');
  const old = JSON.parse(text);

  test('is read, with everything that it said but the unkept version before', () => {
    const record = parseRecord(text, file);
    const { previous: _, schemaVersion, ...kept } = old;
    expect(schemaVersion).toBe(1);
    expect(record).toEqual({ ...kept, schemaVersion: 2 });
  });

  test('is found, and written in the present version', async () => {
    const registry = memoryRegistry();
    const path = pathOf(registry.dataDir, old);
    registry.write(path, text);
    const found = await findRecord(registry, old);
    expect(found?.name).toBe(old.name);
    await putRecord(registry, { ...recordOf(old.name), runtime: old.runtime });
    expect(JSON.parse(registry.texts.get(path) ?? '')).toMatchObject({ schemaVersion: 2, quant: 'q5_k_m' });
  });
});

test('a record of the present version is left as it is', () => {
  const record = recordOf('gemma:a');
  expect(migrateRecord(record)).toBe(record);
  expect(InstallRecord.parse(record)).toEqual(record);
});

test.each([undefined, null, 1, 'x', [], { schemaVersion: 3 }])('%j is no record to migrate', (value) => {
  expect(migrateRecord(value)).toBe(value);
});
