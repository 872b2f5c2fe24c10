import { ProvisionError } from '../core/errors.ts';
import { type Asked, ask, type RunSuite } from './ask.ts';
import { holds } from './hold.ts';
import { type Evidence, quote } from './judges.ts';
import { faultOf, measuredOf, type Outcome } from './outcome.ts';
import { runs } from './pace.ts';
import { repeats } from './repeat.ts';
import type { Check } from './schema.ts';

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
  // Apart, since few suites need it and it brings the whole of JSON Schema.
  const { jsonObjector } = await import('./json.ts');
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
