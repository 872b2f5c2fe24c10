import { describe, expect, test } from 'vitest';
import { optionVerdict } from '../../../src/compat/options.ts';

describe('optionVerdict', () => {
  test.each([
    ['num_ctx', '0.1.34', true, false],
    ['min_p', '0.3.0', false, true],
    ['min_p', '0.3.1', true, false],
    ['numa', '0.3.3', true, false],
    ['numa', '0.3.4', false, true],
    ['tfs_z', '0.5.1', true, false],
    ['tfs_z', '0.5.4', false, true],
    ['tfs_z', '0.5.5', false, false],
    ['penalize_newline', '0.5.4', true, false],
    ['penalize_newline', '0.5.5', false, false],
    ['mirostat', '0.6.8', true, false],
    ['mirostat', '0.7.0', false, false],
    ['use_mlock', '0.24.0', false, false],
    ['draft_num_predict', '0.5.4', false, true],
    ['draft_num_predict', '0.24.0', false, false],
    ['draft_num_predict', '0.30.0', true, false],
    ['foo', '0.5.4', false, true],
    ['foo', '0.24.0', false, false],
    ['NUM_CTX', '0.24.0', false, false],
    ['__proto__', '0.24.0', false, false],
    ['', '0.24.0', false, false],
    ['mirostat', '0.0.0', false, false],
    ['min_p', '', true, false],
  ])('%j on %j: ok %s, blocking %s', (name, version, ok, blocking) => {
    expect(optionVerdict(name, version)).toMatchObject({ id: `option.${name}`, ok, blocking });
  });

  test('says when it ended, what the server does, and what to do', () => {
    expect(optionVerdict('mirostat', '0.24.0')).toEqual({
      id: 'option.mirostat',
      ok: false,
      blocking: false,
      since: '0.0.1',
      until: '0.6.8',
      reason:
        'Ollama 0.24.0 does not support the parameter mirostat (0.6.8 was the last version with it); it stores and ignores it.',
      remedy: 'Remove PARAMETER mirostat.',
      basis: 'source',
    });
    expect(optionVerdict('min_p', '0.3.0')).toMatchObject({
      reason: 'Ollama 0.3.0 does not support the parameter min_p (since 0.3.1); it refuses a model that sets it.',
      remedy: 'Remove PARAMETER min_p, or upgrade Ollama to 0.3.1 or later.',
    });
  });

  test.each(['0.0.0', 'dev', '0.99.0'])('a name that nobody knows may be known to %s', (version) => {
    expect(optionVerdict('entirely_new', version)).toMatchObject({ ok: true, basis: 'unknown' });
  });
});
