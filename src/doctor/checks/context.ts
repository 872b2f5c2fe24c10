import type { ServerFacts } from '../../compat/lookup.ts';
import { isAtLeast } from '../../compat/version.ts';
import { GIB } from '../../core/units.ts';
import { defineCheck } from '../contract.ts';
import { ollamaValue } from '../environment.ts';
import { type Finding, ok, warning } from '../findings.ts';
import type { DoctorView } from '../view.ts';
import { withServer } from '../with-server.ts';

/** First release that reads OLLAMA_CONTEXT_LENGTH (the word is in the program of 0.5.13, not in that of 0.5.4). */
const READS_VARIABLE = '0.5.13';
/** From here on the KV cache of an ordinary model outweighs a small model's weights. */
const LARGE = 32_768;

const REMEDY = 'Give each model its own num_ctx, as this tool does, or set OLLAMA_CONTEXT_LENGTH for the server.';

/** How long a context models get that name none, and whether that surprises. */
export const context = defineCheck({
  id: 'context',
  title: 'Default context',
  run: (view) =>
    withServer(view, async (facts) => {
      const set = await variableOf(view);
      if (set !== undefined && set.value !== '' && set.value !== '0' && isAtLeast(facts.version, READS_VARIABLE)) {
        return fromVariable(set);
      }
      return fromVersion(view, facts);
    }),
});

interface Variable {
  readonly value: string;
  /** True when it is the server's own; false when it is set here and may not reach the server. */
  readonly certain: boolean;
}

async function variableOf(view: DoctorView): Promise<Variable | undefined> {
  const environment = view.local() ? (await view.process()).environment : undefined;
  const value = ollamaValue(environment ?? view.env, 'OLLAMA_CONTEXT_LENGTH');
  return value === undefined ? undefined : { value, certain: environment !== undefined };
}

function fromVariable({ value, certain }: Variable): Finding {
  const named = `OLLAMA_CONTEXT_LENGTH=${value}`;
  const place = certain ? '' : ' here (the server has its own environment)';
  if (!/^\d{1,9}$/.test(value)) {
    return warning(
      `${named}${place} is no number: the server ignores it.`,
      'Set it to a number of tokens, or unset it.',
    );
  }
  if (Number(value) >= LARGE) {
    return warning(`${named}${place}: every model that names no context takes memory for ${value} tokens.`, REMEDY);
  }
  return ok(`${named}${place}: models that name no context get ${value} tokens.`);
}

async function fromVersion(view: DoctorView, { defaultContext, version }: ServerFacts): Promise<Finding> {
  const { tokens, byVramGiB = [] } = defaultContext;
  const vram = byVramGiB.length > 0 && view.local() ? await vramGiB(view) : 0;
  const reached = byVramGiB.findLast(({ from }) => vram >= from)?.tokens ?? tokens;
  const why = vram > 0 && reached !== tokens ? `, since its GPUs have ${vram.toFixed(0)} GiB` : '';
  const detail = `Ollama ${version.raw} gives models that name no context ${reached} tokens${why}`;
  if (reached >= LARGE) return warning(`${detail}; each takes memory for all of them.`, REMEDY);
  if (reached < 4096) return warning(`${detail}; it cuts longer conversations without a word.`, REMEDY);
  const unseen = byVramGiB.length > 0 && !view.local() ? ' or more, by its GPUs' : '';
  return ok(`${detail}${unseen}; models of this tool name their own.`);
}

async function vramGiB(view: DoctorView): Promise<number> {
  const { gpus } = await view.profile();
  return gpus.filter(({ backend }) => backend !== 'none').reduce((sum, { vramTotal = 0 }) => sum + vramTotal / GIB, 0);
}
