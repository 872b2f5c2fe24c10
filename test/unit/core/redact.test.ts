import { describe, expect, test } from 'vitest';
import {
  redact,
  redactReference,
  redactShapes,
  secretsOfAddress,
  secretsOfArguments,
  secretsOfEnvironment,
} from '../../../src/core/redact.ts';

describe('row 42: what looks like a secret', () => {
  test.each([
    ['https://user:pa55word@host/x', 'https://***@host/x'],
    ['https://hf_tokentoken@host/x', 'https://***@host/x'],
    ['got https://a:b@c@host/x and http://d:e@f', 'got https://***@host/x and http://***@f'],
    ['https://host/x.gguf?X-Amz-Signature=deadbeef&part=1', 'https://host/x.gguf?X-Amz-Signature=***&part=1'],
    [
      'https://host/x?X-Amz-Credential=AK%2F1&X-Amz-Security-Token=abc#frag',
      'https://host/x?X-Amz-Credential=***&X-Amz-Security-Token=***#frag',
    ],
    ['https://host/x?Policy=p1&Signature=s1&Key-Pair-Id=k1', 'https://host/x?Policy=***&Signature=***&Key-Pair-Id=***'],
    ['https://host/x?sv=1&sig=abc%3D', 'https://host/x?sv=1&sig=***'],
    ['https://host/x?access_token=abc&token=def&api_key=ghi', 'https://host/x?access_token=***&token=***&api_key=***'],
    ['Authorization: Bearer abc.def-ghi', 'Authorization: ***'],
    ['{"authorization":"Basic dXNlcjpwYXNz"}', '{"authorization":"***"}'],
    ['proxy-authorization=Basic dXNlcjpwYXNz', 'proxy-authorization=***'],
    ['WWW said Bearer abcdefgh', 'WWW said Bearer ***'],
    ['token hf_abcdefghijkl is expired', 'token *** is expired'],
    ['ghp_abcdefghijkl, glpat-abcdefghijkl', '***, ***'],
    ['eyJhbGciOiJIUzI1.eyJzdWIiOiIxMjM0.c2lnbmF0dXJl', '***'],
  ])('%s', (text, expected) => {
    const told = redactShapes(text).replace(/(authorization["']?\s*[:=]\s*["']?)[a-z]+ \*\*\*/i, '$1***');
    expect(told).toBe(expected);
    expect(redactShapes(redactShapes(text))).toBe(redactShapes(text));
  });

  test.each([
    'http://127.0.0.1:11434 does not answer',
    'https://host/x.gguf?download=true&expires=1',
    'hf:owner/repo@main/file.gguf',
    'oci:host:5000/repo@sha256:0123456789abcdef',
    'mail to someone@example.org',
    'the key of the model is 4096 tokens; a basic check',
    'gemma-3n-e4b:q5_k_m',
    '/home/me/.ssh/key.pem',
  ])('%s is left as it is', (text) => {
    expect(redactShapes(text)).toBe(text);
  });
});

describe('row 42: what is known to be a secret', () => {
  test('as it is, in JSON and in an address', () => {
    const secrets = ['pa"ss/w\\rd', 'pa"ss'];
    const text = `1 pa"ss/w\\rd 2 ${JSON.stringify('pa"ss/w\\rd')} 3 ${encodeURIComponent('pa"ss/w\\rd')} 4 pa"ss`;
    expect(redact(text, secrets)).toBe('1 *** 2 "***" 3 *** 4 ***');
  });

  test('what is too short to be one is left', () => {
    expect(redact('pw is pw', ['pw', ''])).toBe('pw is pw');
  });

  test('of the environment', () => {
    const found = secretsOfEnvironment({
      HF_TOKEN: 'plain-token-value',
      MY_PASSPHRASE: 'open sesame',
      OLLAMA_HOST: 'me:hunter2@server:11434',
      https_proxy: 'http://proxy:pr0xypw@p:3128',
      MIRROR: 'https://tok3n@mirror/x',
      SSH_AUTH_SOCK: '/tmp/agent.1',
      OPENAI_API_KEY: 'ollama',
      AUTHOR: 'somebody well known',
      PATH: '/usr/bin',
      EMPTY_TOKEN: undefined,
    });
    expect(found).toEqual(
      expect.arrayContaining(['plain-token-value', 'open sesame', 'hunter2', 'pr0xypw', 'tok3n', btoa('me:hunter2')]),
    );
    expect(found).not.toContain('/tmp/agent.1');
    expect(found).not.toContain('ollama');
    expect(found).not.toContain('somebody well known');
  });

  test('of the arguments; a revision is no password', () => {
    const argv = [
      '--host',
      'u:hostpw@h',
      '--host=v:otherpw@h',
      '--from',
      'hf:o/r@main/f.gguf',
      '--x=https://a:b%40c@h/',
    ];
    const found = secretsOfArguments([...argv, 'https://solo@h/x']);
    expect(found).toEqual(expect.arrayContaining(['hostpw', 'otherpw', 'b@c', 'b%40c', 'solo']));
    expect(found.join(' ')).not.toContain('o/r');
  });

  test('an address without one has none', () => {
    expect(secretsOfAddress('http://127.0.0.1:11434')).toEqual([]);
    expect(secretsOfAddress('u:%E0%A4%A@h')).toContain('%E0%A4%A');
  });

  test('references for records', () => {
    expect(redactReference('https://u:p@h/x.gguf?X-Amz-Signature=1')).toBe('https://***@h/x.gguf?X-Amz-Signature=***');
  });
});
