import { mkdtemp, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { realDisk } from '../../../../src/disk/disk.ts';
import type { Score, ScoredText } from '../../../../src/runtimes/contract.ts';
import type { Engine } from '../../../../src/runtimes/embedded/engine.ts';
import type { ScoreOptions } from '../../../../src/runtimes/embedded/protocol.ts';
import { compare, scoreText } from '../../../../src/runtimes/embedded/score.ts';
import { failureOf } from '../../../helpers/failure.ts';
import { byteEngine } from './support.ts';

const log = (...probabilities: number[]) => Float32Array.from(probabilities.map(Math.log));

describe('one position', () => {
  test('two equal distributions do not differ', () => {
    expect(compare(log(0.5, 0.25, 0.25), log(0.5, 0.25, 0.25))).toEqual({ divergence: 0, agrees: true });
  });

  test('the divergence is that of the formula, from the reference’s side', () => {
    const { divergence, agrees } = compare(log(0.5, 0.5), log(0.9, 0.1));
    expect(divergence).toBeCloseTo(0.5 * Math.log(0.5 / 0.9) + 0.5 * Math.log(0.5 / 0.1), 5);
    expect(agrees).toBe(true);
    expect(compare(log(0.9, 0.1), log(0.5, 0.5)).divergence).not.toBeCloseTo(divergence, 2);
  });

  test('another likeliest token is no agreement', () => {
    expect(compare(log(0.6, 0.4), log(0.4, 0.6)).agrees).toBe(false);
  });
});

/** Records what it was asked; every token is as likely as `probabilities` say. */
function engine(probabilities: readonly number[]): { asked: [number, number][]; engine: Engine } {
  const asked: [number, number][] = [];
  async function* logProbabilities(tokens: readonly number[], from: number) {
    asked.push([tokens.length, from]);
    for (let at = from; at < tokens.length; at += 1) yield log(...probabilities);
  }
  return { asked, engine: byteEngine([], { logProbabilities }) };
}

async function all(from: Engine, options: ScoreOptions): Promise<{ scores: Score[]; end: ScoredText }> {
  const scores: Score[] = [];
  const run = scoreText(from, options, { disk: realDisk, signal: new AbortController().signal });
  for (;;) {
    const step = await run.next();
    if (step.done) return { scores, end: step.value };
    scores.push(step.value);
  }
}

describe('a text', () => {
  const text = 'abcdefghij'.repeat(60);
  const file = async () => join(await mkdtemp(join(tmpdir(), 'score-')), 'scores');

  test('is read in windows with a BOS each, whose lead is not scored, up to the positions that are wanted', async () => {
    const { asked, engine: reference } = engine([0.5, 0.5]);
    const scores = await file();
    const { scores: found, end } = await all(reference, { text, positions: 300, scores, role: 'reference' });
    expect(asked).toEqual([
      [256, 32],
      [32 + 300 - 224, 32],
    ]);
    expect(found).toHaveLength(300);
    expect(end.vocabulary).toBe(2);
    expect((await stat(scores)).size).toBe(300 * 2 * 4);
  });

  test('has no BOS where the tokenizer wants none', async () => {
    const { asked, engine: plain } = engine([0.5, 0.5]);
    const windows: (readonly number[])[] = [];
    const silent: Engine = {
      ...plain,
      addBos: false,
      logProbabilities: (tokens, from, signal) => {
        windows.push(tokens);
        return plain.logProbabilities(tokens, from, signal);
      },
    };
    await all(silent, { text, positions: 10, scores: await file(), role: 'reference' });
    expect(asked).toEqual([[42, 32]]);
    expect(windows[0]).toEqual(silent.tokenize(text).slice(0, 42));
  });

  test('is compared position by position, and both report the same tokens', async () => {
    const options = { text, positions: 10, scores: await file() };
    const wanted = await all(engine([0.5, 0.5]).engine, { ...options, role: 'reference' });
    const got = await all(engine([0.9, 0.1]).engine, { ...options, role: 'candidate' });
    expect(got.end.tokens).toBe(wanted.end.tokens);
    expect(got.scores).toHaveLength(10);
    for (const { divergence } of got.scores) expect(divergence).toBeCloseTo(0.5108, 3);
  });

  test.each([
    ['a larger', [0.5, 0.25, 0.25]],
    ['a smaller', [1]],
  ])('%s vocabulary cannot be compared', async (_, probabilities) => {
    const options = { text, positions: 1, scores: await file() };
    await all(engine([0.5, 0.5]).engine, { ...options, role: 'reference' });
    const error = await failureOf(all(engine(probabilities).engine, { ...options, role: 'candidate' }));
    expect(error).toMatchObject({ code: 'bad-usage', message: expect.stringContaining('different vocabularies') });
  });

  test('of a few tokens is refused', async () => {
    const short = { text: 'abc', positions: 5, scores: await file(), role: 'reference' as const };
    expect((await failureOf(all(engine([1]).engine, short))).message).toContain('too few');
  });
});
