import { describe, expect, test } from 'vitest';
import { compareModelfiles, expectedModelfiles } from '../../../src/modelfile/generate.ts';
import { chatTemplateOf, loadTemplates, modelfileTemplateOf } from '../../../src/modelfile/templates.ts';
import { memoryDisk } from '../../helpers/disk.ts';
import { family, shippedTemplates } from './family.ts';

const templates = shippedTemplates();

describe('expectedModelfiles', () => {
  test('has one file for every model and quant', () => {
    expect([...expectedModelfiles([family()], templates).keys()]).toEqual([
      'modelfiles/gemma-9/e4b-q4_k_m.Modelfile',
      'modelfiles/gemma-9/e4b-q8_0.Modelfile',
      'modelfiles/gemma-9/gemma-q4_0.Modelfile',
    ]);
  });

  test("a family's own Modelfile template goes before the default one", () => {
    const own = {
      name: 'templates/gemma-9.modelfile.hbs',
      text: `# mine\n${modelfileTemplateOf(templates, 'x').text}`,
    };
    const both = { ...templates, modelfiles: new Map([...templates.modelfiles, ['gemma-9', own]]) };
    for (const text of expectedModelfiles([family()], both).values()) expect(text).toMatch(/^# mine\n/);
    const [other] = expectedModelfiles([family({ id: 'other' })], both).values();
    expect(other).not.toMatch(/^# mine\n/);
  });

  test('two models that give one file name are refused', () => {
    const [one] = family().models;
    expect(() => expectedModelfiles([family({ models: [one, one] })], templates)).toThrow(
      expect.objectContaining({ code: 'bad-catalog' }),
    );
  });

  test('an unknown chat template gets the nearest name', () => {
    expect(() => expectedModelfiles([family({ chatTemplate: 'gema' })], templates)).toThrow(
      expect.objectContaining({ code: 'bad-template', suggestions: ['Did you mean gemma?', 'Known: gemma.'] }),
    );
  });

  test('no Modelfile template at all is an error', () => {
    expect(() => modelfileTemplateOf({ ...templates, modelfiles: new Map() }, 'gemma-9')).toThrow(
      'nor a default template',
    );
  });
});

describe('compareModelfiles', () => {
  const expected = new Map([
    ['a', 'one\ntwo\n'],
    ['b', 'x'],
    ['c', 'same'],
  ]);

  test('says nothing of what is in step', () => {
    expect(compareModelfiles(expected, new Map(expected))).toEqual([]);
  });

  test('names what is out of step with the first line, what is missing and what is orphaned', () => {
    const actual = new Map([
      ['a', 'one\nTWO\n'],
      ['c', 'same'],
      ['z', ''],
    ]);
    expect(compareModelfiles(expected, actual)).toEqual([
      { kind: 'out-of-step', path: 'a', detail: 'line 2: expected "two", found "TWO"' },
      { kind: 'missing', path: 'b', detail: 'the file does not exist' },
      { kind: 'orphan', path: 'z', detail: 'the catalog does not contain this model and quant' },
    ]);
  });

  test.each([
    ['one\ntwo', 'line 3: expected "", found the end of the file'],
    ['one\ntwo\n\n', 'line 4: expected the end of the file, found ""'],
    ['one\r\ntwo\n', 'line 1: expected "one", found "one\\r"'],
  ])('sees the end of the file in %j', (found, detail) => {
    expect(compareModelfiles(new Map([['a', 'one\ntwo\n']]), new Map([['a', found]]))[0]?.detail).toBe(detail);
  });
});

describe('loadTemplates', () => {
  const disk = memoryDisk({
    '/root/templates/default.modelfile.hbs': 'FROM x\r\n',
    '/root/templates/README.md': 'no template',
    '/root/templates/chat/gemma.gotmpl': 'a\r\nb\n',
  });

  test('reads both folders, and line ends of any checkout give the same text', async () => {
    const loaded = await loadTemplates(disk, '/root');
    expect(loaded.modelfiles).toEqual(
      new Map([['default', { name: 'templates/default.modelfile.hbs', text: 'FROM x\n' }]]),
    );
    expect(chatTemplateOf(loaded, 'gemma')).toBe('a\nb\n');
  });
});
