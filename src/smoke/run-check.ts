import { ProvisionError } from '../core/errors.ts';
import { formatDuration } from '../core/units.ts';
import { type AnswerFinding, ask, judgeAnswer, measurements, type Outcome, type Reply, type RunSuite } from './ask.ts';
import { describeDifference } from './difference.ts';
import { fillContext } from './fill-context.ts';
import { judgeJson } from './json-schema.ts';
import { type Evidence, quote } from './judges.ts';
import type { Check, Pace } from './schema.ts';

/** Runs one check in its own way. Throws what the runtime throws. */
export async function runCheck(run: RunSuite, check: Check): Promise<Outcome> {
  const lacking = whyNotShown(run, check);
  if (lacking !== undefined) return { skipped: lacking };
  if (check.fill !== undefined) return fillContext(run, check, check.fill);
  if (check.timing !== undefined) return measureLatency(run, check);
  if (check.repeat !== undefined) return checkDeterminism(run, check, check.repeat);
  if (check.format !== undefined) return checkJsonFormat(run, check, check.format);
  return judgeReply(run, check, await ask(run, check));
}

function judgeReply(run: RunSuite, check: Check, asked: Reply, bySchema?: Evidence['bySchema']): Outcome {
  return {
    fault: judgeAnswer(run, check, asked, bySchema),
    answer: asked.text,
    detail: `answered ${quote(asked.text)}`,
    measured: measurements(check, asked),
  };
}

/** What pictures and sounds need, in the runtime's word and in ours. */
const SENSES = [
  { part: 'images', capability: 'vision', what: 'images' },
  { part: 'sounds', capability: 'audio', what: 'sounds' },
] as const;

/** Why the model cannot be shown what a check shows; undefined when it can. */
function whyNotShown({ stored }: RunSuite, { messages }: Check): string | undefined {
  for (const { part, capability, what } of SENSES) {
    if (messages.every((message) => message[part] === undefined)) continue;
    if (stored?.capabilities === undefined)
      return `the runtime does not report whether the model supports ${what} (Ollama does since 0.6.4)`;
    if (!stored.capabilities.includes(capability))
      return `the model has no ${capability} support (capabilities: ${stored.capabilities.join(', ') || 'none'})`;
  }
  return undefined;
}

/** Errors of a runtime without support for JSON Schema, by the contract of `ChatRequest.format`. */
const NO_JSON_SCHEMA: ReadonlySet<string> = new Set(['runtime-refused', 'runtime-too-old']);

/** A schema that the runtime refuses cannot be judged: the answer would be free text. */
async function checkJsonFormat(run: RunSuite, check: Check, schema: NonNullable<Check['format']>): Promise<Outcome> {
  let asked: Reply;
  try {
    asked = await ask(run, check);
  } catch (error) {
    if (!(error instanceof ProvisionError) || !NO_JSON_SCHEMA.has(error.code)) throw error;
    return { skipped: `the runtime does not support answers by a JSON Schema: ${error.message}` };
  }
  return judgeReply(run, check, asked, { verdict: await judgeJson(schema, asked.text, run) });
}

/** Measures a cold start, where the runtime frees memory on request, and the warm model. Judges the warm answer only. */
export async function measureLatency(run: RunSuite, check: Check): Promise<Outcome> {
  const cold = run.runtime?.unload === undefined ? undefined : await measureColdStart(run, check);
  const asked = await ask(run, check);
  const warm = paceOf(asked);
  return {
    fault: judgeAnswer(run, check, asked),
    answer: asked.text,
    detail: `first token ${coldText(cold)}${formatDuration(warm.firstTokenMs)} warm${speedText(warm)}`,
    measured: { ...measurements(check, asked), pace: { ...(cold && { cold }), warm } },
  };
}

async function measureColdStart(run: RunSuite, check: Check): Promise<Pace> {
  await run.runtime?.unload?.(run.name, run.signal);
  return paceOf(await ask(run, check));
}

function paceOf({ firstPieceMs, tokensPerSecond }: Reply): Pace {
  return { firstTokenMs: firstPieceMs, ...(tokensPerSecond !== undefined && { tokensPerSecond }) };
}

function coldText(cold: Pace | undefined): string {
  return cold === undefined ? '' : `${formatDuration(cold.firstTokenMs)} cold, `;
}

function speedText({ tokensPerSecond }: Pace): string {
  return tokensPerSecond === undefined ? '' : `, ${tokensPerSecond.toFixed(1)} tok/s`;
}

/** The same request `times` times: at temperature 0 with one seed, an answer must not depend on when it was requested. */
export async function checkDeterminism(run: RunSuite, check: Check, times: number): Promise<Outcome> {
  const first = await ask(run, check);
  const fault = judgeAnswer(run, check, first);
  let differing: AnswerFinding | undefined;
  for (let time = 2; time <= times && !fault && !differing; time += 1)
    differing = findDifference(first, await ask(run, check), time);
  return {
    fault: fault ?? differing,
    answer: first.text,
    detail: `${times} times ${quote(first.text)}`,
    measured: measurements(check, first),
  };
}

function findDifference(first: Reply, other: Reply, time: number): AnswerFinding | undefined {
  const difference = describeDifference(other.text, first.text);
  if (difference === undefined) return undefined;
  const message = `answer ${time} to the same request differs at temperature 0 with one seed: ${difference}`;
  return { message, advisory: false };
}
