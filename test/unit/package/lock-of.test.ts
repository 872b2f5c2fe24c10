import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { digestOf } from '../../../src/core/digest.ts';
import { writeLock } from '../../../src/package/lock-file.ts';
import { type Lockable, lockOf } from '../../../src/package/lock-of.ts';
import { sampleFamily, sampleModel } from '../catalog/helpers.ts';

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
    const lock = lockOf(plan(), context);
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
    expect(lockOf(elsewhere, context).source.ref).toBe('file:/other/x.gguf');
    const model = sampleModel();
    const quants = model.quants.map((quant) => ({ ...quant, bundled: 'models/x.gguf', digest }));
    const file = {
      kind: 'file',
      ref: 'x',
      path: join('/', 'package', 'models', 'x.gguf'),
      sizeBytes: 5,
      digest,
    } as const;
    expect(lockOf(plan({ model: { ...model, quants }, file }), context).source.ref).toBe('package:models/x.gguf');
  });

  test('row 42: no secret of an address gets in', () => {
    const signed = 'https://user:planted-secret@h/x.gguf?X-Amz-Signature=planted-secret';
    const text = writeLock(lockOf(plan({ file: remote(signed, signed) }), context));
    expect(text).not.toContain('planted-secret');
    expect(text).toContain('https://***@h/x.gguf?X-Amz-Signature=***');
  });

  test('the digest of the catalog follows what decides, not what is told', () => {
    const of = (fields: Partial<Lockable>) => lockOf(plan(fields), context).catalog.digest;
    const family = sampleFamily();
    const usual = of({});
    expect(of({ family: { ...family, benchmarks: [], facts: [], summary: 'other', version: 7 } })).toBe(usual);
    expect(of({ family: { ...family, models: [sampleModel(), sampleModel('b')] } })).toBe(usual);
    expect(of({ family: { ...family, tokens: { bos: '<s>', stop: ['</s>'] } } })).not.toBe(usual);
    expect(of({ model: { ...sampleModel(), defaultContext: 1 } })).not.toBe(usual);
  });
});
