import { describe, expect, test } from 'vitest';
import { judgeJson } from '../../../src/smoke/json-schema.ts';
import { type Evidence, findObjection, quote, type Verdict } from '../../../src/smoke/judges.ts';
import type { Judge } from '../../../src/smoke/schema.ts';
import { UNCAGED } from '../../helpers/cage.ts';

function evidence(text: string, changes: Partial<Evidence> = {}): Evidence {
  return {
    text,
    endedBy: 'stop',
    answerTokens: 5,
    templateMarkers: ['<start_of_turn>', '<end_of_turn>', '<bos>'],
    mayRunOn: false,
    ...changes,
  };
}

const objection = (judge: Judge, text: string, changes: Partial<Evidence> = {}): string | undefined =>
  findObjection(judge, evidence(text, changes));

describe('wellFormed', () => {
  const judge = { kind: 'wellFormed' } as const;
  test('an answer that ends by itself', () => {
    expect(objection(judge, 'Paris. 2 < 3 and <b>bold</b>')).toBeUndefined();
  });
  test.each(['', '  \n\t'])('%j is empty', (text) => {
    expect(objection(judge, text)).toContain('empty');
  });
  test.each(['Paris<end_of_turn>', '<start_of_turn>model\nParis', '<bos>Paris'])('%j leaks', (text) => {
    expect(objection(judge, text)).toContain('leaked');
  });
  test('one that runs on, unless it may', () => {
    expect(objection(judge, 'and so', { endedBy: 'length', answerTokens: 64 })).toContain('64 tokens');
    expect(objection(judge, 'and so', { endedBy: 'length', mayRunOn: true })).toBeUndefined();
  });
  test('an empty marker is in no answer', () => {
    expect(objection(judge, 'a b', { templateMarkers: ['', ' '] })).toBeUndefined();
  });
});

describe('varied', () => {
  const judge = { kind: 'varied' } as const;
  test.each(['the the the', 'I am. I am. I am. I am.', '!!!!!!', 'ハハハ', 'a b a b a b a'])(
    '%j only repeats itself',
    (text) => {
      expect(objection(judge, text)).toContain('only repeats itself');
    },
  );
  test.each(['Paris', 'no no', 'there was a king, a king, a king', '1, 2, 3, 4, 5', 'ha ha ha!', '', '東京'])(
    '%j does not',
    (text) => {
      expect(objection(judge, text)).toBeUndefined();
    },
  );
});

describe('exactly', () => {
  test.each<[string, object, string, boolean]>([
    ['OK', {}, 'OK', true],
    ['OK', {}, ' OK\n', true],
    ['OK', {}, 'ok', false],
    ['OK', {}, 'OK.', false],
    ['OK', {}, 'OK OK', false],
    ['OK', {}, '', false],
    ['OK', { ignoreCase: true }, 'oK', true],
    ['OK', { ignoreFinalStop: true }, 'OK.', true],
    ['OK', { ignoreFinalStop: true }, 'OK!', true],
    ['OK', { ignoreFinalStop: true }, 'OK?', false],
    ['好。', { ignoreFinalStop: true }, '好', true],
    ['OK', { ignoreCase: true, ignoreFinalStop: true }, 'ok。', true],
  ])('%j %j accepts %j: %s', (text, options, answer, accepted) => {
    const result = objection({ kind: 'exactly', text, ...options }, answer);
    if (accepted) expect(result).toBeUndefined();
    else expect(result).toContain(`expected exactly ${quote(text)}`);
  });
});

describe('mentions', () => {
  test.each<[string[], string, boolean]>([
    [['Paris'], 'It is Paris.', true],
    [['Paris'], 'PARIS', true],
    [['Paris'], 'Parisian life', false],
    [['Paris'], 'It is Rome.', false],
    [['Rome', 'Roma'], 'È Roma!', true],
    [['Rom'], 'Rome', false],
    [['4'], 'The answer is 4', true],
    [['4'], 'The answer is 42', false],
    [['H2O', 'H₂O'], 'Its formula is H₂O.', true],
    [['C++'], 'I like C++.', true],
    [['C++'], 'I like C.', false],
    [['東京'], '日本の首都は東京です。', true],
    [['東京'], '日本の首都は京都です。', false],
    [['서울'], '서울은 수도입니다', true],
    [['Париж'], 'Столица — Париж.', true],
    [['Париж'], 'Парижский', false],
    [['القاهرة'], 'عاصمة مصر هي القاهرة.', true],
    [['दिल्ली'], 'भारत की राजधानी नई दिल्ली है।', true],
    [['do not know'], 'I do not know.', true],
    [['Café'], 'cafe\u0301', true],
    [['a-b'], 'so a-b it is', true],
    [['x'], '', false],
  ])('%j in %j: %s', (anyOf, text, accepted) => {
    const result = objection({ kind: 'mentions', anyOf }, text);
    if (accepted) expect(result).toBeUndefined();
    else expect(result).toContain(quote(anyOf[0] ?? ''));
  });
});

describe('lacks', () => {
  test.each(['I do not know.', '', 'userland', '<user>s'])('%j', (text) => {
    expect(objection({ kind: 'lacks', noneOf: ['LAST', 'users'] }, text)).toBeUndefined();
  });
  test.each(['first, last', 'LAST', 'all users'])('%j has one', (text) => {
    expect(objection({ kind: 'lacks', noneOf: ['LAST', 'users'] }, text)).toContain('expected no');
  });
  test('names only what was found', () => {
    expect(objection({ kind: 'lacks', noneOf: ['a', 'b'] }, 'b c')).toBe('expected no "b" in the answer, got "b c"');
  });
});

describe('json', () => {
  const schema = {
    type: 'object',
    properties: { city: { enum: ['Paris', 'Rome'] }, size: { type: 'integer', minimum: 1 } },
    required: ['city'],
    additionalProperties: false,
  };
  async function judged(text: string): Promise<Verdict> {
    return objection({ kind: 'json' }, text, { bySchema: { verdict: await judgeJson(schema, text, UNCAGED) } });
  }
  test.each(['{"city": "Paris"}', ' {"city":"Rome","size":3}\n'])('%j follows the schema', async (text) => {
    expect(await judged(text)).toBeUndefined();
  });
  test.each([
    ['{"city": "Oslo"}', 'city:'],
    ['{"city": "Rome", "size": 0}', 'size:'],
    ['{"city": "Rome", "size": 1.5}', 'size:'],
    ['{"city": "Rome", "mayor": "?"}', 'mayor'],
    ['{}', 'city:'],
    ['[]', 'must be an object, not a list'],
    ['null', 'must be an object, not null'],
    ['{"city": "Rome"', 'expected JSON and nothing else'],
    ['```json\n{"city": "Rome"}\n```', 'expected JSON and nothing else'],
    ['Here it is: {"city": "Rome"}', 'expected JSON and nothing else'],
    ['', 'expected JSON and nothing else'],
  ])('%j does not', async (text, part) => {
    expect(await judged(text)).toContain(part);
  });
  test('nothing passes without a schema', () => {
    expect(objection({ kind: 'json' }, '{}')).toContain('no JSON Schema');
  });
  test('tells three faults at most, and no more than the head of a long answer', async () => {
    const text = JSON.stringify(Object.fromEntries(Array.from({ length: 50 }, (_, index) => [`field-${index}`, 1])));
    expect((await judged(text))?.length).toBeLessThan(500);
  });
});

describe('oneWord', () => {
  test.each(['Tokyo', 'Tokyo.', ' Tokyo!\n', '東京', "don't", 'vis-à-vis', 'Paris2', 'दिल्ली'])('%j is one', (text) => {
    expect(objection({ kind: 'oneWord' }, text)).toBeUndefined();
  });
  test.each(['', '.', 'New Delhi', 'The answer is Tokyo', '**Tokyo**', 'Tokyo, Japan', '- Tokyo', 'a\nb'])(
    '%j is not',
    (text) => {
      expect(objection({ kind: 'oneWord' }, text)).toContain('one word');
    },
  );
});

describe('number', () => {
  test.each<[string, number | undefined]>([
    ['4', 4],
    [' 4.\n', 4],
    ['-4', -4],
    ['−4', -4],
    ['1,024', 1024],
    ['3.5', 3.5],
    ['42', undefined],
  ])('%j is %s', (text, equals) => {
    expect(objection({ kind: 'number', ...(equals !== undefined && { equals }) }, text)).toBeUndefined();
  });
  test.each(['', 'four', 'It is 4', '4 5', '4 apples', '1,02', '0x10', 'NaN', 'Infinity', '1e9'])(
    '%j is no number alone',
    (text) => {
      expect(objection({ kind: 'number' }, text)).toContain('one number');
    },
  );
  test('another number', () => {
    expect(objection({ kind: 'number', equals: 4 }, '5')).toBe('expected 4, got "5"');
  });
});

describe('script', () => {
  test.each([
    ['Latin', 'Das ist Wien (東京).'],
    ['Han', '中国的首都是北京。'],
    ['Jpan', '東京です。'],
    ['Jpan', 'コーヒー'],
    ['Kore', '수도는 서울입니다'],
    ['Cyrillic', 'Столица Франции — Париж.'],
    ['Devanagari', 'नई दिल्ली'],
    ['Arabic', 'القاهرة'],
    ['Greek', 'Ρώμη'],
    ['Hebrew', 'פריז'],
    ['Bengali', 'ঢাকা'],
    ['Tamil', 'சென்னை'],
    ['Thai', 'กรุงเทพมหานคร'],
  ])('%s: %j', (script, text) => {
    expect(objection({ kind: 'script', script }, text)).toBeUndefined();
  });
  test.each([
    ['Latin', 'Столица'],
    ['Cyrillic', 'Paris'],
    ['Han', 'ひらがな'],
    ['Jpan', 'Tokyo です'],
    ['Latin', '42 !'],
    ['Latin', ''],
    ['NoSuchScript', 'abc'],
  ])('not %s: %j', (script, text) => {
    expect(objection({ kind: 'script', script }, text)).toContain(script);
  });
});

test('quoted answers are short and hold no control characters', () => {
  expect(quote('a\u001b[31mb\n')).toBe('"a\\u001b[31mb"');
  expect(quote('x'.repeat(500)).length).toBeLessThan(130);
});
