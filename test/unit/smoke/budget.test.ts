import { describe, expect, test } from 'vitest';
import { drive, type ProgressEvent } from '../../../src/core/progress.ts';
import type { ChatResult } from '../../../src/runtimes/contract.ts';
import { runSuite } from '../../../src/smoke/run.ts';
import type { Check, SmokeResult } from '../../../src/smoke/schema.ts';
import { openCage } from '../../helpers/cage.ts';
import { never } from '../../helpers/failure.ts';
import { chatOf, check, suiteOf } from './support.ts';

/** A minute, and a model that answers `answer`, each answer taking `answerMs` of a clock that only it moves. */
async function run(checks: readonly Check[], answer: Partial<ChatResult>, { answerMs = 0, budgeted = true } = {}) {
  let now = 0;
  const chat = chatOf(() => {
    now += answerMs;
    return answer;
  });
  const events: ProgressEvent[] = [];
  const result: SmokeResult = await drive(
    runSuite({
      cage: openCage,
      suite: suiteOf(...checks),
      chat,
      name: 'm',
      stop: [],
      templateMarkers: [],
      signal: never,
      ...(budgeted && { budget: { ms: 60_000, clock: () => now } }),
    }),
    (event) => events.push(event),
  );
  const ran = result.checks.filter(({ skipped }) => skipped === undefined).map(({ id }) => id);
  return { result, ran, asked: chat.asked.length };
}

const many = (level: Check['level'], count: number, changes: Partial<Check> = {}): Check[] =>
  Array.from({ length: count }, (_, index) => check(`${level}-${index}`, level, changes));

describe('the budget of a smoke test', () => {
  test('what would not end in time at the speed of the first answer is skipped, and is no failure', async () => {
    // 10 tokens a second: 128 tokens take 12.8 s at most.
    const { result, ran } = await run(
      [check('a', 'loads'), ...many('answers', 8)],
      { tokensPerSecond: 10 },
      { answerMs: 12_000 },
    );
    expect(ran).toEqual(['a', 'answers-0', 'answers-1', 'answers-2', 'answers-3']);
    expect(result).toMatchObject({ passed: 5, failed: 0, skipped: 4 });
    expect(result.checks.at(-1)?.detail).toContain('60 s');
  });

  test('short answers of a fast model leave time for all', async () => {
    const { ran } = await run(
      [check('a', 'loads'), ...many('answers', 30)],
      { tokensPerSecond: 50 },
      { answerMs: 500 },
    );
    expect(ran).toHaveLength(31);
  });

  test('loading and one chat are always run, however slow', async () => {
    const { ran } = await run(
      [check('a', 'loads'), ...many('answers', 3)],
      { tokensPerSecond: 0.1 },
      { answerMs: 600_000 },
    );
    expect(ran).toEqual(['a', 'answers-0']);
  });

  test('a shorter check is still run where a longer one does not fit', async () => {
    const checks = [
      check('a', 'loads'),
      check('b', 'answers'),
      check('long', 'obeys', { maxTokens: 900 }),
      check('short', 'knows', { maxTokens: 8 }),
    ];
    expect((await run(checks, { tokensPerSecond: 10 })).ran).toEqual(['a', 'b', 'short']);
  });

  test('checks that count come before advisory ones', async () => {
    const checks = [check('a', 'loads'), check('note', 'answers', { advisory: true }), check('fact', 'knows')];
    expect((await run(checks, {})).ran).toEqual(['a', 'fact', 'note']);
    expect((await run(checks, {}, { budgeted: false })).ran).toEqual(['a', 'note', 'fact']);
  });

  test('without a speed only the time that passed counts', async () => {
    const { ran } = await run([check('a', 'loads'), ...many('answers', 5)], {}, { answerMs: 25_000 });
    expect(ran).toEqual(['a', 'answers-0', 'answers-1', 'answers-2']);
  });
});

describe('an early end', () => {
  const checks = [check('a', 'loads'), ...many('answers', 5), ...many('speaks', 20, { advisory: true })];

  test('three chats that fail in the same way are one diagnosis', async () => {
    const { result, asked } = await run(checks, { endedBy: 'length', answerTokens: 128 });
    expect(asked).toBe(4);
    expect(result).toMatchObject({ passed: 1, failed: 3, skipped: 22 });
    const reasons = new Set(result.checks.flatMap(({ skipped }) => skipped ?? []));
    expect([...reasons]).toEqual([
      expect.stringMatching(/first 3 chats failed in the same way: .*stop token may be missing/),
    ]);
  });

  test('answers that differ only in their words fail in the same way; failures of different kinds do not', async () => {
    let count = 0;
    const words = () => ({ text: `word ${++count}` });
    const NO = { kind: 'exactly', text: 'no' } as const;
    const same = many('answers', 4, { judges: [NO] });
    const chat = chatOf(words);
    const base = {
      cage: openCage,
      name: 'm',
      stop: [],
      templateMarkers: [],
      signal: never,
      budget: { ms: 60_000, clock: () => 0 },
    };
    await drive(runSuite({ ...base, suite: suiteOf(check('a', 'loads'), ...same), chat }), () => undefined);
    expect(chat.asked).toHaveLength(4);
    const other = chatOf((_, before) => (before % 2 === 0 ? { text: '' } : { text: 'x' }));
    await drive(runSuite({ ...base, suite: suiteOf(check('a', 'loads'), ...same), chat: other }), () => undefined);
    expect(other.asked).toHaveLength(5);
  });

  test('the full suite goes on', async () => {
    const { asked } = await run(checks, { endedBy: 'length' }, { budgeted: false });
    expect(asked).toBe(26);
  });
});
