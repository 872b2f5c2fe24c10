import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { canonicalJson } from '../../../src/core/digest.ts';
import { type LockFile, parseLock, writeLock } from '../../../src/package/lock-file.ts';
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
    ['a list', () => [], / {2}\$: /],
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
