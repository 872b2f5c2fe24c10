import { describe, expect, test } from 'vitest';
import { checkServer, isSupported } from '../../../src/compat/check.ts';
import { serverFacts } from '../../../src/compat/lookup.ts';
import { matrix } from '../../../src/compat/matrix.ts';
import { rendererVerdict } from '../../../src/compat/renderers.ts';
import { parseServerVersion } from '../../../src/compat/version.ts';

/** Read from model/renderers/gemma4.go at each tag: which prompt RENDERER gemma4 writes without thoughts. */
const WRITES = [
  ['0.20.0', { small: 'gemma4' }],
  ['0.20.5', { small: 'gemma4' }],
  ['0.20.6', { large: 'gemma4' }],
  ['0.20.7', { small: 'gemma4' }],
  ['0.21.0', { small: 'gemma4-small', large: 'gemma4-large' }],
  ['0.33.0-rc2', { small: 'gemma4-small', large: 'gemma4-large' }],
  ['0.0.0', { small: 'gemma4-small', large: 'gemma4-large' }],
  ['0.19.0', {}],
] as const;

test.each(WRITES)(
  'the name that Ollama %s has for each prompt',
  (version, names: { small?: string; large?: string }) => {
    const { renderers } = serverFacts(version);
    expect(renderers.get('gemma4-small')).toBe(names.small);
    expect(renderers.get('gemma4-large')).toBe(names.large);
  },
);

test('every stand-in is a row itself, and older than what it stands for', () => {
  for (const { id, since, standIn } of matrix().renderers) {
    if (standIn === undefined) continue;
    expect(matrix().renderers.map((row) => row.id)).toContain(standIn.id);
    expect(serverFacts(standIn.until).renderers.get(id), since).toBe(standIn.id);
  }
});

describe('the verdict', () => {
  const verdictOn = (version: string, renderer: string, addsBos?: boolean) =>
    rendererVerdict(renderer, parseServerVersion(version), matrix(), { addsBos });

  test('refuses a large model where only the small prompt is written', () => {
    expect(verdictOn('0.20.7', 'gemma4-large')).toMatchObject({
      id: 'renderer.gemma4-large',
      ok: false,
      blocking: true,
      since: '0.21.0',
      reason: expect.stringContaining('without the empty thought'),
      remedy: expect.stringContaining('0.21.0'),
    });
  });

  test('accepts a small one there, and says under which name', () => {
    expect(verdictOn('0.20.7', 'gemma4-small')).toMatchObject({
      ok: true,
      reason: expect.stringContaining('as gemma4;'),
    });
  });

  test('refuses a file that would begin with two BOS tokens, and warns where the file is not known', () => {
    const refused = verdictOn('0.24.0', 'gemma4-small', true);
    expect(refused).toMatchObject({ ok: false, blocking: true, since: '0.30.0' });
    expect(verdictOn('0.24.0', 'gemma4-small', false)).toMatchObject({ ok: true });
    expect(verdictOn('0.24.0', 'gemma4-small').reason).toContain('needs 0.30.0');
    expect(verdictOn('0.30.0', 'gemma4-small', true)).toMatchObject({ ok: true });
  });

  test('does not judge a format that the matrix does not know', () => {
    expect(verdictOn('0.24.0', 'gemma9')).toMatchObject({ ok: true, basis: 'unknown' });
  });

  test('belongs to the check of a target, after its architecture', () => {
    const target = { architecture: 'gemma4', renderer: 'gemma4-large' };
    expect(isSupported(checkServer('0.20.7', target))).toBe(false);
    expect(isSupported(checkServer('0.21.0', target))).toBe(true);
    const ids = checkServer('0.19.0', target).map(({ id }) => id);
    expect(ids).toContain('architecture.gemma4');
    expect(ids).not.toContain('renderer.gemma4-large');
  });

  test('a model can need more than its architecture', () => {
    const model = { id: 'gemma-4-12b', since: '0.30.3', why: 'first version that runs it' };
    const of = (version: string) =>
      checkServer(version, { architecture: 'gemma4', model }).find(({ id }) => id === 'model.gemma-4-12b');
    expect(of('0.30.2')).toMatchObject({ ok: false, blocking: true, since: '0.30.3' });
    expect(of('0.30.3')).toMatchObject({ ok: true });
    expect(of('0.0.0')).toMatchObject({ ok: true, basis: 'unknown' });
  });
});
