import { describe, expect, test } from 'vitest';
import { TimeoutError } from '../../../../src/net/http.ts';
import {
  cleanText,
  failureOf,
  IncompleteStream,
  meaningOf,
  ServerError,
  UnreadableReply,
} from '../../../../src/runtimes/ollama/server-errors.ts';

const context = { doing: 'creating m:t', endpoint: 'http://h:11434' };

/** Texts of real servers, from the recorded exchanges, the server's source and its issue threads. */
const TEXTS = [
  [
    'llama runner process has terminated: this model is not supported by your version of Ollama. You may need to upgrade',
    500,
    'runtime-too-old',
  ],
  [
    "llama runner process has terminated: signal: abort trap error:error loading model architecture: unknown model architecture: 'gemma2'",
    500,
    'runtime-too-old',
  ],
  [
    'pull model manifest: 412: {"errors":[{"code":"UNSUPPORTED","message":"The model you are attempting to pull requires a newer version of Ollama."}]}',
    200,
    'runtime-too-old',
  ],
  ['unsupported architecture "Gemma9ForCausalLM"', 500, 'runtime-too-old'],
  ['write /models/blobs/sha256-1: no space left on device', 200, 'disk-full'],
  ['write C:\\models\\blobs: There is not enough space on the disk.', 200, 'disk-full'],
  ['model requires more system memory (9.1 GiB) than is available (2.0 GiB)', 500, 'memory-short'],
  ['llama runner process has terminated: cudaMalloc failed: out of memory', 500, 'memory-short'],
  ['server busy, please try again.  maximum pending requests exceeded', 503, 'runtime-refused'],
  ['digest mismatch, expected "sha256:0", got "sha256:1"', 400, 'digest-mismatch'],
  [
    'failed to validate GGUF with llama-quantize without compatibility patches: llama-quantize unavailable: not found',
    500,
    'runtime-missing',
  ],
  [
    'failed to validate GGUF with llama-quantize without compatibility patches: llama-quantize failed: exit status 1',
    200,
    'bad-gguf',
  ],
  ['invalid file magic', 200, 'bad-gguf'],
  ['template error: template: :1: unclosed action', 200, 'bad-template'],
  ['invalid model name', 400, 'bad-name'],
  ['option "num_ctx" must be of type integer', 500, 'bad-usage'],
  ["unknown parameter 'max_tokens'", 200, 'bad-usage'],
  ['the input length exceeds the context length', 400, 'bad-usage'],
  [
    '{"error":{"code":400,"message":"request (2002 tokens) exceeds the available context size (512 tokens)"}}',
    400,
    'bad-usage',
  ],
  ['Multimodal data provided, but model does not support multimodal requests.', 400, 'runtime-refused'],
  ['pull model manifest: file does not exist', 200, 'source-not-found'],
  ['pull model manifest: Get "http://h/v2/x": dial tcp 127.0.0.1:1: connect: connection refused', 200, 'network'],
  ["model 'nobody:t' not found", 404, 'model-not-found'],
  ['llama-server process has terminated: signal: killed', 500, 'runtime-died'],
  ['unable to load model: /usr/share/ollama/.ollama/models/blobs/sha256-06', 500, 'runtime-refused'],
  ["neither 'from' or 'files' was specified", 400, 'runtime-refused'],
  ['404 page not found', 404, 'runtime-too-old'],
  ['405 method not allowed', 405, 'runtime-too-old'],
  ['', 403, 'runtime-refused'],
  ['', 401, 'unauthorised'],
  ['', 412, 'runtime-too-old'],
  ['Bad Gateway', 502, 'runtime-refused'],
  ['EOF', 500, 'runtime-refused'],
] as const;

describe('what a server says', () => {
  test.each(TEXTS)('%s (%i) means %s', (text, status, code) => {
    const error = failureOf(new ServerError(status, text), context);
    expect(error.code).toBe(code);
    expect(error.message).toContain('creating m:t');
    expect(error.message).toContain(text === '' ? String(status) : text);
    expect(error.suggestions.length).toBeGreaterThan(0);
  });

  test('counts for nothing while nobody knows who says it', () => {
    expect(meaningOf(new ServerError(500, 'no space left on device'), true).code).toBe('runtime-not-ollama');
  });
});

describe('what a connection does', () => {
  const errno = (code: string) => Object.assign(new Error(code), { code });

  test.each([
    ['ECONNREFUSED', 'runtime-unreachable'],
    ['ENOTFOUND', 'runtime-unreachable'],
    ['EHOSTUNREACH', 'runtime-unreachable'],
    ['ETIMEDOUT', 'runtime-unreachable'],
    ['ECONNRESET', 'runtime-died'],
    ['EPIPE', 'runtime-died'],
    ['HPE_INVALID_CONSTANT', 'runtime-not-ollama'],
    ['ERR_SSL_WRONG_VERSION_NUMBER', 'runtime-not-ollama'],
    ['DEPTH_ZERO_SELF_SIGNED_CERT', 'runtime-unreachable'],
    ['CERT_HAS_EXPIRED', 'runtime-unreachable'],
    ['ERR_SOMETHING_ELSE', 'bug'],
  ])('%s means %s', (code, meaning) => {
    expect(failureOf(errno(code), context).code).toBe(meaning);
  });

  test('a host that does not exist is called that', () => {
    expect(failureOf(errno('ENOTFOUND'), context).message).toContain('no host of that name is known');
  });

  test('both addresses of localhost refuse', () => {
    const both = new AggregateError([errno('ECONNREFUSED'), errno('ECONNREFUSED')]);
    expect(failureOf(both, context).code).toBe('runtime-unreachable');
  });

  test('a reset while asking who is there is no death of a server', () => {
    expect(failureOf(errno('ECONNRESET'), { ...context, probing: true }).code).toBe('runtime-not-ollama');
  });

  test('silence, noise and a stream cut short have their own codes', () => {
    expect(failureOf(new TimeoutError(90_000, 'byte'), context).message).toContain('1 m 30 s');
    expect(failureOf(new TimeoutError(90_000, 'connection'), context).code).toBe('runtime-unreachable');
    expect(failureOf(new UnreadableReply('noise'), context).code).toBe('runtime-not-ollama');
    expect(failureOf(new IncompleteStream('cut'), context).code).toBe('runtime-died');
  });

  test('an abort wins over what it caused', () => {
    const signal = AbortSignal.abort();
    expect(failureOf(errno('ECONNRESET'), { ...context, signal }).code).toBe('interrupted');
  });
});

describe('cleaned', () => {
  test.each([
    ['  a\n\tb  ', 'a b'],
    ['\u001b[31mred\u001b[0m', 'red'],
    ['a\u0000b\u0007c', 'a b c'],
    ['evil\u202egpj', 'evil gpj'],
    ['a\u200bb', 'a b'],
    ['lone \ud800 half', 'lone half'],
    ['<!DOCTYPE html><html><head><style>p{}</style></head><body><p>No  entry</p></body></html>', 'No entry'],
    ['expected <bos> before <start_of_turn>', 'expected <bos> before <start_of_turn>'],
  ])('%j becomes %j', (text, clean) => {
    expect(cleanText(text)).toBe(clean);
  });

  test('cuts long text', () => {
    expect(cleanText('x'.repeat(100_000))).toHaveLength(400);
  });

  test.each([
    ['tags that are not closed', '<html>', '<'],
    ['scripts that are not closed', '<html>', '<script>'],
    ['escapes that are not closed', '', '\x1b[0'],
  ])('a MiB of %s is cleaned in one pass', (_, start, piece) => {
    expect(cleanText(start + piece.repeat(2 ** 20)).length).toBeLessThanOrEqual(400);
  });

  test('the words of a page stay, its scripts, styles and tags go', () => {
    const page = '<html><style>b{}</style><SCRIPT>if (a<b) x()</SCRIPT ><h1 a="x">502 Bad</h1><p>Gateway <b';
    expect(cleanText(page)).toBe('502 Bad Gateway');
  });
});
