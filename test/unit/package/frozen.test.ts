import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { digestOf } from '../../../src/core/digest.ts';
import { compareLocks, fillFromLock, requireNoDifferences } from '../../../src/package/frozen.ts';
import type { LockFile } from '../../../src/package/lock-file.ts';
import { sampleLock } from './support.ts';

const other = digestOf('other');
const lock = sampleLock();

describe('differences', () => {
  test('none between the same', () => {
    expect(compareLocks(lock, sampleLock())).toEqual([]);
    expect(() => requireNoDifferences([], 'x.lock')).not.toThrow();
  });

  test.each<[Partial<LockFile>, string, string | undefined, string | undefined]>([
    [{ quant: 'q8_0' }, 'quant', '"q4_k_m"', '"q8_0"'],
    [{ name: 'x' }, 'name', '"sample-1b:q4_k_m"', '"x"'],
    [{ source: { ...lock.source, digest: other } }, 'source.digest', `"${digestOf('bytes')}"`, `"${other}"`],
    [{ source: { ...lock.source, pinnedRef: 'hf:b' } }, 'source.pinnedRef', `"${lock.source.pinnedRef}"`, '"hf:b"'],
    [{ template: { ...lock.template, digest: other } }, 'template.digest', `"${digestOf('template')}"`, `"${other}"`],
    [{ parameters: { ...lock.parameters, num_ctx: 1 } }, 'parameters.num_ctx', '4096', '1'],
    [{ parameters: { ...lock.parameters, min_p: 0 } }, 'parameters.min_p', undefined, '0'],
    [{ stop: ['<eos>'] }, 'stop', '["<end_of_turn>","<eos>"]', '["<eos>"]'],
    [{ system: 'be brief' }, 'system', undefined, '"be brief"'],
    [
      { licence: { ...lock.licence, textDigest: other } },
      'licence.textDigest',
      `"${digestOf('licence')}"`,
      `"${other}"`,
    ],
    [{ server: { min: '0.6.0', max: '0.9.0' } }, 'server.max', undefined, '"0.9.0"'],
    [{ suite: { id: 'gemma', digest: other } }, 'suite.digest', `"${digestOf('suite')}"`, `"${other}"`],
    [{ catalog: { digest: other } }, 'catalog.digest', `"${digestOf('catalog')}"`, `"${other}"`],
    [{ header: { architecture: 'gemma3' } }, 'header.contextLength', '8192', undefined],
  ])('%o', (fields, path, wanted, got) => {
    const found = compareLocks(lock, sampleLock(fields));
    expect(found).toContainEqual({ path, ...(wanted && { wanted }), ...(got && { got }) });
    expect(() => requireNoDifferences(found, 'x.lock')).toThrow(
      expect.objectContaining({
        code: 'lock-differs',
        exitCode: 16,
        message: expect.stringContaining(`${path}: wanted ${wanted ?? 'nothing'}, got ${got ?? 'nothing'}`),
      }),
    );
  });

  test('every difference is told, in order', () => {
    const found = compareLocks(lock, sampleLock({ quant: 'x', model: 'y', family: 'z' }));
    expect(found.map(({ path }) => path)).toEqual(['family', 'model', 'quant']);
  });

  test('the version of this tool and what publishers tell beside the bytes change nothing', () => {
    const { provenance: _provenance, ...source } = lock.source;
    const now = sampleLock({ toolVersion: '9.9.9', source, catalog: { digest: lock.catalog.digest } });
    expect(compareLocks(lock, now)).toEqual([]);
  });

  test('where a file of this machine lies does not matter, its digest does', () => {
    const local = { ref: 'file:/mnt/stick/x.gguf', digest: lock.source.digest, sizeBytes: 5 };
    expect(compareLocks(lock, sampleLock({ source: local }))).toEqual([]);
    expect(compareLocks(lock, sampleLock({ source: { ...local, digest: other } })).map(({ path }) => path)).toEqual([
      'source.digest',
    ]);
  });

  test('another reference with the same revision is the same; without a revision it is not', () => {
    expect(
      compareLocks(lock, sampleLock({ source: { ...lock.source, ref: 'hf:acme/gguf@main/sample.gguf' } })),
    ).toEqual([]);
    const { pinnedRef: _pinned, ...loose } = lock.source;
    const bare = sampleLock({ source: loose });
    expect(
      compareLocks(bare, sampleLock({ source: { ...loose, ref: 'https://b/x' } })).map(({ path }) => path),
    ).toEqual(['source.ref']);
  });

  test('without a smoke test the suite is not compared', () => {
    const { suite: _suite, ...without } = lock;
    expect(compareLocks(lock, without, { suite: false })).toEqual([]);
    expect(compareLocks(lock, without).map(({ path }) => path)).toEqual(['suite.digest', 'suite.id']);
  });
});

describe('what a frozen install asks for', () => {
  const context = { folder: join('/', 'deploy'), known: true };
  const nothing = { settings: {} };

  test('everything of the lock where nothing is named', () => {
    expect(fillFromLock(lock, nothing, context)).toEqual({
      settings: {},
      // A lock without a projector pins a model of text alone, whatever the catalog offers by now.
      vision: 'off',
      model: 'sample-1b',
      quant: 'q4_k_m',
      quantOrigin: { reason: 'the lock file specifies this quant', automatic: false },
      from: lock.source.pinnedRef,
      name: 'sample-1b:q4_k_m',
      sampling: 'card',
      // For a file without a template of its own; that of the lock is compared in any case.
      chatTemplate: 'family',
      digest: lock.source.digest,
      load: { settings: { contextLength: 4096, batch: 256 }, gpuLayers: 12 },
    });
  });

  test('a pretrained model stays one', () => {
    const raw = { ...lock, template: { ...lock.template, name: 'raw' } };
    expect(fillFromLock(raw, nothing, context)).toMatchObject({ chatTemplate: 'none' });
  });

  test('what is named stays, so that it shows as a difference', () => {
    const asked = {
      model: 'b',
      quant: 'q8_0',
      from: './x.gguf',
      name: 'n',
      sampling: 's',
      digest: other,
      settings: {},
    };
    expect(fillFromLock(lock, asked, context)).toMatchObject(asked);
    expect(fillFromLock(lock, { model: 'b:q2_k', settings: {} }, context)).not.toHaveProperty('quant');
  });

  test('another context or batch is planned anew; the same is not', () => {
    expect(fillFromLock(lock, { settings: { contextLength: 1 } }, context)).not.toHaveProperty('load');
    expect(fillFromLock(lock, { settings: { batch: 1 } }, context)).not.toHaveProperty('load');
    expect(fillFromLock(lock, { settings: { contextLength: 4096, batch: 256 } }, context)).toHaveProperty('load');
  });

  test('a model that the catalog does not know is found by its file', () => {
    const request = fillFromLock(lock, nothing, { ...context, known: false });
    expect(request).toMatchObject({ from: lock.source.pinnedRef, family: 'sample' });
    expect(request).not.toHaveProperty('model');
    expect(request).not.toHaveProperty('quant');
  });

  test.each([
    ['package:models/x.gguf', undefined],
    ['file:models/x.gguf', join('/', 'deploy', 'models', 'x.gguf')],
    ['file:/abs/x.gguf', '/abs/x.gguf'],
    ['https://example.org/x.gguf', 'https://example.org/x.gguf'],
  ])('%s is looked for at %s', (ref, from) => {
    const { digest, sizeBytes } = lock.source;
    const request = fillFromLock(sampleLock({ source: { ref, digest, sizeBytes } }), nothing, context);
    expect('from' in request ? request.from : undefined).toBe(from);
    // The digest is asked for where bytes would come over a network; a file here is read and compared.
    expect('digest' in request).toBe(ref.startsWith('https:'));
  });
});
