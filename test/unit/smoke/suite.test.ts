import { join, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { realDisk, type TextFiles } from '../../../src/disk/disk.ts';
import { type Evidence, findObjection } from '../../../src/smoke/judges.ts';
import type { Check } from '../../../src/smoke/schema.ts';
import { loadBuiltInSuite, loadSuiteFile, suiteIds } from '../../../src/smoke/suite.ts';
import { UNCAGED } from '../../helpers/cage.ts';
import { memoryDisk } from '../../helpers/disk.ts';

const folder = resolve(import.meta.dirname, '../../../catalog/suites');
const disk = realDisk;
const CHECK: Check = {
  id: 'a',
  level: 'loads',
  title: 'A',
  messages: [{ role: 'user', content: 'Hello' }],
  judges: [],
};

const SUITES = ['base', 'gemma', 'gemma-4', 'gemma-deep', 'tiny-gemma-3n', 'tiny-gemma-3n-deep'];
const EVIDENCE: Evidence = { text: '', endedBy: 'stop', answerTokens: 1, templateMarkers: [], mayRunOn: false };

function scriptsOf(checks: readonly Check[]): Set<string> {
  const judges = checks.flatMap((check) => check.judges);
  return new Set(judges.flatMap((judge) => (judge.kind === 'script' ? [judge.script] : [])));
}

function fileWith(content: unknown): TextFiles {
  const text = typeof content === 'string' ? content : JSON.stringify(content);
  return memoryDisk({ 'mine.json': text });
}

function suite(check: object, more: object[] = []): object {
  return { schemaVersion: 1, id: 'mine', title: 'Mine', checks: [{ ...CHECK, ...check }, ...more] };
}

describe('the suites of the catalog', () => {
  test('are those that the models need, and the deeper ones beside them', async () => {
    expect(await suiteIds(disk, folder)).toEqual(SUITES);
  });

  test.each(SUITES)('%s is valid, begins with loading and bounds every answer', async (id) => {
    const loaded = await loadBuiltInSuite(disk, folder, id, UNCAGED);
    expect(loaded.id).toBe(id);
    expect(loaded.checks[0]?.level).toBe('loads');
    expect(loaded.checks.every((check) => (check.maxTokens ?? 0) > 0)).toBe(true);
  });

  test.each(['base', 'gemma', 'tiny-gemma-3n'])('%s asks for more than one answer', async (id) => {
    const { checks } = await loadBuiltInSuite(disk, folder, id, UNCAGED);
    expect(checks.filter((check) => check.level === 'answers').length).toBeGreaterThan(1);
  });

  test.each(['gemma', 'tiny-gemma-3n'])(
    '%s has what an install can bear, and nothing that costs minutes',
    async (id) => {
      const { checks } = await loadBuiltInSuite(disk, folder, id, UNCAGED);
      const levels = new Set(checks.map((check) => check.level));
      for (const level of ['loads', 'answers', 'stops', 'obeys', 'repeats', 'formats', 'knows', 'speaks'] as const)
        expect(levels).toContain(level);
      expect(checks.filter(({ fill, timing }) => fill ?? timing)).toEqual([]);
      expect(checks.some((check) => check.messages[0]?.role === 'system')).toBe(true);
      expect(checks.some((check) => check.messages.some((message) => message.role === 'assistant'))).toBe(true);
      expect(scriptsOf(checks).size).toBeGreaterThan(1);
    },
  );

  test.each(['gemma-deep', 'tiny-gemma-3n-deep'])('%s fills the context and measures', async (id) => {
    const { checks } = await loadBuiltInSuite(disk, folder, id, UNCAGED);
    expect(checks.filter(({ fill }) => fill)).toHaveLength(2);
    expect(checks.filter(({ timing }) => timing)).toHaveLength(1);
    expect(checks.filter(({ level }) => level === 'sees')).toHaveLength(1);
  });

  test('gemma and gemma-deep speak at least twelve languages in as many scripts', async () => {
    for (const id of ['gemma', 'gemma-deep']) {
      const { checks } = await loadBuiltInSuite(disk, folder, id, UNCAGED);
      expect(checks.filter(({ level }) => level === 'speaks').length).toBeGreaterThanOrEqual(12);
      expect(scriptsOf(checks).size).toBeGreaterThanOrEqual(12);
    }
  });

  test('an install of a Gemma is not taken back for what a small quant or a server may lack', async () => {
    const { checks } = await loadBuiltInSuite(disk, folder, 'gemma', UNCAGED);
    const beside = checks.filter(({ level }) => ['repeats', 'formats', 'speaks', 'sees'].includes(level));
    expect(beside.filter(({ advisory }) => advisory !== true)).toEqual([]);
  });

  test('the questions in every language are in its own script', async () => {
    for (const id of ['gemma', 'gemma-deep']) {
      for (const { messages, judges } of (await loadBuiltInSuite(disk, folder, id, UNCAGED)).checks)
        for (const judge of judges)
          if (judge.kind === 'script')
            expect(findObjection(judge, { ...EVIDENCE, text: messages[0]?.content ?? '' })).toBeUndefined();
    }
  });

  test('pictures are PNG files', async () => {
    for (const id of ['gemma', 'gemma-deep', 'tiny-gemma-3n-deep']) {
      const { checks } = await loadBuiltInSuite(disk, folder, id, UNCAGED);
      const pictures = checks.flatMap(({ messages }) => messages.flatMap(({ images }) => images ?? []));
      expect(pictures).toHaveLength(1);
      const bytes = Buffer.from(pictures[0] ?? '', 'base64');
      expect(bytes.subarray(1, 4).toString()).toBe('PNG');
      expect([bytes.readUInt32BE(16), bytes.readUInt32BE(20)]).toEqual([256, 256]);
    }
  });

  test('the sound of Gemma 4’s suite is a WAV file of one channel at 16 kHz', async () => {
    const { checks } = await loadBuiltInSuite(disk, folder, 'gemma-4', UNCAGED);
    const sounds = checks.flatMap(({ messages }) => messages.flatMap((message) => message.sounds ?? []));
    expect(sounds).toHaveLength(1);
    const bytes = Buffer.from(sounds[0] ?? '', 'base64');
    expect([bytes.subarray(0, 4).toString(), bytes.subarray(8, 12).toString()]).toEqual(['RIFF', 'WAVE']);
    expect([bytes.readUInt16LE(22), bytes.readUInt32LE(24)]).toEqual([1, 16_000]);
  });

  test('an unknown id gets the nearest one', async () => {
    await expect(loadBuiltInSuite(disk, folder, 'gema', UNCAGED)).rejects.toMatchObject({
      code: 'file-not-found',
      suggestions: expect.arrayContaining(['Did you mean gemma?', expect.stringContaining('--suite')]),
    });
    await expect(loadBuiltInSuite(disk, folder, join('..', 'gemma-3n'), UNCAGED)).rejects.toMatchObject({
      code: 'file-not-found',
    });
  });
});

const USER = (content: string): object => ({ messages: [{ role: 'user', content }] });

describe('a suite of the user', () => {
  test('is read from its file', async () => {
    expect(await loadSuiteFile(fileWith(suite({})), 'mine.json', UNCAGED)).toEqual(suite({}));
  });

  test('may use every way of running a check', async () => {
    const ways = [
      { id: 'b', repeat: 3 },
      { id: 'c', ...USER('Read this:{filler}'), fill: { text: ' word', upTo: 0.5, atMost: 100 } },
      { id: 'd', format: { type: 'object' }, judges: [{ kind: 'json', advisory: true }] },
      { id: 'e', timing: 'cold-and-warm' },
      { id: 'f', messages: [{ role: 'user', content: 'What is this?', images: ['aGk='] }] },
    ].map((way) => ({ ...CHECK, ...way }));
    expect(await loadSuiteFile(fileWith(suite({}, ways)), 'mine.json', UNCAGED)).toEqual(suite({}, ways));
  });

  test('that is not there, or cannot be read', async () => {
    await expect(loadSuiteFile(fileWith({}), 'other.json', UNCAGED)).rejects.toMatchObject({ code: 'file-not-found' });
    const refusing = { ...disk, readText: () => Promise.reject(new Error('EISDIR: is a directory')) };
    await expect(loadSuiteFile(refusing, 'mine.json', UNCAGED)).rejects.toMatchObject({
      code: 'file-access',
      message: expect.stringContaining('EISDIR'),
    });
  });

  test.each<[string, unknown, string]>([
    ['no JSON', '{', 'not JSON'],
    ['no checks', { schemaVersion: 1, id: 'a', title: 'A', checks: [] }, 'checks:'],
    ['a newer version', { ...suite({}), schemaVersion: 2 }, 'schemaVersion:'],
    ['an unknown level', suite({ level: 'sings' }), 'checks[0].level:'],
    ['a mistyped field', suite({ remdy: 'x' }), 'did you mean remedy?'],
    ['an unknown judge', suite({ judges: [{ kind: 'feels' }] }), 'checks[0].judges[0].kind:'],
    ['a judge without its field', suite({ judges: [{ kind: 'exactly' }] }), 'checks[0].judges[0].text:'],
    [
      'a script that does not exist',
      suite({ judges: [{ kind: 'script', script: 'Klingon' }] }),
      'checks[0].judges[0].script:',
    ],
    ['an empty word', suite({ judges: [{ kind: 'mentions', anyOf: [' '] }] }), 'checks[0].judges[0].anyOf:'],
    ['an id used twice', suite({}, [CHECK]), 'checks[1].id:'],
    ['nothing asked', suite({ messages: [{ role: 'system', content: 'Be brief.' }] }), 'checks[0].messages:'],
    ['a bad bound', suite({ maxTokens: 0 }), 'checks[0].maxTokens:'],
    ['an empty word that must be missing', suite({ judges: [{ kind: 'lacks', noneOf: [''] }] }), 'judges[0].noneOf:'],
    ['JSON judged without a schema', suite({ judges: [{ kind: 'json' }] }), 'checks[0].judges[0]: the judge json'],
    ['a schema of no known type', suite({ format: { type: 'nothing' } }), 'checks[0].format: cannot be used'],
    ['a schema that is a list', suite({ format: [] }), 'checks[0].format:'],
    ['a schema with a lost reference', suite({ format: { $ref: '#/x' } }), 'checks[0].format: cannot be used'],
    ['one repetition', suite({ repeat: 1 }), 'checks[0].repeat:'],
    ['filler without a place', suite({ fill: { text: ' a', upTo: 0.9 } }), 'checks[0].messages: a check with fill'],
    [
      'filler in two places',
      suite({ ...USER('{filler} and {filler}'), fill: { text: ' a', upTo: 0.9 } }),
      'not 2 times',
    ],
    ['filler over the brim', suite({ ...USER('{filler}'), fill: { text: ' a', upTo: 1.1 } }), 'checks[0].fill.upTo:'],
    ['empty filler', suite({ ...USER('{filler}'), fill: { text: '', upTo: 0.9 } }), 'checks[0].fill.text:'],
    [
      'two ways at once',
      suite({ repeat: 2, timing: 'cold-and-warm' }),
      'checks[0].timing: cannot be combined with repeat',
    ],
    ['an unknown timing', suite({ timing: 'hot' }), 'checks[0].timing:'],
    [
      'a picture that is a path',
      suite({ messages: [{ role: 'user', content: 'a', images: ['a.png'] }] }),
      'images[0]:',
    ],
    ['no picture in the list', suite({ messages: [{ role: 'user', content: 'a', images: [] }] }), 'images:'],
  ])('%s', async (_, content, part) => {
    await expect(loadSuiteFile(fileWith(content), 'mine.json', UNCAGED)).rejects.toMatchObject({
      code: 'bad-suite',
      exitCode: 16,
      message: expect.stringContaining(part),
    });
  });
});
