import type { ServerFacts } from '../../compat/lookup.ts';
import { verdictFor } from '../../compat/verdict.ts';
import { isAtLeast } from '../../compat/version.ts';
import { formatBytes, GIB } from '../../core/units.ts';
import { ollamaValue } from '../../hardware/ollama-environment.ts';
import type { HostProfile } from '../../hardware/schema.ts';
import { defineCheck, type Finding, ok, problem, skipped, warning, withServer } from '../check.ts';
import type { Loaded } from '../replies.ts';
import type { DoctorView } from '../view.ts';

/** Whether this version of the server can run the named model. */
export const modelSupport = defineCheck({
  id: 'model-support',
  title: 'Model on this server',
  run: (view) =>
    withServer(view, async ({ version }) => {
      const { architecture, label, named } = await view.subject();
      if (!named) return skipped('No model was named. To check one: gemma-provision doctor MODEL.');
      const verdict = verdictFor({ architecture, version });
      if (!verdict.ok) return problem(verdict.reason, verdict.remedy ?? 'Upgrade Ollama.');
      if (verdict.basis !== 'unknown') return ok(verdict.reason);
      return warning(
        verdict.reason,
        `Try it: gemma-provision install ${label} tests the model and rolls it back if it fails.`,
      );
    }),
});

/** An `expires_at` further in the future than this means "never": Ollama writes a date centuries from now. */
const NEVER_MS = 365 * 86_400_000;

/** Models that are in memory now, and whether they leave room for another. */
export const loadedModels = defineCheck({
  id: 'loaded-models',
  title: 'Loaded models',
  run: (view) =>
    withServer(view, async () => {
      const models = await view.loaded();
      if (models.length === 0) return ok('No model is in memory.');
      const detail = `In memory: ${models.map(describeLoaded).join('; ')}.`;
      const remedy = `Free the memory: ollama stop ${models.map(({ name }) => name).join(' ')}`;
      const permanent = models.filter((model) => neverExpires(model, view.now()));
      if (permanent.length > 0) {
        return warning(
          `${detail} ${permanent.map(({ name }) => name).join(' and ')} is never unloaded automatically.`,
          remedy,
        );
      }
      const short = await shortage(view);
      return short === undefined ? ok(detail) : warning(`${detail} ${short}`, remedy);
    }),
});

function describeLoaded({ name, size, size_vram }: Loaded): string {
  if (size === undefined) return name;
  const onGpu = size_vram === undefined || size_vram === 0 ? '' : `, ${formatBytes(size_vram)} of it on GPUs`;
  return `${name} with ${formatBytes(size)}${onGpu}`;
}

function neverExpires({ expires_at }: Loaded, now: number): boolean {
  return Date.parse(expires_at ?? '') - now > NEVER_MS;
}

/** A sentence when the free memory is too small for the model's weights; undefined when it is enough or unknown. */
async function shortage(view: DoctorView): Promise<string | undefined> {
  if (!view.local()) return undefined;
  const [profile, { label, smallest }] = await Promise.all([view.profile(), view.subject()]);
  const free = freeMemory(profile);
  if (free >= smallest.bytes) return undefined;
  return `${formatBytes(free)} of memory are free, ${label} needs ${formatBytes(smallest.bytes)} for its weights alone.`;
}

function freeMemory({ memory, gpus }: HostProfile): number {
  const dedicated = gpus.filter(({ memoryKind }) => memoryKind === 'dedicated');
  return dedicated.reduce((sum, { vramFree = 0 }) => sum + vramFree, memory.usable);
}

/** First release that reads OLLAMA_CONTEXT_LENGTH (the word is in the program of 0.5.13, not in that of 0.5.4). */
const READS_VARIABLE = '0.5.13';
/** From here on the KV cache of an ordinary model outweighs a small model's weights. */
const LARGE_CONTEXT = 32_768;

const CONTEXT_REMEDY =
  'Give each model its own num_ctx, as this tool does, or set OLLAMA_CONTEXT_LENGTH for the server.';

/** The context length of models that set none, and whether it is unusual. */
export const context = defineCheck({
  id: 'context',
  title: 'Default context',
  run: (view) =>
    withServer(view, async (facts) => {
      const set = await contextVariable(view);
      if (set !== undefined && set.value !== '' && set.value !== '0' && isAtLeast(facts.version, READS_VARIABLE)) {
        return fromVariable(set);
      }
      return fromVersion(view, facts);
    }),
});

interface ContextVariable {
  readonly value: string;
  /** True when it is the server's own; false when it is set in this environment, which the server may not share. */
  readonly certain: boolean;
}

async function contextVariable(view: DoctorView): Promise<ContextVariable | undefined> {
  const environment = view.local() ? (await view.process()).environment : undefined;
  const value = ollamaValue(environment ?? view.env, 'OLLAMA_CONTEXT_LENGTH');
  return value === undefined ? undefined : { value, certain: environment !== undefined };
}

function fromVariable({ value, certain }: ContextVariable): Finding {
  const named = `OLLAMA_CONTEXT_LENGTH=${value}`;
  const place = certain ? '' : ' here (the server has its own environment)';
  if (!/^\d{1,9}$/.test(value)) {
    return warning(
      `${named}${place} is not a number: the server ignores it.`,
      'Set it to a number of tokens, or unset it.',
    );
  }
  if (Number(value) >= LARGE_CONTEXT) {
    return warning(
      `${named}${place}: every model that sets no context uses memory for ${value} tokens.`,
      CONTEXT_REMEDY,
    );
  }
  return ok(`${named}${place}: models that set no context get ${value} tokens.`);
}

async function fromVersion(view: DoctorView, { defaultContext, version }: ServerFacts): Promise<Finding> {
  const { tokens, byVramGiB = [] } = defaultContext;
  const vram = byVramGiB.length > 0 && view.local() ? await vramGiB(view) : 0;
  const reached = byVramGiB.findLast(({ from }) => vram >= from)?.tokens ?? tokens;
  const why = vram > 0 && reached !== tokens ? `, since its GPUs have ${vram.toFixed(0)} GiB` : '';
  const detail = `Ollama ${version.raw} gives models that set no context ${reached} tokens${why}`;
  if (reached >= LARGE_CONTEXT) return warning(`${detail}; each uses memory for all of them.`, CONTEXT_REMEDY);
  if (reached < 4096) return warning(`${detail}; it truncates longer conversations silently.`, CONTEXT_REMEDY);
  const unseen = byVramGiB.length > 0 && !view.local() ? ' or more, depending on its GPUs' : '';
  return ok(`${detail}${unseen}; models installed by this tool set their own.`);
}

async function vramGiB(view: DoctorView): Promise<number> {
  const { gpus } = await view.profile();
  return gpus.filter(({ backend }) => backend !== 'none').reduce((sum, { vramTotal = 0 }) => sum + vramTotal / GIB, 0);
}

/** Models under test that a run left in the server when it crashed: they use disk space and serve no purpose. */
export const staging = defineCheck({
  id: 'staging',
  title: 'Leftovers of runs',
  run: (view) =>
    withServer(view, async () => {
      const left = (await view.names()).filter((name) => name.startsWith(view.stagingPrefix));
      if (left.length === 0) return ok('No interrupted run left a model in the server.');
      return warning(
        `Left by a run that is still active or was interrupted: ${left.join(', ')}.`,
        `Install the same model again, which removes them, or: ollama rm ${left.join(' ')}`,
      );
    }),
});
