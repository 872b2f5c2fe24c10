import { describe, expect, test } from 'vitest';
import { serverFacts } from '../../../../src/compat/lookup.ts';
import { digestOf } from '../../../../src/core/digest.ts';
import type { ModelSpec } from '../../../../src/modelfile/schema.ts';
import type { StoredModel } from '../../../../src/runtimes/contract.ts';
import { differencesOf } from '../../../../src/runtimes/ollama/compare.ts';
import { parseParameters } from '../../../../src/runtimes/parameters.ts';
import { specOf } from '../../../helpers/runtime-fakes.ts';

const digest = digestOf('file');
const PARAMETERS = { stop: ['<end_of_turn>', 'b'], temperature: 0.7, num_ctx: 4096, low_vram: true };
const SPEC = { ...specOf({ template: 'T', parameters: PARAMETERS }), license: 'L', system: 'S' };
const STORED: StoredModel = {
  name: 'm:t',
  layerDigest: digest,
  architecture: 'gemma3n',
  template: 'T',
  license: 'L',
  system: 'S',
  parameters: 'low_vram   true\nnum_ctx    4096\nstop   "b"\nstop   "<end_of_turn>"\ntemperature   0.7',
};

function differences(stored: Partial<StoredModel>, spec: Partial<ModelSpec> = {}, version = '0.24.0'): string[] {
  const file = { ref: 'f', path: 'f', sizeBytes: 1 };
  const request = { name: 'm:t', file, architecture: 'gemma3n', spec: { ...SPEC, ...spec } };
  return differencesOf(request, digest, { ...STORED, ...stored }, serverFacts(version));
}

describe('differencesOf', () => {
  test('finds none where there are none', () => {
    expect(differences({})).toEqual([]);
    expect(differences({ parameters: STORED.parameters?.replace('0.7', '0.699999988079071') ?? '' })).toEqual([]);
  });

  test.each<[string, Partial<StoredModel>, string]>([
    ['other bytes', { layerDigest: digestOf('other') }, 'other bytes than were uploaded'],
    ['another architecture', { architecture: 'llama' }, 'reports the architecture as llama'],
    ['no template', { template: '' }, 'stored no template'],
    ['another template', { template: 'Tx' }, 'differs from character 2 on'],
    ['no licence', { license: '' }, 'stored no licence'],
    ['another system text', { system: 'X' }, 'another system text'],
    [
      'a lost stop',
      { parameters: STORED.parameters?.replace('stop   "b"\n', '') ?? '' },
      'parameter stop as "<end_of_turn>", not',
    ],
    [
      'a lost parameter',
      { parameters: STORED.parameters?.replace('num_ctx', 'num_cty') ?? '' },
      'did not store the parameter num_ctx 4096',
    ],
    ['an added parameter', { parameters: `${STORED.parameters}\ntop_k 3` }, 'added the parameter top_k 3'],
    ['another value', { parameters: STORED.parameters?.replace('0.7', '0.8') ?? '' }, 'temperature as 0.8, not 0.7'],
    [
      'a number that became text',
      { parameters: STORED.parameters?.replace('4096', '"4096"') ?? '' },
      'num_ctx as "4096", not 4096',
    ],
  ])('tells of %s', (_, stored, sentence) => {
    const found = differences(stored);
    expect(found.join('\n')).toContain(sentence);
    expect(found.length).toBeLessThanOrEqual(2);
  });

  test('a rewritten file is no fault from 0.30 on', () => {
    const rewritten = { layerDigest: digestOf('other') };
    expect(differences(rewritten, {}, '0.30.0')).toEqual([expect.stringContaining('as Ollama does since 0.30')]);
  });

  test('a Jinja template is named from 0.30 on', () => {
    const jinja = { template: '{{ bos_token }}{% for m in messages %}{% endfor %}' };
    expect(differences(jinja, {}, '0.30.0')).toEqual([expect.stringContaining("file's own Jinja template")]);
    expect(differences(jinja)).toEqual([expect.stringContaining('another template')]);
  });

  test('nothing sent and nothing stored is equal', () => {
    const { license: _l, system: _s, ...bare } = STORED;
    const { system: _, ...spec } = SPEC;
    const file = { ref: 'f', path: 'f', sizeBytes: 1 };
    const request = {
      name: 'm',
      file,
      architecture: 'gemma3n',
      spec: { ...spec, license: '', parameters: { stop: [] } },
    };
    const { parameters: _p, ...shown } = bare;
    expect(differencesOf(request, digest, shown, serverFacts('0.24.0'))).toEqual([]);
  });
});

describe('parseParameters', () => {
  test('reads what Go prints', () => {
    const text = [
      'stop                           "a\\"b\\n\\t\\x00\\u00e9\\\\x41"',
      'stop                           "\\a\\v"',
      'num_ctx                        1e+06',
      'big                            8192',
      'flag                           false',
      'word                           bare',
      '',
    ].join('\n');
    expect([...parseParameters(text)]).toEqual([
      ['stop', ['a"b\n\t\u0000é\\x41', '\u0007\u000b']],
      ['num_ctx', [1_000_000]],
      ['big', [8192]],
      ['flag', [false]],
      ['word', ['bare']],
    ]);
  });
});
