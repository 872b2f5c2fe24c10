import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import { type Cage, CageExceeded, cagedFile, createCage, forkCaged, type StartCaged } from '../../../src/cage/cage.ts';
import { CAGE_LIMITS } from '../../../src/cage/limits.ts';
import type { Outcome, Program } from '../../../src/cage/protocol.ts';
import { never } from '../../helpers/failure.ts';
import { ROOT } from '../../helpers/plans.ts';

const script = cagedFile(ROOT);
const opened: Cage[] = [];
afterEach(async () => {
  await Promise.all(opened.splice(0).map((cage) => cage.close()));
});

function open(start: StartCaged = forkCaged(script), limits: Partial<typeof CAGE_LIMITS> | object = {}): Cage {
  const cage = createCage(start, { ...CAGE_LIMITS, ...limits });
  opened.push(cage);
  return cage;
}

/** Counts the children that are started. */
function counted(): { readonly start: StartCaged; count: number } {
  const fork = forkCaged(script);
  const counter = {
    count: 0,
    start: () => {
      counter.count += 1;
      return fork();
    },
  };
  return counter;
}

function template(source: string): Program {
  return { kind: 'template', source, messages: [{ role: 'user', content: 'hi' }], bos: '<bos>', eos: '<eos>' };
}

function pattern(text: string | undefined, regex: string): Program {
  return { kind: 'json-schema', schema: { type: 'string', pattern: regex }, ...(text !== undefined && { text }) };
}

const GREETING = '{{ bos_token }}{% for m in messages %}{{ m.content }}{% endfor %}{{ add_generation_prompt }}';
const ENDLESS = '{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}';
const HUGE = '{% for a in range(1000000000) %}{% endfor %}';

describe('one child for all programs of a run', () => {
  const cases: [string, Program, Outcome][] = [
    ['a template', template(GREETING), { type: 'rendered', text: '<bos>hitrue' }],
    ['a broken template', template('{% for'), { type: 'broken', message: 'Unexpected end of input' }],
    ['a refusal', template("{{ raise_exception('no') }}"), { type: 'refused', message: 'no' }],
    ['a schema', pattern(undefined, '^a$'), { type: 'valid' }],
    ['a text by its schema', pattern('"a"', '^a$'), { type: 'valid' }],
    ['a text that is not JSON', pattern('a', '^a$'), { type: 'not-json' }],
  ];
  test('answers one after the other, however many are asked at once', async () => {
    const counter = counted();
    const cage = open(counter.start);
    const outcomes = await Promise.all(cases.map(([, program]) => cage.perform(program, never)));
    expect(outcomes).toEqual(cases.map(([, , outcome]) => outcome));
    expect(counter.count).toBe(1);
  });

  test('a text that breaks its schema, and a schema that cannot be used', async () => {
    const cage = open();
    expect(await cage.perform(pattern('"b"', '^a$'), never)).toMatchObject({
      type: 'invalid',
      issues: [{ path: '$' }],
    });
    expect(await cage.perform(pattern(undefined, '('), never)).toMatchObject({ type: 'broken' });
  });
});

describe('a program of an attacker', () => {
  test.each([
    ['a template that never ends', template(ENDLESS), 'ran for more than 2.0 s'],
    ['a template that fills the memory', template(HUGE), /needed more than 128 MiB|ran for more than/],
    [
      'a pattern that backtracks for ever',
      pattern(JSON.stringify(`${'a'.repeat(60)}!`), '^(a+)+$'),
      'ran for more than',
    ],
  ])('row 50: %s is stopped, and the next one gets a new child', async (_, program, words) => {
    const counter = counted();
    const cage = open(counter.start);
    const failure = await cage.perform(program, never).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(CageExceeded);
    expect(String(failure)).toMatch(words);
    expect(await cage.perform(template(GREETING), never)).toEqual({ type: 'rendered', text: '<bos>hitrue' });
    expect(counter.count).toBe(2);
  });

  test('row 28: an abort ends it at once, long before its time is over', async () => {
    const cage = open(forkCaged(script), { runMs: 600_000 });
    await cage.perform(template(GREETING), never);
    const controller = new AbortController();
    const work = cage.perform(template(ENDLESS), controller.signal);
    await sleep(50);
    controller.abort(new DOMException('stopped by SIGINT', 'AbortError'));
    await expect(work).rejects.toMatchObject({ name: 'AbortError' });
  });

  test.each([
    ['template', template(ENDLESS)],
    ['pattern', pattern(JSON.stringify(`${'a'.repeat(60)}!`), '^(a+)+$')],
  ])('row 50: a %s whose parent is gone, and kills nothing any more, ends by itself', async (_, program) => {
    const cage = open(forkCaged(script), { runMs: 600_000 });
    await expect(cage.perform(program, never)).rejects.toThrow('ended the process that it ran in (exit code 1)');
  });

  test('input and output are bounded', async () => {
    const cage = open(forkCaged(script), { inputLength: 1000 });
    await expect(cage.perform(template('x'.repeat(1001)), never)).rejects.toThrow('more than 1000 characters');
    const line = 'x'.repeat(800);
    const long = `{% for a in range(20000) %}${line}{% endfor %}`;
    await expect(cage.perform(template(long), never)).rejects.toBeInstanceOf(CageExceeded);
  });

  test('a recursion without end is a broken template, not a dead child', async () => {
    const nested = `${'{% if true %}'.repeat(20_000)}${'{% endif %}'.repeat(20_000)}`;
    expect(await open().perform(template(nested), never)).toMatchObject({ type: 'broken' });
  });
});

describe('the child', () => {
  const probe = join(ROOT, 'test/fixtures/cage/probe.mjs');

  test('cannot write a file, start a process or see the environment, and has a small heap', async () => {
    process.env.GEMMA_PROVISION_TEST_SECRET = 'secret';
    const handle = forkCaged(probe)();
    const answer = await new Promise((resolve) => handle.onMessage(resolve));
    handle.kill();
    delete process.env.GEMMA_PROVISION_TEST_SECRET;
    expect(answer).toMatchObject({ write: 'ERR_ACCESS_DENIED', spawn: 'ERR_ACCESS_DENIED', secret: 'none' });
    expect(answer).toHaveProperty(
      'heapMiB',
      expect.toSatisfy((size: number) => size < 400),
    );
  });

  test('that does not start, or dies, is named', async () => {
    const missing = open(forkCaged(join(ROOT, 'no-such-script.js')));
    await expect(missing.perform(template(''), never)).rejects.toMatchObject({ code: 'bug' });
    const silent = open(forkCaged(join(ROOT, 'test/fixtures/cage/silent.mjs')), { startMs: 200 });
    await expect(silent.perform(template(''), never)).rejects.toMatchObject({ code: 'bug' });
    const dying = open(forkCaged(join(ROOT, 'test/fixtures/cage/dying.mjs')));
    await expect(dying.perform(template(''), never)).rejects.toThrow('ended the process that it ran in (exit code 7)');
    const babbling = open(forkCaged(join(ROOT, 'test/fixtures/cage/babbling.mjs')));
    await expect(babbling.perform(template(''), never)).rejects.toThrow('something that is not an answer');
  });
});
