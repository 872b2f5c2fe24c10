import { describe, expect, test } from 'vitest';
import { goesThroughProxyInGo, proxyFor } from '../../../src/net/proxies.ts';

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
