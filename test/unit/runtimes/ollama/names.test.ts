import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ProvisionError } from '../../../../src/core/errors.ts';
import { parseModelName, sameModel } from '../../../../src/runtimes/names.ts';

describe('parseModelName', () => {
  test.each([
    ['gemma-3n-e4b', { model: 'gemma-3n-e4b', tag: 'latest', text: 'gemma-3n-e4b:latest' }],
    ['gemma-3n-e4b:q5_k_m', { model: 'gemma-3n-e4b', tag: 'q5_k_m', text: 'gemma-3n-e4b:q5_k_m' }],
    ['me/m:T', { namespace: 'me', model: 'm', tag: 'T', text: 'me/m:T' }],
    [
      'h.io:5000/me/m',
      { host: 'h.io:5000', namespace: 'me', model: 'm', tag: 'latest', text: 'h.io:5000/me/m:latest' },
    ],
    ['_', { model: '_', tag: 'latest', text: '_:latest' }],
    [`${'m'.repeat(80)}:${'t'.repeat(80)}`, { model: 'm'.repeat(80), tag: 't'.repeat(80) }],
    [`${'h'.repeat(350)}/n/m`, { host: 'h'.repeat(350) }],
  ])('reads %s', (text, expected) => {
    expect(parseModelName(text)).toMatchObject(expected);
  });

  test.each([
    ['', 'empty'],
    ['../x', 'namespace'],
    ['..', 'model'],
    ['.', 'model'],
    ['-rf', 'model'],
    ['m:-rf', 'tag'],
    ['m:', 'tag is empty'],
    [':t', 'model is empty'],
    ['a//b', 'namespace is empty'],
    ['/m', 'namespace is empty'],
    ['m/', 'model is empty'],
    ['a/b/c/d', 'three parts'],
    ['n.s/m', 'namespace'],
    ['h:5000/m', 'namespace'],
    ['http://h/n/m', 'three parts'],
    ['m m', 'model'],
    [' m', 'model'],
    ['m\n', 'model'],
    ['m\u0000', 'model'],
    ['m@sha256:abc', 'model'],
    ['m:a:b', 'model'],
    ['modèle', 'model'],
    ['\u202egpj.m', 'model'],
    ['m\\n', 'model'],
    ['a'.repeat(81), '81 characters'],
    [`m:${'a'.repeat(81)}`, 'tag is 81 characters'],
    ['a'.repeat(300), '300 characters'],
    [`${'h'.repeat(351)}/n/m`, 'host is 351 characters'],
  ])('refuses %j', (text, reason) => {
    expect(() => parseModelName(text)).toThrow(expect.objectContaining({ code: 'bad-name', exitCode: 2 }));
    expect(() => parseModelName(text)).toThrow(reason);
  });

  test('shows a bad name without what it would do to a terminal', () => {
    expect(() => parseModelName('\u001b[31m\r\nx')).toThrow(/^"\\u001b\[31m\\r\\nx" is not a model name/);
  });

  test('what is read is stable, and anything else is refused with one code', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...'aZ0_-.:/@ é') }), (text) => {
        try {
          const name = parseModelName(text);
          expect(parseModelName(name.text)).toEqual(name);
          expect(name.text).toMatch(/^[A-Za-z0-9_][A-Za-z0-9_.:/-]*$/);
        } catch (error) {
          expect(error).toBeInstanceOf(ProvisionError);
          expect(error).toHaveProperty('code', 'bad-name');
        }
      }),
    );
  });
});

describe('sameModel', () => {
  test.each([
    ['m', 'm:latest', true],
    ['m', 'library/m', true],
    ['m', 'registry.ollama.ai/library/M:LATEST', true],
    ['m:a', 'm:b', false],
    ['m', 'me/m', false],
    ['m', '../m', false],
  ])('%s and %s: %s', (a, b, same) => {
    expect(sameModel(a, b)).toBe(same);
  });
});
