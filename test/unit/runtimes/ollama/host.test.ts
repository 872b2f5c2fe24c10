import { describe, expect, test } from 'vitest';
import { ProvisionError } from '../../../../src/core/errors.ts';
import { parseHost } from '../../../../src/runtimes/ollama/host.ts';

/** The table of Ollama's own TestHost (envconfig/config_test.go, v0.33.0-rc2), but for the ports that cannot be. */
const SPELLED = {
  empty: ['', 'http://127.0.0.1:11434'],
  'only address': ['1.2.3.4', 'http://1.2.3.4:11434'],
  'only port': [':1234', 'http://:1234'],
  'address and port': ['1.2.3.4:1234', 'http://1.2.3.4:1234'],
  hostname: ['example.com', 'http://example.com:11434'],
  'hostname and port': ['example.com:1234', 'http://example.com:1234'],
  'ipv6 localhost': ['[::1]', 'http://[::1]:11434'],
  'ipv6 world open': ['[::]', 'http://[::]:11434'],
  'ipv6 no brackets': ['::1', 'http://[::1]:11434'],
  'ipv6 + port': ['[::1]:1337', 'http://[::1]:1337'],
  'extra space': [' 1.2.3.4 ', 'http://1.2.3.4:11434'],
  'extra quotes': ['"1.2.3.4"', 'http://1.2.3.4:11434'],
  'extra space+quotes': [' " 1.2.3.4 " ', 'http://1.2.3.4:11434'],
  'extra single quotes': ["'1.2.3.4'", 'http://1.2.3.4:11434'],
  http: ['http://1.2.3.4', 'http://1.2.3.4:80'],
  'http port': ['http://1.2.3.4:4321', 'http://1.2.3.4:4321'],
  https: ['https://1.2.3.4', 'https://1.2.3.4:443'],
  'https port': ['https://1.2.3.4:4321', 'https://1.2.3.4:4321'],
  'proxy path': ['https://example.com/ollama', 'https://example.com:443/ollama'],
  'ollama.com': ['ollama.com', 'https://ollama.com:443'],
} as const;

/** The table of its TestConnectableHost. */
const CONNECTABLE = {
  empty: ['', 'http://127.0.0.1:11434'],
  localhost: ['127.0.0.1', 'http://127.0.0.1:11434'],
  'localhost and port': ['127.0.0.1:1234', 'http://127.0.0.1:1234'],
  'ipv4 unspecified': ['0.0.0.0', 'http://127.0.0.1:11434'],
  'ipv4 unspecified + port': ['0.0.0.0:1234', 'http://127.0.0.1:1234'],
  'ipv6 unspecified': ['[::]', 'http://[::1]:11434'],
  'ipv6 unspecified + port': ['[::]:1234', 'http://[::1]:1234'],
  'ipv6 localhost': ['[::1]', 'http://[::1]:11434'],
  'ipv6 localhost + port': ['[::1]:1234', 'http://[::1]:1234'],
  'specific address': ['192.168.1.5', 'http://192.168.1.5:11434'],
  'specific address + port': ['192.168.1.5:8080', 'http://192.168.1.5:8080'],
  hostname: ['example.com', 'http://example.com:11434'],
  'hostname and port': ['example.com:1234', 'http://example.com:1234'],
  'https unspecified + port': ['https://0.0.0.0:4321', 'https://127.0.0.1:4321'],
} as const;

/** Not in its tables, but what its code does. */
const MORE = {
  'no host but a port': [':1234', 'http://127.0.0.1:1234'],
  'unspecified ipv6, spelled out': ['[0:0:0:0:0:0:0:0]:1', 'http://[::1]:1'],
  'a long form of ::1': ['0:0:0:0:0:0:0:1', 'http://[::1]:11434'],
  'IPv4 in IPv6': ['::ffff:1.2.3.4', 'http://1.2.3.4:11434'],
  'unspecified IPv4 in IPv6': ['[::ffff:0.0.0.0]:1', 'http://127.0.0.1:1'],
  'capital letters': ['FE80::ABCD', 'http://[fe80::abcd]:11434'],
  'a port with a sign': ['example.com:+80', 'http://example.com:80'],
  'a deep path with a slash at its end': ['http://h/a/b/', 'http://h:80/a/b'],
  'a path without a scheme': ['h:1/ollama', 'http://h:1/ollama'],
  'a slash only': ['https://h/', 'https://h:443'],
  'a bracket that never closes': ['[::1', 'http://[::1]:11434'],
  'quotes in quotes': [`"'h'"`, 'http://h:11434'],
} as const;

describe('parseHost', () => {
  test.each(Object.entries(SPELLED))('spells as Ollama does: %s', (_, [text, spelled]) => {
    expect(parseHost(text).spelled).toBe(spelled);
  });

  test.each([...Object.entries(CONNECTABLE), ...Object.entries(MORE)])('connects to: %s', (_, [text, url]) => {
    expect(parseHost(text).url).toBe(url);
  });

  test('takes nothing for the default', () => {
    expect(parseHost(undefined)).toEqual({
      url: 'http://127.0.0.1:11434',
      spelled: 'http://127.0.0.1:11434',
      headers: {},
      loopback: true,
    });
  });

  // Ollama itself uses its default port then, so that another server would answer than was meant.
  test.each([':0', ':66000', ':-1', 'h:99999', 'h:http', 'h:', 'h:1_0', 'h:1e3', 'https://h:x'])(
    'refuses the port in %s, which cannot be',
    (text) => {
      expect(() => parseHost(text)).toThrow(
        expect.objectContaining({
          code: 'bad-configuration',
          message: expect.stringContaining('is not a number from 1 to 65535'),
        }),
      );
    },
  );

  test.each(['http://me:s3cret@h:1/x', 'me:s3cret@h:1/x', 'me:s3cret@h:9999/x'])(
    'never prints the secret of %s',
    (text) => {
      const host = parseHost(text);
      expect(host.headers).toEqual({ authorization: `Basic ${Buffer.from('me:s3cret').toString('base64')}` });
      const { headers: _, ...printable } = host;
      expect(JSON.stringify(printable)).not.toMatch(/s3cret|me/);
      expect(host.url).toMatch(/^http:\/\/h:\d+\/x$/);
    },
  );

  test('reads escaped credentials, a name alone, and a password with an @', () => {
    const plain = (text: string) =>
      Buffer.from(parseHost(text).headers.authorization?.slice('Basic '.length) ?? '', 'base64').toString();
    expect(plain('http://a%40b:c%3Ad@h')).toBe('a@b:c:d');
    expect(plain('http://token@h')).toBe('token:');
    expect(plain('http://me:p@ss@h')).toBe('me:p@ss');
    expect(plain('http://me:100%@h')).toBe('me:100%');
    expect(parseHost('http://@h').headers).toEqual({});
  });

  test.each(['localhost', '127.8.8.8:1', '[::1]', '[::ffff:127.0.0.1]:1', '0.0.0.0', ':1', '', 'LOCALHOST'])(
    '%j is this machine',
    (text) => {
      expect(parseHost(text).loopback).toBe(true);
    },
  );

  test.each(['1.2.3.4', 'example.com', 'localhost.example.com', '127.example.com', '[fe80::1]'])(
    '%j is another',
    (text) => {
      expect(parseHost(text).loopback).toBe(false);
    },
  );

  test.each([
    'ftp://h',
    'HTTP://h',
    '://h',
    'h h',
    'a:b:c',
    'http://[::1]x:1',
    'fe80::1%eth0',
    'http://h:1/x?y=1',
    'http://h:1/x#y',
    '1234',
    '010.1.1.1',
    '0x7f.1',
    'h\u0000h',
    'http://me:s3cret@h h',
    'me:s3cret@h:99999/x',
  ])('refuses %j', (text) => {
    expect(() => parseHost(text)).toThrow(ProvisionError);
    expect(() => parseHost(text)).toThrow(expect.objectContaining({ code: 'bad-configuration' }));
    expect(() => parseHost(text)).not.toThrow(/s3cret/);
  });

  test('knows what 1234 was meant to be', () => {
    expect(() => parseHost('1234')).toThrow(
      expect.objectContaining({ suggestions: expect.arrayContaining(['Did you mean :1234?']) }),
    );
  });
});
