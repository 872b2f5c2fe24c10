import { describe, expect, test } from 'vitest';
import { verdictFor } from '../../../src/compat/verdict.ts';

describe('verdictFor', () => {
  test.each([
    ['gemma3n', '0.9.2', false, '0.9.3'],
    ['gemma3n', '0.9.3', true, '0.9.3'],
    ['gemma3n', '0.9.3-rc1', true, '0.9.3'],
    ['gemma3n', '0.33.0-rc2', true, '0.9.3'],
    ['gemma3n', '0.5.4', false, '0.9.3'],
    ['gemma3', '0.5.13', false, '0.6.0'],
    ['gemma3', '0.6.0', true, '0.6.0'],
    ['gemma2', '0.1.46', false, '0.1.47'],
    ['gemma', '0.1.34', true, '0.1.26'],
    ['gemma4', '0.19.0', false, '0.20.0'],
  ])('%s on %s: %s', (architecture, version, ok, since) => {
    const verdict = verdictFor({ architecture, version });
    expect(verdict).toMatchObject({ id: `architecture.${architecture}`, ok, since });
    expect(verdict.reason).toContain(version);
    expect(verdict.reason).toContain(since);
    expect(verdict.remedy === undefined).toBe(ok);
    expect(verdict.blocking).toBe(!ok);
  });

  test('says what to do in one sentence that works', () => {
    expect(verdictFor({ architecture: 'gemma3n', version: '0.6.5' })).toEqual({
      id: 'architecture.gemma3n',
      ok: false,
      blocking: true,
      since: '0.9.3',
      reason: expect.stringMatching(
        /^Ollama 0\.6\.5 does not support gemma3n \(since 0\.9\.3\); it creates the model, then fails/,
      ),
      remedy: 'Upgrade Ollama to 0.9.3 or later, or install with --runtime embedded.',
      basis: 'live',
    });
  });

  test.each([
    ['0.9.2', false, 'architecture.gemma3n'],
    ['0.9.6', false, 'library.gemma3n'],
    ['0.10.0', true, 'library.gemma3n'],
    ['0.0.0', true, 'library.gemma3n'],
  ])('the library has its own gate: %s', (version, ok, id) => {
    expect(verdictFor({ architecture: 'gemma3n', version, pull: true })).toMatchObject({ ok, id });
  });

  test('a pull that is refused leaves the way of a local file', () => {
    const verdict = verdictFor({ architecture: 'gemma3n', version: '0.9.6', pull: true });
    expect(verdict.reason).toContain('0.10.0');
    expect(verdict.remedy).toContain('--from FILE');
    expect(verdict.blocking).toBe(false);
    expect(verdictFor({ architecture: 'gemma3n', version: '0.9.6' }).ok).toBe(true);
  });

  test.each(['0.0.0', '', 'custom'])('%j is let through, but not as proven', (version) => {
    expect(verdictFor({ architecture: 'gemma3n', version })).toMatchObject({ ok: true, basis: 'unknown' });
  });

  test('an architecture without a row is let through, but not as proven', () => {
    const verdict = verdictFor({ architecture: 'gemma9', version: '0.24.0' });
    expect(verdict).toMatchObject({ ok: true, basis: 'unknown', id: 'architecture.gemma9' });
    expect(verdict.since).toBeUndefined();
  });

  test.each([
    ['0.40.0', 'inferred', '(not verified: newer than 0.33.0)'],
    ['0.24.0-ipex', 'inferred', '(not verified: a custom build)'],
    ['0.6.5-rocm', 'inferred', '(not verified: a custom build)'],
    ['0.33.0-rc2', 'live', ''],
  ])('how sure it is of %s: %s', (version, basis, ending) => {
    const verdict = verdictFor({ architecture: 'gemma3n', version });
    expect(verdict.basis).toBe(basis);
    expect(verdict.reason.endsWith(ending === '' ? '.' : ending)).toBe(true);
  });

  test.each([
    ['gemma', false, '(not verified: inferred)'],
    ['gemma2', true, '(not verified: taken from an issue)'],
  ])('a row on %s that nobody has read or seen says so', (architecture, pull, ending) => {
    expect(verdictFor({ architecture, version: '0.24.0', pull }).reason.endsWith(ending)).toBe(true);
  });

  test('a server older than all that we know is refused', () => {
    expect(verdictFor({ architecture: 'gemma', version: '0.1.33' })).toMatchObject({
      id: 'version',
      ok: false,
      since: '0.1.34',
    });
  });
});
