import { afterEach, describe, expect, test } from 'vitest';
import { serverFacts } from '../../../../src/compat/lookup.ts';
import { digestOf } from '../../../../src/core/digest.ts';
import { drive } from '../../../../src/core/progress.ts';
import { parseModelfile } from '../../../../src/modelfile/parse.ts';
import { createModel } from '../../../../src/runtimes/ollama/create.ts';
import { parseHost } from '../../../../src/runtimes/ollama/host.ts';
import { modelfileText } from '../../../../src/runtimes/ollama/legacy.ts';
import { plainHttp } from '../../../helpers/http.ts';
import { serve, type TestServer } from '../../../helpers/http-server.ts';
import { specOf } from '../../../helpers/runtime-fakes.ts';

const digest = digestOf('file');
const SPEC = {
  ...specOf({
    template: '{{- range .Messages }}<start_of_turn>{{ .Role }}\n{{ .Content }}<end_of_turn>\n{{ end }} "x"\n',
    parameters: { stop: ['<end_of_turn>', ' a b '], temperature: 0.7, num_ctx: 4096, use_mmap: false },
  }),
  license: 'Line one\n\n# not a comment\nFROM evil\n',
};

let server: TestServer | undefined;
afterEach(async () => {
  await server?.close();
  server = undefined;
});

describe('the Modelfile of servers before 0.5.5', () => {
  test('reads back exactly', () => {
    const text = modelfileText(digest, { ...SPEC, system: 'Be brief.' });
    expect(text.startsWith(`FROM @${digest}\n`)).toBe(true);
    expect(parseModelfile(text).map(({ line: _, ...command }) => command)).toEqual([
      { name: 'from', value: `@${digest}` },
      { name: 'template', value: SPEC.template },
      { name: 'system', value: 'Be brief.' },
      { name: 'parameter', key: 'stop', value: '<end_of_turn>' },
      { name: 'parameter', key: 'stop', value: ' a b ' },
      { name: 'parameter', key: 'temperature', value: '0.7' },
      { name: 'parameter', key: 'num_ctx', value: '4096' },
      { name: 'parameter', key: 'use_mmap', value: 'false' },
      { name: 'license', value: SPEC.license },
    ]);
  });

  test.each([
    ['a licence that ends the value', { license: 'a"""\nFROM evil' }],
    ['a NUL', { system: 'a\0b' }],
    ['a character that the parser drops', { template: 'a\u200bb {{ .Prompt }}' }],
    ['a parameter that is no word', { parameters: { 'a b': 1 } }],
    ['a parameter with a line end', { parameters: { 'a\nFROM x': 1 } }],
  ])('refuses %s', (_, change) => {
    expect(() => modelfileText(digest, { ...SPEC, ...change })).toThrow(
      expect.objectContaining({ code: 'bad-template' }),
    );
  });

  test('names a way out that exists', () => {
    expect(() => modelfileText(digest, { ...SPEC, license: 'a"""\n' })).toThrow(
      expect.objectContaining({
        message: expect.stringContaining('only as Modelfile text'),
        suggestions: expect.arrayContaining([expect.stringContaining('0.5.5')]),
      }),
    );
  });

  test('is sent only to them', async () => {
    const bodies: unknown[] = [];
    server = await serve((request, response) => {
      let text = '';
      request.on('data', (piece: Buffer) => {
        text += piece.toString();
      });
      request.on('end', () => {
        bodies.push(JSON.parse(text));
        response.end('{"status":"success"}\n');
      });
    });
    const connection = { host: parseHost(server.url), http: plainHttp, reconnectMs: 10_000 };
    for (const version of ['0.5.4', '0.5.5']) {
      const request = { name: 'm:t', digest, spec: SPEC };
      await drive(createModel(connection, request, serverFacts(version), new AbortController().signal), () => {});
    }
    expect(bodies).toEqual([
      { model: 'm:t', name: 'm:t', stream: true, modelfile: modelfileText(digest, SPEC) },
      {
        model: 'm:t',
        name: 'm:t',
        stream: true,
        files: { 'model.gguf': digest },
        template: SPEC.template,
        parameters: SPEC.parameters,
        license: SPEC.license,
      },
    ]);
  });
});
