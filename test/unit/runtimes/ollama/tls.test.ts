import { describe, expect, test } from 'vitest';
import { parseHost, plainHttpWarning, requireTls } from '../../../../src/runtimes/ollama/host.ts';

describe('row 43: a server on another host in plain HTTP', () => {
  test.each([
    '10.0.0.7',
    'http://server.example:11434',
    'server',
    'http://user:hunter2@server/ollama',
    '[fd00::7]:11434',
  ])('%s is warned of, and refused where TLS is required', (text) => {
    const host = parseHost(text);
    const warning = plainHttpWarning(host);
    expect(warning).toContain(`${host.url} is another host without TLS`);
    expect(warning).not.toContain('hunter2');
    expect(() => requireTls(host)).toThrow(
      expect.objectContaining({ code: 'tls-required', exitCode: 13, message: expect.not.stringContaining('hunter2') }),
    );
  });

  test('credentials on the way are named', () => {
    expect(plainHttpWarning(parseHost('http://user:hunter2@server'))).toMatch(/the password, prompts and models/);
    expect(plainHttpWarning(parseHost('http://server'))).toMatch(/: prompts and models/);
  });

  test.each([
    undefined,
    '',
    ':11434',
    '0.0.0.0',
    '[::]:1',
    'localhost',
    'LOCALHOST:80',
    '127.9.9.9',
    '[::1]:11434',
    '::ffff:127.0.0.1',
    'https://server.example',
    'https://127.0.0.1',
    'ollama.com',
  ])('%s is this machine or has TLS', (text) => {
    const host = parseHost(text);
    expect(plainHttpWarning(host)).toBeUndefined();
    expect(() => requireTls(host)).not.toThrow();
  });

  test.each(['127.0.0.1.evil.example', 'localhost.evil.example', '127.0.0.1@evil.example'])(
    '%s only looks like this machine',
    (text) => {
      expect(() => requireTls(parseHost(text))).toThrow(expect.objectContaining({ code: 'tls-required' }));
    },
  );
});
