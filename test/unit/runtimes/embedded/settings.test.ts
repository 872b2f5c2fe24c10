import { describe, expect, test } from 'vitest';
import { defaultThreads, settingsOf } from '../../../../src/runtimes/embedded/sampling.ts';

const defaults = { threads: 3, randomSeed: () => 42 };

describe('settings', () => {
  test('without any parameter are those of Ollama', () => {
    expect(settingsOf({}, {}, defaults)).toEqual({
      load: { contextLength: 4096, batch: 512, threads: 3 },
      chat: {
        stop: [],
        sampling: {
          temperature: 0.8,
          topK: 40,
          topP: 0.9,
          minP: 0,
          repeatPenalty: 1.1,
          repeatLastTokens: 64,
          seed: 42,
        },
      },
    });
  });

  test('come from the model, and a request overrides them', () => {
    const model = {
      temperature: 0.7,
      top_p: 0.95,
      top_k: 64,
      repeat_penalty: 1,
      num_predict: 4096,
      num_ctx: 8192,
      stop: ['<end_of_turn>', ''],
      seed: 7,
      unknown_to_us: 'kept for others',
    };
    expect(settingsOf(model, { temperature: 0, num_predict: 16, num_thread: 2 }, defaults)).toEqual({
      load: { contextLength: 8192, batch: 512, threads: 2 },
      chat: {
        stop: ['<end_of_turn>'],
        maxTokens: 16,
        sampling: {
          temperature: 0,
          topK: 64,
          topP: 0.95,
          minP: 0,
          repeatPenalty: 1,
          repeatLastTokens: 64,
          seed: 7,
        },
      },
    });
  });

  test('special values', () => {
    expect(settingsOf({ num_predict: -1 }, {}, defaults).chat.maxTokens).toBeUndefined();
    expect(settingsOf({ num_predict: -2 }, {}, defaults).chat.maxTokens).toBeUndefined();
    expect(settingsOf({ seed: -1 }, {}, defaults).chat.sampling.seed).toBe(42);
    expect(settingsOf({ seed: 0 }, {}, defaults).chat.sampling.seed).toBe(0);
    expect(settingsOf({ repeat_last_n: -1, num_ctx: 99 }, {}, defaults).chat.sampling.repeatLastTokens).toBe(99);
    expect(settingsOf({ num_thread: 0 }, {}, defaults).load.threads).toBe(3);
    expect(settingsOf({ stop: '<eos>' }, {}, defaults).chat.stop).toEqual(['<eos>']);
  });

  test.each([
    { temperature: -1 },
    { temperature: Number.NaN },
    { top_p: 1.1 },
    { top_k: 1.5 },
    { top_k: -1 },
    { num_ctx: 0 },
    { num_predict: 1.5 },
    { repeat_penalty: 0 },
    { num_thread: -1 },
    { temperature: 'warm' },
  ])('%o is refused by name', (parameters) => {
    const name = Object.keys(parameters)[0] ?? '';
    expect(() => settingsOf(parameters as Record<string, number>, {}, defaults)).toThrow(
      expect.objectContaining({ code: 'bad-usage', message: expect.stringContaining(name) }),
    );
  });
});

test.each([
  [1, 1],
  [2, 1],
  [4, 3],
  [8, 7],
  [16, 8],
  [0, 1],
])('%i physical cores: %i threads', (cores, threads) => {
  expect(defaultThreads(cores)).toBe(threads);
});
