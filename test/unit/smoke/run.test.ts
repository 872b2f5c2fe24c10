import { describe, expect, test } from 'vitest';
import { ProvisionError } from '../../../src/core/errors.ts';
import { drive, type ProgressEvent } from '../../../src/core/progress.ts';
import type { ChatResult, Runtime } from '../../../src/runtimes/contract.ts';
import { runSuite } from '../../../src/smoke/run.ts';
import { type Judge, Level, type SmokeResult, type Suite } from '../../../src/smoke/schema.ts';
import { openCage } from '../../helpers/cage.ts';
import { never } from '../../helpers/failure.ts';
import { chatOf, check, suiteOf } from './support.ts';

function run(
  suite: Suite,
  chat: Runtime['chat'],
  signal = never,
  onEvent: (event: ProgressEvent) => void = () => undefined,
): Promise<SmokeResult> {
  const options = { cage: openCage, suite, chat, name: 'm', stop: ['STOP'], templateMarkers: ['<bos>'], signal };
  return drive(runSuite(options), onEvent);
}

const NO = { kind: 'mentions', anyOf: ['no'] } satisfies Judge;

describe('a suite', () => {
  test('asks level by level, without chance and with a bound, and tells every verdict', async () => {
    const chat = chatOf(() => ({ tokensPerSecond: 10 }));
    const events: ProgressEvent[] = [];
    const suite = suiteOf(
      check('d', 'knows'),
      check('c', 'obeys', { maxTokens: 7 }),
      check('b', 'answers'),
      check('a', 'loads'),
    );
    const result = await run(suite, chat, never, (event) => events.push(event));
    expect(chat.asked.map((request) => request.messages[0]?.content)).toEqual(['a', 'b', 'c', 'd']);
    expect(chat.asked[2]).toMatchObject({ name: 'm', options: { temperature: 0, seed: 1, num_predict: 7 } });
    expect(chat.asked[3]?.options?.num_predict).toBe(128);
    expect(result).toMatchObject({ suite: 'test', passed: 4, failed: 0, tokensPerSecond: 10 });
    expect(events.map((event) => event.type === 'check' && [event.id, event.passed])).toEqual([
      ['a', true],
      ['b', true],
      ['c', true],
      ['d', true],
    ]);
    expect(result.checks[1]).toMatchObject({
      detail: 'answered "fine"',
      answer: 'fine',
      advisory: false,
      firstTokenMs: 3,
      tokensPerSecond: 10,
      promptTokens: 4,
    });
    expect(result.skipped).toBe(0);
  });

  test('runs every level in its order', async () => {
    const chat = chatOf(() => ({}));
    const suite = suiteOf(...Level.options.toReversed().map((level) => check(level, level)));
    const { checks } = await run(suite, chat);
    expect(checks.map(({ level }) => level)).toEqual(Level.options);
  });

  test('goes on after a failure, which names what was wrong and what to look at', async () => {
    const suite = suiteOf(
      check('a', 'loads'),
      check('b', 'obeys', { judges: [{ kind: 'exactly', text: 'OK' }], remedy: 'Check the template' }),
      check('c', 'knows'),
    );
    const result = await run(
      suite,
      chatOf(() => ({})),
    );
    expect(result).toMatchObject({ passed: 2, failed: 1 });
    expect(result.checks[1]).toMatchObject({
      passed: false,
      detail: 'expected exactly "OK", got "fine". Check the template',
      answer: 'fine',
    });
  });

  test.each<[string, Partial<ChatResult>, string]>([
    ['empty', { text: ' ' }, 'empty'],
    ['endless', { endedBy: 'length' }, 'did not end'],
    ['with template text', { text: 'hi<bos>' }, '<bos>'],
    ['with a stop string', { text: 'hi STOP' }, 'STOP'],
  ])('judges the form of every answer: %s', async (_, answer, word) => {
    const result = await run(
      suiteOf(check('a', 'answers')),
      chatOf(() => answer),
    );
    expect(result.failed).toBe(1);
    expect(result.checks[0]?.detail).toContain(word);
  });

  test('at level loads any answer will do, and base models may run on', async () => {
    const chat = chatOf(() => ({ endedBy: 'length' }));
    const suite = suiteOf(check('a', 'loads'), check('b', 'answers', { mayRunOn: true }));
    expect(await run(suite, chat)).toMatchObject({ passed: 2, failed: 0 });
  });

  test('a failed advisory check is told and does not count', async () => {
    const suite = suiteOf(check('a', 'knows', { advisory: true, judges: [{ kind: 'mentions', anyOf: ['Wien'] }] }));
    const result = await run(
      suite,
      chatOf(() => ({})),
    );
    expect(result).toMatchObject({ passed: 0, failed: 0 });
    expect(result.checks[0]).toMatchObject({ passed: false, advisory: true });
  });

  test.each<[string, Judge[], object]>([
    ['only an advisory judge objects', [{ ...NO, advisory: true }], { advisory: true, detail: 'expected "no"' }],
    [
      'one that counts objects too',
      [{ ...NO, advisory: true }, { kind: 'number' }],
      { advisory: false, detail: 'expected one number' },
    ],
  ])('%s', async (_, judges, { detail, ...wanted }: { advisory?: boolean; detail?: string }) => {
    const { checks, failed, passed } = await run(
      suiteOf(check('a', 'knows', { judges })),
      chatOf(() => ({})),
    );
    expect(checks[0]).toMatchObject({ passed: false, ...wanted });
    expect(checks[0]?.detail).toContain(detail);
    expect([passed, failed]).toEqual([0, wanted.advisory ? 0 : 1]);
  });

  test('a model that does not load fails the rest without asking', async () => {
    const chat = chatOf(() => new ProvisionError('bad-gguf', 'no model', { cause: new Error('bad magic') }));
    const suite = suiteOf(
      check('b', 'answers', { remedy: 'Look elsewhere' }),
      check('a', 'loads'),
      check('c', 'knows', { advisory: true }),
    );
    const result = await run(suite, chat);
    expect(chat.asked).toHaveLength(1);
    expect(result).toMatchObject({ passed: 0, failed: 2 });
    expect(result.checks.map((each) => each.detail)).toEqual([
      'no answer: no model: bad magic',
      'not run: the check a failed',
      'not run: the check a failed',
    ]);
  });

  test('a remedy follows the end of a sentence once', async () => {
    const chat = chatOf(() => new Error('It is gone.'));
    const { checks } = await run(suiteOf(check('a', 'answers', { remedy: 'Start it' })), chat);
    expect(checks[0]?.detail).toBe('no answer: It is gone. Start it');
  });

  test('a runtime that dies in one check fails that check', async () => {
    const chat = chatOf(({ messages }) =>
      messages[0]?.content === 'b' ? new ProvisionError('runtime-died', 'it died') : {},
    );
    const result = await run(suiteOf(check('a', 'loads'), check('b', 'answers'), check('c', 'knows')), chat);
    expect(result.checks.map((each) => each.passed)).toEqual([true, false, true]);
    expect(result.checks[1]?.detail).toBe('no answer: it died');
  });

  test('an abort ends it with its reason', async () => {
    const controller = new AbortController();
    const reason = new Error('stopped by the user');
    const chat = chatOf(() => {
      controller.abort(reason);
      return new Error('the request was aborted');
    });
    await expect(run(suiteOf(check('a', 'loads'), check('b', 'answers')), chat, controller.signal)).rejects.toBe(
      reason,
    );
    expect(chat.asked).toHaveLength(1);
  });
});
