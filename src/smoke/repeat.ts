import { type Asked, ask, type RunSuite } from './ask.ts';
import { quote } from './judges.ts';
import { type Fault, faultOf, measuredOf, type Outcome } from './outcome.ts';
import { partingOf } from './parting.ts';
import type { Check } from './schema.ts';

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
