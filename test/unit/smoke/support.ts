import { drive } from '../../../src/core/progress.ts';
import type { ChatRequest, ChatResult, Runtime } from '../../../src/runtimes/contract.ts';
import type { RunSuite } from '../../../src/smoke/ask.ts';
import { runSuite } from '../../../src/smoke/run.ts';
import type { Check, CheckResult, SmokeResult, Suite } from '../../../src/smoke/schema.ts';
import { openCage } from '../../helpers/cage.ts';
import { never } from '../../helpers/failure.ts';

export function check(id: string, level: Check['level'], changes: Partial<Check> = {}): Check {
  return { id, level, title: id, messages: [{ role: 'user', content: id }], judges: [], ...changes };
}

export function suiteOf(...checks: Check[]): Suite {
  return { schemaVersion: 1, id: 'test', title: 'Test', checks };
}

export type Chat = Runtime['chat'] & { readonly asked: ChatRequest[] };

/** Answers what `answer` says to each request, the number of earlier ones beside it; an error is thrown. */
export function chatOf(answer: (request: ChatRequest, before: number) => Partial<ChatResult> | Error): Chat {
  const asked: ChatRequest[] = [];
  async function* chat(request: ChatRequest): AsyncGenerator<string, ChatResult, undefined> {
    asked.push(request);
    const result = answer(request, asked.length - 1);
    if (result instanceof Error) throw result;
    const text = result.text ?? 'fine';
    yield text;
    return {
      text,
      endedBy: 'stop',
      promptTokens: 4,
      answerTokens: 2,
      loadMs: 0,
      firstTokenMs: 3,
      totalMs: 9,
      ...result,
    };
  }
  return Object.assign(chat, { asked });
}

/** Runs one check alone; `parts` are what the runtime can and says. */
export async function runOne(
  one: Check,
  chat: Chat,
  parts: Partial<Pick<RunSuite, 'runtime' | 'stored'>> = {},
): Promise<CheckResult & { readonly suite: SmokeResult }> {
  const options = {
    cage: openCage,
    suite: suiteOf(one),
    chat,
    name: 'm',
    stop: [],
    templateMarkers: ['<bos>'],
    signal: never,
  };
  const suite = await drive(runSuite({ ...options, ...parts }), () => undefined);
  const [result] = suite.checks;
  if (result === undefined) throw new Error('the suite gave no result');
  return { ...result, suite };
}
