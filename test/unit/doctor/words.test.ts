import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { doctorText } from '../../../src/cli/render/doctor.ts';
import { shown } from '../../../src/doctor/secrets.ts';
import { settleOrigins } from '../../../src/doctor/settings.ts';
import { subjectOf } from '../../../src/doctor/subject.ts';
import { parseSockets, socketFor } from '../../../src/hardware/sockets.ts';
import { goesThroughProxyInGo, proxyFor } from '../../../src/net/proxies.ts';
import { familyOf } from './family.ts';

describe('secrets', () => {
  test.each([
    ['HTTP_PROXY', 'http://u:p@proxy:1', 'http://***@proxy:1'],
    ['HTTP_PROXY', 'u:p@w@proxy:1', '***@proxy:1'],
    ['OLLAMA_HOST', 'https://u:p/q@host', 'https://***@host'],
    ['OLLAMA_API_KEY', 'abc', '(hidden)'],
    ['HF_TOKEN', 'abc', '(hidden)'],
    ['X', 'https://cdn/file?X-Amz-Signature=abc', 'https://cdn/file?***'],
    ['X', '', '(empty)'],
    ['X', 'a\u001b[31mb', 'a[31mb'],
  ])('%s=%s', (name, value, expected) => {
    expect(shown(name, value)).toBe(expected);
  });
  test('no password in front of an @ ever shows', () => {
    fc.assert(
      fc.property(fc.string(), (password) => !shown('X', `http://u:S3CRET${password}@host`).includes('S3CRET')),
    );
  });
});

describe('proxies', () => {
  const local = new URL('http://127.0.0.1:11434');
  const six = new URL('http://[::1]:11434');
  const far = new URL('https://gpu.example.com/ollama');
  const http = { HTTP_PROXY: 'p' };
  test.each([
    [local, http, true],
    [local, { http_proxy: 'p' }, true],
    [local, { ALL_PROXY: 'p' }, true],
    [local, { HTTPS_PROXY: 'p' }, false],
    [local, { HTTP_PROXY: '' }, false],
    [local, { ...http, NO_PROXY: '127.0.0.2' }, true],
    [local, { ...http, NO_PROXY: '127.0.0.1:80' }, true],
    [local, { ...http, NO_PROXY: ' 127.0.0.1 , x' }, false],
    [local, { ...http, NO_PROXY: '127.0.0.0/33' }, true],
    [local, { ...http, NO_PROXY: '0.0.1' }, true],
    [six, { ...http, NO_PROXY: '::1' }, false],
    [six, { ...http, NO_PROXY: '[::1]:11434' }, false],
    [six, { ...http, NO_PROXY: '::/64' }, false],
    [far, http, false],
    [far, { HTTPS_PROXY: 'p' }, true],
    [far, { HTTPS_PROXY: 'p', NO_PROXY: 'example.com' }, false],
    [far, { HTTPS_PROXY: 'p', NO_PROXY: '.example.com' }, false],
    [far, { HTTPS_PROXY: 'p', NO_PROXY: '*.example.com' }, false],
    [far, { HTTPS_PROXY: 'p', NO_PROXY: 'ample.com' }, true],
    [far, { HTTPS_PROXY: 'p', NO_PROXY: 'example.com:443' }, false],
  ])('%s with %o: %s', (url, env, proxied) => {
    expect(proxyFor(url, env) !== undefined).toBe(proxied);
  });
  test('Go leaves loopback alone', () => {
    expect(goesThroughProxyInGo(local, http)).toBe(false);
    expect(goesThroughProxyInGo(six, http)).toBe(false);
    expect(goesThroughProxyInGo(new URL('http://gpu:11434'), http)).toBe(true);
  });
});

describe('sockets', () => {
  const row = (address: string, state = '0A') => `  0: ${address}:2CAA 0:0 ${state} 0:0 00:0 0  998  0 77 1`;
  test.each([
    ['0100007F', '127.0.0.1'],
    ['00000000', '0.0.0.0'],
    ['00000000000000000000000000000000', '::'],
    ['00000000000000000000000001000000', '::1'],
    ['0000000000000000FFFF00000100007F', '127.0.0.1'],
    ['B80D0120000000000000000001000000', '2001:db8:0:0:0:0:0:1'],
  ])('%s is %s', (hex, address) => {
    expect(parseSockets(row(hex))).toEqual([{ address, port: 11434, uid: 998, inode: '77' }]);
  });
  test('only sockets that listen, and never an error', () => {
    expect(parseSockets(row('0100007F', '01'))).toEqual([]);
    fc.assert(fc.property(fc.string(), (text) => Array.isArray(parseSockets(text))));
  });
  test('the nearest match: its own address, loopback, any address', () => {
    const socket = (address: string, port = 1) => ({ address, port, uid: 0, inode: address });
    const all = [socket('0.0.0.0'), socket('127.0.0.1'), socket('192.0.2.7'), socket('127.0.0.1', 2)];
    expect(socketFor(all, '192.0.2.7', 1)?.address).toBe('192.0.2.7');
    expect(socketFor(all, 'localhost', 1)?.address).toBe('127.0.0.1');
    expect(socketFor(all, '192.0.2.9', 1)?.address).toBe('0.0.0.0');
    expect(socketFor(all, '192.0.2.9', 2)).toBeUndefined();
  });
});

describe('settings', () => {
  const base = { flags: {}, env: {}, file: {}, filePath: 'config.json' };
  const host = (over: object) => settleOrigins({ ...base, ...over }).find(({ id }) => id === 'host');
  test('flag, variable, file, OLLAMA_HOST, default, in that order', () => {
    const all = {
      flags: { host: 'a' },
      env: { GEMMA_PROVISION_HOST: 'b', OLLAMA_HOST: 'd' },
      file: { host: 'c' },
    };
    expect(host(all)).toEqual({
      id: 'host',
      value: 'a',
      source: '--host',
      overruled: ['GEMMA_PROVISION_HOST', 'config.json', 'OLLAMA_HOST'],
    });
    expect(host({ ...all, flags: {} })).toMatchObject({ value: 'b', source: 'GEMMA_PROVISION_HOST' });
    expect(host({ env: { OLLAMA_HOST: 'd' }, file: { host: 'c' } })).toMatchObject({
      value: 'c',
      source: 'config.json',
    });
    expect(host({ env: { GEMMA_PROVISION_HOST: '', OLLAMA_HOST: 'd' } })).toMatchObject({
      value: 'd',
      source: 'OLLAMA_HOST',
    });
    expect(host({})).toMatchObject({ value: '127.0.0.1:11434', source: 'default', overruled: [] });
  });
  test('lists are joined, credentials hidden, values of other types left out', () => {
    const settings = settleOrigins({
      ...base,
      flags: { host: 'http://u:p@h' },
      file: { catalog: ['a', 'b'], runtime: 7 },
    });
    expect(settings.find(({ id }) => id === 'host')?.value).toBe('http://***@h');
    expect(settings.find(({ id }) => id === 'catalog')?.value).toBe('a, b');
    expect(settings.find(({ id }) => id === 'runtime')).toMatchObject({ value: 'auto', source: 'default' });
  });
});

describe('subject', () => {
  const { family, model } = familyOf([
    ['q8_0', { fileBytes: 80 }],
    ['q4_k_m', { tensorBytes: 40 }],
    ['q2_k', { sizeGiB: 1 / 1024 ** 3 }],
    ['f16', {}],
  ]);
  test('the smallest and a middle quant, by the best size that is known', () => {
    expect(subjectOf(family, model, undefined, false)).toMatchObject({
      label: 'm',
      smallest: { quant: 'q2_k', bytes: 1 },
      typical: { quant: 'q4_k_m', bytes: 40 },
    });
  });
  test('a named quant is both', () => {
    expect(subjectOf(family, model, model.quants[0], true)).toMatchObject({
      label: 'm:q8_0',
      smallest: { quant: 'q8_0', bytes: 80 },
      typical: { quant: 'q8_0', bytes: 80 },
    });
    expect(subjectOf(family, model, model.quants[3], true)).toBeUndefined();
  });
});

describe('the table', () => {
  const title = 'x';
  const checks = [
    { id: 'server', title, status: 'ok' as const, detail: 'Ollama answers.' },
    { id: 'a', title, status: 'skipped' as const, detail: 'No server.' },
    {
      id: 'proxy',
      title,
      status: 'warning' as const,
      detail: 'A proxy \u001b[31mstands there.',
      remedy: 'Do this.\nOr that.',
    },
    { id: 'b', title, status: 'skipped' as const, detail: 'No server.' },
    { id: 'c', title, status: 'problem' as const, detail: 'word '.repeat(30).trim(), remedy: 'Go.' },
  ];
  test('marks, remedies, what was skipped for one reason in one place', () => {
    expect(doctorText({ checks, settings: [] }, { color: false, columns: 60 })).toMatchInlineSnapshot(`
      "✓ server  Ollama answers.
      - skipped  a, b: No server.
      ! proxy   A proxy stands there.
                → Do this.
                → Or that.
      ✗ c       word word word word word word word word word word
                word word word word word word word word word word
                word word word word word word word word word word
                → Go.

      1 ok, 1 warning, 1 problem, 2 skipped"
    `);
  });
  test('colours only where they are wanted', () => {
    expect(doctorText({ checks, settings: [] }, { color: true, columns: 60 })).toContain('\u001b[31m✗');
  });
});
