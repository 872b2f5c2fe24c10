import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { canonicalJson, digestOf } from '../../../src/core/digest.ts';
import { buildLock, type Lockable, type LockFile, parseLock, writeLock } from '../../../src/package/lock-file.ts';
import { sampleFamily, sampleModel } from '../catalog/helpers.ts';
import { sampleLock } from './support.ts';

function refusal(message: RegExp) {
  return expect.objectContaining({ code: 'bad-lock-file', exitCode: 16, message: expect.stringMatching(message) });
}

/** The same value with the keys of every object turned round. */
function turned(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(turned);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([key, member]) => [key, turned(member)]),
  );
}

describe('the lock file', () => {
  test('what is written is read, byte for byte the same whatever the order of the keys', () => {
    const text = writeLock(sampleLock());
    expect(parseLock(text, 'x.lock')).toEqual(sampleLock());
    expect(writeLock(turned(sampleLock()) as LockFile)).toBe(text);
    expect(writeLock(parseLock(text, 'x.lock'))).toBe(text);
    expect(text.endsWith('}\n')).toBe(true);
    const keys = [...text.matchAll(/^ {2}"(\w+)"/gm)].map(([, key]) => key);
    expect(keys).toEqual([...keys].sort());
  });

  test('canonical JSON of any value parses to that value and does not depend on the order of keys', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const plain: unknown = JSON.parse(JSON.stringify(value));
        expect(JSON.parse(canonicalJson(plain))).toEqual(plain);
        expect(canonicalJson(turned(plain))).toBe(canonicalJson(plain));
      }),
      { numRuns: 200 },
    );
  });

  test.each<[string, (lock: Record<string, unknown>) => unknown, RegExp]>([
    ['an unknown field', (lock) => ({ ...lock, quantt: 'q' }), / {2}quantt: unknown field, did you mean quant\?/],
    ['a missing digest', (lock) => ({ ...lock, source: { ref: 'x', sizeBytes: 1 } }), / {2}source\.digest: /],
    [
      'a size of 2^53+1',
      (lock) => ({ ...lock, source: { ...sampleLock().source, sizeBytes: 2 ** 53 + 1 } }),
      /source\.sizeBytes/,
    ],
    [
      'an upper-case digest',
      (lock) => ({ ...lock, template: { name: 't', digest: `sha256:${'A'.repeat(64)}` } }),
      /template\.digest/,
    ],
    ['a list', () => [], / {2}must be an object, not a list/],
  ])('%s is refused at its place', (_what, change, message) => {
    const text = JSON.stringify(change({ ...sampleLock() }));
    expect(() => parseLock(text, 'x.lock')).toThrow(refusal(message));
  });

  test('half a file and a file of a later version', () => {
    const text = writeLock(sampleLock());
    expect(() => parseLock(text.slice(0, 100), 'x.lock')).toThrow(refusal(/x\.lock is not JSON/));
    const later = JSON.stringify({ ...sampleLock(), schemaVersion: 2, more: 1 });
    expect(() => parseLock(later, 'x.lock')).toThrow(refusal(/newer version of gemma-provision/));
  });

  test('__proto__ in a lock file changes nothing', () => {
    const text = writeLock(sampleLock()).replace('"parameters": {', '"parameters": {"__proto__": 1, ');
    const read = parseLock(text, 'x.lock');
    expect(Reflect.get({}, 'polluted')).toBeUndefined();
    expect(Object.getPrototypeOf(read.parameters)).toBe(Object.prototype);
  });
});

const digest = digestOf('bytes');
const context = {
  folder: join('/', 'deploy'),
  root: join('/', 'package'),
  server: { min: '0.6.0' },
  suite: undefined,
  toolVersion: '1',
};

function plan(fields: Partial<Lockable> = {}): Lockable {
  return {
    family: sampleFamily(),
    model: sampleModel(),
    quant: 'q4_k_m',
    name: 'x:1',
    file: { kind: 'file', ref: './x.gguf', path: join('/', 'deploy', 'models', 'x.gguf'), sizeBytes: 5, digest },
    spec: {
      templateName: 'gemma',
      template: '{{ .Prompt }}',
      templateDigest: digestOf('{{ .Prompt }}'),
      profile: 'card',
      parameters: { num_ctx: 4096, stop: ['<eos>'] },
      license: 'text',
    },
    header: { architecture: 'gemma3', declaredQuant: 'Q4_K_M', chatTemplate: 'jinja' },
    ...fields,
  };
}

function remote(ref: string, pinnedRef: string): Lockable['file'] {
  return {
    kind: 'remote',
    ref,
    pinnedRef,
    fileName: 'x.gguf',
    sizeBytes: 5,
    digest,
    access: { url: 'https://h/x', headers: { authorization: 'Bearer planted-secret' } },
  };
}

describe('the lock of a plan', () => {
  test('has what decides the install, and is a valid lock file', () => {
    const lock = buildLock(plan(), context);
    expect(lock).toMatchObject({
      source: { ref: 'file:models/x.gguf', digest, sizeBytes: 5 },
      header: { architecture: 'gemma3', quant: 'q4_k_m', chatTemplate: digestOf('jinja') },
      template: { name: 'gemma', digest: digestOf('{{ .Prompt }}') },
      parameters: { num_ctx: 4096 },
      stop: ['<eos>'],
      licence: { id: 'Apache-2.0', textDigest: digestOf('Apache License 2.0') },
    });
    expect(lock.parameters).not.toHaveProperty('stop');
    expect(() => writeLock(lock)).not.toThrow();
  });

  test('a file elsewhere is named by its whole path, one of this package by its place in it', () => {
    const elsewhere = plan({
      file: { kind: 'file', ref: 'x', path: join('/', 'other', 'x.gguf'), sizeBytes: 5, digest },
    });
    expect(buildLock(elsewhere, context).source.ref).toBe('file:/other/x.gguf');
    const model = sampleModel();
    const quants = model.quants.map((quant) => ({ ...quant, bundled: 'models/x.gguf', digest }));
    const file = {
      kind: 'file',
      ref: 'x',
      path: join('/', 'package', 'models', 'x.gguf'),
      sizeBytes: 5,
      digest,
    } as const;
    expect(buildLock(plan({ model: { ...model, quants }, file }), context).source.ref).toBe('package:models/x.gguf');
  });

  test('row 42: no secret of an address gets in', () => {
    const signed = 'https://user:planted-secret@h/x.gguf?X-Amz-Signature=planted-secret';
    const text = writeLock(buildLock(plan({ file: remote(signed, signed) }), context));
    expect(text).not.toContain('planted-secret');
    expect(text).toContain('https://***@h/x.gguf?X-Amz-Signature=***');
  });

  test('the digest of the catalog follows what decides, not what is told', () => {
    const of = (fields: Partial<Lockable>) => buildLock(plan(fields), context).catalog.digest;
    const family = sampleFamily();
    const usual = of({});
    expect(of({ family: { ...family, benchmarks: [], facts: [], summary: 'other', version: 7 } })).toBe(usual);
    expect(of({ family: { ...family, models: [sampleModel(), sampleModel('b')] } })).toBe(usual);
    expect(of({ family: { ...family, tokens: { bos: '<s>', stop: ['</s>'] } } })).not.toBe(usual);
    expect(of({ model: { ...sampleModel(), defaultContext: 1 } })).not.toBe(usual);
  });
});
