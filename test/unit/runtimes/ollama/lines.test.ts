import { expect, test } from 'vitest';
import { readLines } from '../../../../src/runtimes/ollama/lines.ts';

/** A chunk a second, on a clock that only moves with them. */
function chunks(list: readonly string[]) {
  let clock = 0;
  return {
    now: () => clock,
    wait(ms: number) {
      clock += ms;
    },
    async *[Symbol.asyncIterator]() {
      for (const text of list) {
        clock += 1000;
        yield Buffer.from(text);
      }
    },
  };
}

async function read(body: ReturnType<typeof chunks>, silenceMs: number, slowReaderMs = 0): Promise<object[]> {
  const lines: object[] = [];
  for await (const line of readLines(body, silenceMs, body.now)) {
    lines.push(line);
    body.wait(slowReaderMs);
  }
  return lines;
}

test.each([
  ['blanks', ' '],
  ['empty lines', '\n'],
  ['a line that never ends', 'x'],
])('row 10: a server that sends %s says nothing', async (_, chunk) => {
  const body = chunks(['{"status":"a"}\n', ...Array.from({ length: 100 }, () => chunk)]);
  await expect(read(body, 10_000)).rejects.toMatchObject({ name: 'TimeoutError', ms: 10_000 });
  expect(body.now()).toBe(12_000);
});

test('a line now and then is a sign of life, however long it takes to come in pieces', async () => {
  const line = [...'{"a":1}\n'];
  expect(await read(chunks([...line, ...line, ...line]), 9000)).toHaveLength(3);
});

test('a reader that takes its time is not the silence of the server', async () => {
  expect(await read(chunks(['{"a":1}\n', '{"b":1}\n', '{"c":1}\n']), 5000, 60_000)).toHaveLength(3);
});
