import { ProvisionError } from '../core/errors.ts';
import { formatDuration } from '../core/units.ts';
import { type Asked, ask, type Fault, faultOf, measuredOf, type Outcome, type RunSuite } from './ask.ts';
import { partingOf } from './difference.ts';
import { holds } from './fill-context.ts';
import { jsonObjector } from './json-schema.ts';
import { type Evidence, quote } from './judges.ts';
import type { Check, Pace } from './schema.ts';

/** Runs one check in its own way. Throws what the runtime throws. */
export async function conduct(run: RunSuite, check: Check): Promise<Outcome> {
  const blind = check.messages.some(({ images }) => images !== undefined) ? whyBlind(run) : undefined;
  if (blind !== undefined) return { skipped: blind };
  if (check.fill !== undefined) return holds(run, check, check.fill);
  if (check.timing !== undefined) return runs(run, check);
  if (check.repeat !== undefined) return repeats(run, check, check.repeat);
  if (check.format !== undefined) return formats(run, check, check.format);
  return plain(run, check, await ask(run, check));
}

function plain(run: RunSuite, check: Check, asked: Asked, objectToJson?: Evidence['objectToJson']): Outcome {
  return {
    fault: faultOf(run, check, asked, objectToJson),
    answer: asked.text,
    detail: `answered ${quote(asked.text)}`,
    measured: measuredOf(check, asked),
  };
}

/** Why the model cannot be shown a picture; undefined when it can. */
function whyBlind({ stored }: RunSuite): string | undefined {
  if (stored?.capabilities === undefined)
    return 'the runtime does not tell whether the model takes pictures (Ollama does since 0.6.4)';
  if (stored.capabilities.includes('vision')) return undefined;
  return `the model takes no pictures, it has no projector (capabilities: ${stored.capabilities.join(', ') || 'none'})`;
}

/** What a runtime says that knows no JSON Schema, by the contract of `ChatRequest.format`. */
const CANNOT_HOLD: ReadonlySet<string> = new Set(['runtime-refused', 'runtime-too-old']);

/** A schema that the runtime refuses cannot be judged: the answer would be free text. */
async function formats(run: RunSuite, check: Check, schema: NonNullable<Check['format']>): Promise<Outcome> {
  const objectToJson = jsonObjector(schema);
  let asked: Asked;
  try {
    asked = await ask(run, check);
  } catch (error) {
    if (!(error instanceof ProvisionError) || !CANNOT_HOLD.has(error.code)) throw error;
    return { skipped: `the runtime does not hold answers to a JSON Schema: ${error.message}` };
  }
  return plain(run, check, asked, objectToJson);
}

/** Measures a cold start, where the runtime frees memory on request, and the warm model. Judges the warm answer only. */
export async function runs(run: RunSuite, check: Check): Promise<Outcome> {
  const cold = run.runtime?.unload === undefined ? undefined : await coldPace(run, check);
  const asked = await ask(run, check);
  const warm = paceOf(asked);
  return {
    fault: faultOf(run, check, asked),
    answer: asked.text,
    detail: `first token ${coldText(cold)}${formatDuration(warm.firstTokenMs)} warm${speedText(warm)}`,
    measured: { ...measuredOf(check, asked), pace: { ...(cold && { cold }), warm } },
  };
}

async function coldPace(run: RunSuite, check: Check): Promise<Pace> {
  await run.runtime?.unload?.(run.name, run.signal);
  return paceOf(await ask(run, check));
}

function paceOf({ firstPieceMs, tokensPerSecond }: Asked): Pace {
  return { firstTokenMs: firstPieceMs, ...(tokensPerSecond !== undefined && { tokensPerSecond }) };
}

function coldText(cold: Pace | undefined): string {
  return cold === undefined ? '' : `${formatDuration(cold.firstTokenMs)} cold, `;
}

function speedText({ tokensPerSecond }: Pace): string {
  return tokensPerSecond === undefined ? '' : `, ${tokensPerSecond.toFixed(1)} tok/s`;
}

/** The same request `times` times: at temperature 0 with one seed, an answer must not depend on when it is asked for. */
export async function repeats(run: RunSuite, check: Check, times: number): Promise<Outcome> {
  const first = await ask(run, check);
  const fault = faultOf(run, check, first);
  let differing: Fault | undefined;
  for (let time = 2; time <= times && !fault && !differing; time += 1)
    differing = differenceOf(first, await ask(run, check), time);
  return {
    fault: fault ?? differing,
    answer: first.text,
    detail: `${times} times ${quote(first.text)}`,
    measured: measuredOf(check, first),
  };
}

function differenceOf(first: Asked, other: Asked, time: number): Fault | undefined {
  const parting = partingOf(other.text, first.text);
  if (parting === undefined) return undefined;
  const message = `answer ${time} to the same request differs at temperature 0 with one seed: ${parting}`;
  return { message, advisory: false };
}
