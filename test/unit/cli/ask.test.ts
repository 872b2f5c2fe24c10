import { PassThrough } from 'node:stream';
import { expect, test } from 'vitest';
import { ask } from '../../../src/cli/ask.ts';
import { never } from '../../helpers/failure.ts';

function streams() {
  const input = new PassThrough();
  const output = new PassThrough({ encoding: 'utf8' });
  return { input, output };
}

test('the answer is the line, and the question is written once', async () => {
  const { input, output } = streams();
  const answer = ask({ input, output }, 'Yes? ', never);
  input.write('yes\nmore\n');
  expect(await answer).toBe('yes');
  expect(output.read()).toBe('Yes? ');
});

test('an input that ends without a line is no answer', async () => {
  const { input, output } = streams();
  const answer = ask({ input, output }, 'Yes? ', never);
  input.end();
  expect(await answer).toBeUndefined();
});

test('a signal ends the question with its own reason', async () => {
  const { input, output } = streams();
  const controller = new AbortController();
  const answer = ask({ input, output }, 'Yes? ', controller.signal);
  controller.abort(new DOMException('stopped by SIGINT', 'AbortError'));
  await expect(answer).rejects.toThrow('stopped by SIGINT');
  await expect(ask({ input, output }, 'Yes? ', controller.signal)).rejects.toThrow('stopped by SIGINT');
  expect(input.listenerCount('end')).toBeLessThanOrEqual(1);
});
