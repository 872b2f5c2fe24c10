import { describe, expect, test } from 'vitest';
import { causesOf, EXIT_CODE, errnoOf, fileErrorCode, messageOf, ProvisionError } from '../../../src/core/errors.ts';

describe('errors', () => {
  test('exit codes are those that scripts rely on', () => {
    expect(EXIT_CODE).toMatchObject({
      bug: 1,
      'bad-usage': 2,
      network: 10,
      busy: 15,
      'smoke-failed': 17,
      terminated: 143,
    });
    expect(new ProvisionError('disk-full', 'x').exitCode).toBe(12);
  });

  test.each([
    ['ENOSPC', 12],
    ['EDQUOT', 12],
    ['EACCES', 14],
    ['EPERM', 14],
    ['EROFS', 14],
    ['ENOTDIR', 2],
    ['EISDIR', 2],
  ])('row 24: %s of a file is exit %i: only a full disk is worth freeing space for', (errno, exitCode) => {
    const code = fileErrorCode(Object.assign(new Error(errno), { code: errno }));
    expect(code && EXIT_CODE[code]).toBe(exitCode);
  });

  test('causes are told nearest first, circles end', () => {
    const inner = new Error('inner');
    const outer = new Error('outer', { cause: new Error('middle', { cause: inner }) });
    inner.cause = outer;
    expect(causesOf(outer)).toEqual(['middle', 'inner']);
    expect(causesOf('text')).toEqual([]);
  });

  test.each([
    [new Error(''), 'Error'],
    ['text', 'text'],
    [{ a: 1 }, '{"a":1}'],
    [undefined, 'undefined'],
  ])('a message for anything thrown: %o', (thrown, text) => expect(messageOf(thrown)).toBe(text));

  test('the errno word is found below wrappers and in an AggregateError', () => {
    const fault = Object.assign(new Error('x'), { code: 'ENOSPC' });
    expect(errnoOf(new Error('outer', { cause: fault }))).toBe('ENOSPC');
    expect(errnoOf(new AggregateError([fault]))).toBe('ENOSPC');
    expect(errnoOf(new Error('plain'))).toBeUndefined();
  });
});
