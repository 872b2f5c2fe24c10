import { formatDuration } from '../core/units.ts';
import { type Asked, ask, type RunSuite } from './ask.ts';
import { faultOf, measuredOf, type Outcome } from './outcome.ts';
import type { Check, Pace } from './schema.ts';

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
