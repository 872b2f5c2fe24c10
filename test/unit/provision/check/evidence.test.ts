/** What probes prove, held against the recorded exchanges of real servers. */
import { describe, expect, test } from 'vitest';
import { isSupported } from '../../../../src/compat/check.ts';
import { compareNumbers, numbersOf, parseServerVersion } from '../../../../src/compat/version.ts';
import { type Evidence, evidenceOf, PROBES } from '../../../../src/provision/check/evidence.ts';
import { judge } from '../../../../src/provision/check/judge.ts';
import { loadTranscript, RECORDED, type Recorded } from '../../../helpers/transcripts.ts';

const GEMMA3N = { architecture: 'gemma3n', quant: 'q5_k_m' };

function replyOf(version: Recorded, id: string) {
  const { response } = loadTranscript(version, 'http://127.0.0.1').exchange(id);
  return { status: response.status ?? 0, contentType: response.headers['Content-Type'] ?? '', text: response.body };
}

/** Everything that the probes see on a server that has models and one of them loaded. */
function evidenceFrom(version: Recorded): Evidence[] {
  return [
    ...evidenceOf('create', replyOf(version, 'create.nothing')),
    ...evidenceOf('method', replyOf(version, 'version.wrong-method')),
    ...evidenceOf('tags', replyOf(version, 'tags')),
    ...evidenceOf('ps', replyOf(version, 'ps')),
  ];
}

const reply = (status: number, text: string) => ({ status, contentType: 'application/json', text });

describe.each(RECORDED)('recorded %s', (version) => {
  const numbers = numbersOf(version);

  test('every range that a reply proves holds the version', () => {
    const evidence = evidenceFrom(version);
    expect(evidence.length).toBeGreaterThanOrEqual(3);
    for (const { id, since, until } of evidence) {
      expect(since ?? until, id).toBeDefined();
      if (since !== undefined) expect(compareNumbers(numbers, numbersOf(since)), id).toBeGreaterThanOrEqual(0);
      if (until !== undefined) expect(compareNumbers(numbers, numbersOf(until)), id).toBeLessThanOrEqual(0);
    }
  });

  test.each(['0.0.0', 'rubbish', '0.99.0', `${version}-fork`])('calling itself %s it gets the right answer', (word) => {
    const { verdicts } = judge(word, GEMMA3N, evidenceFrom(version));
    expect(isSupported(verdicts)).toBe(compareNumbers(numbers, numbersOf('0.9.3')) >= 0);
  });

  test('its own word is not contradicted', () => {
    const { verdicts, warnings } = judge(version, GEMMA3N, evidenceFrom(version));
    expect(verdicts.filter(({ id, ok }) => id.startsWith('probe.') && !ok)).toEqual([]);
    expect(warnings).toEqual([]);
  });
});

test('nothing that is asked names bytes to create something from', () => {
  for (const { question } of PROBES.filter(({ question }) => question.method === 'POST')) {
    expect(Object.keys(question.body ?? {}).sort()).toEqual(['model', 'name']);
  }
});

test.each(['path or modelfile are required', 'path or Modelfile are required'])('%s: before 0.5.5', (error) => {
  expect(evidenceOf('create', reply(400, JSON.stringify({ error })))).toMatchObject([{ id: 'create', until: '0.5.4' }]);
});

test.each([
  ['create', 403, ''],
  ['create', 404, '404 page not found'],
  ['create', 200, '<html>path or modelfile are required</html>'],
  ['method', 405, '<html>not allowed</html>'],
  ['method', 404, '{"error":"no route"}'],
  ['method', 200, '404 page not found'],
  ['ps', 404, '404 page not found'],
  ['ps', 200, '{"models":[]}'],
  ['ps', 200, '{"models":null}'],
  ['ps', 200, '[]'],
  ['tags', 200, 'not JSON'],
  ['tags', 500, '{"models":[{"name":"x"}]}'],
  ['tags', 200, '{"models":[{"name":"x:cloud","remote_host":"https://ollama.com"}]}'],
] as const)('%s answered with %i %s proves nothing', (id, status, text) => {
  expect(evidenceOf(id, reply(status, text))).toEqual([]);
});

describe('behaviour against the word', () => {
  const old: Evidence = { id: 'create', seen: 'wants a Modelfile for a create', until: '0.5.4' };
  const modern: Evidence = { id: 'create', seen: 'refuses with HTTP 400', since: '0.12.6' };

  test('a server that behaves older is treated as the newest release that does so', () => {
    const { verdicts, warnings } = judge('0.0.0', GEMMA3N, [old]);
    expect(isSupported(verdicts)).toBe(false);
    expect(warnings).toEqual([expect.stringContaining('treated as Ollama 0.5.4')]);
    const probe = verdicts.find(({ id }) => id === 'probe.create');
    expect(probe).toMatchObject({ ok: false, blocking: false, until: '0.5.4', basis: 'live' });
    expect(probe?.reason).toContain('"0.0.0"');
    expect(probe?.remedy).toContain('--server-version');
  });

  test('a fork with numbers of its own that behaves newer is treated as the oldest that does so', () => {
    const { verdicts, warnings } = judge('0.1.0-lab', GEMMA3N, [modern]);
    expect(isSupported(verdicts)).toBe(true);
    expect(warnings).toEqual([expect.stringContaining('treated as Ollama 0.12.6')]);
  });

  test('servers of two ages behind one address count as the older', () => {
    expect(isSupported(judge('0.0.0', GEMMA3N, [modern, old]).verdicts)).toBe(false);
  });

  test('a proof that the architecture is there says so', () => {
    const { verdicts } = judge('0.0.0', GEMMA3N, [modern]);
    expect(verdicts.at(-1)).toMatchObject({ id: 'probe.create', ok: true });
    expect(verdicts.at(-1)?.reason).toContain('gemma3n came with 0.9.3');
  });

  test('without a target there is nothing to prove but the age', () => {
    expect(judge('0.0.0', undefined, [modern]).verdicts.at(-1)?.reason).not.toContain('came with');
  });

  test('raw text of a server is quoted, not trusted', () => {
    const [warning] = judge('0.0.0"\n', undefined, [old]).warnings;
    expect(warning).toContain('"0.0.0\\"\\n"');
    expect(parseServerVersion('0.0.0"\n').numbers).toBeUndefined();
  });
});
