import { formatBytes } from '../../core/units.ts';
import { bestDevice } from '../memory/devices.ts';
import { traitsOf } from '../memory/engines.ts';
import type { Candidate, LoadParameters, RunSettings } from '../schema.ts';
import { candidateOf } from './candidate.ts';
import { compareMerit, improves, rankQuants } from './rank.ts';
import { PLACEMENT_TEXT } from './reasons.ts';
import type { Adjustable, Ranking, RecommendRequest } from './request.ts';

/** Smaller micro-batches that are tried, and the smallest context that is still of use. */
const BATCHES = [256, 128] as const;
const LEAST_CONTEXT = 1024;

export interface Adjusted {
  readonly ranking: Ranking;
  /** Under the settings as they were. */
  readonly base: Ranking;
}

/**
 * The ranking under the settings as they are, or under smaller ones where that gives a better choice and the user did not ask for
 * the larger ones. First a smaller micro-batch, which costs speed of reading the prompt only and saves most (0.3 MiB a
 * token of it for Gemma 3n E4B, 1 MiB where all logits are kept); a shorter context only where nothing would run otherwise.
 */
export function rankAdjusted(request: RecommendRequest): Adjusted {
  const base = rankQuants(request);
  if (!mayImprove(base)) return { ranking: base, base };
  for (const settings of smallerSettings(request, base.best)) {
    const ranking = rankQuants({ ...request, settings });
    if (improves(ranking.best, base.best)) return { ranking, base };
  }
  return { ranking: base, base };
}

/** Whether any quant would lead if all of it came to the best place that this host has: else no room could change the choice. */
function mayImprove({ best, candidates, order, request }: Ranking): boolean {
  if (best === undefined) return true;
  const place = bestDevice(request.profile, request.engine).device === undefined ? 'cpu' : 'gpu';
  const atBest = candidates
    .filter(({ verdict }) => verdict !== place)
    .map((candidate): Candidate => ({ ...candidate, verdict: place, fastEnough: true, reachesFloor: true }));
  return atBest.some((candidate) => improves(candidate, best) && compareMerit(candidate, best, order) <= 0);
}

function smallerSettings(request: RecommendRequest, best: Candidate | undefined): RunSettings[] {
  const { settings, adjustable = [] } = request;
  const may = (setting: Adjustable): boolean => adjustable.includes(setting);
  const batches = may('batch') ? BATCHES.filter((batch) => batch < settings.batch) : [];
  const tried = batches.map((batch): RunSettings => ({ ...settings, batch }));
  if (best !== undefined || !may('contextLength')) return tried;
  const least = tried.at(-1) ?? settings;
  const contexts: RunSettings[] = [];
  for (let tokens = settings.contextLength / 2; tokens >= LEAST_CONTEXT; tokens /= 2) {
    contexts.push({ ...least, contextLength: Math.floor(tokens) });
  }
  return [...tried, ...contexts];
}

/** What the Modelfile of a candidate gets. */
export function loadParameters({ verdict, gpuLayers }: Candidate, settings: RunSettings): LoadParameters {
  return {
    num_ctx: settings.contextLength,
    num_batch: settings.batch,
    ...(verdict === 'partial' && gpuLayers !== undefined && { num_gpu: gpuLayers }),
  };
}

/** How a person calls a setting, and what a Modelfile cannot say of it. */
const SETTINGS = {
  contextLength: { name: 'num_ctx' },
  batch: { name: 'num_batch' },
  kvType: { name: 'KV cache type', variable: 'OLLAMA_KV_CACHE_TYPE' },
  parallel: { name: 'parallel requests', variable: 'OLLAMA_NUM_PARALLEL' },
  flashAttention: { name: 'flash attention', variable: 'OLLAMA_FLASH_ATTENTION' },
} as const satisfies Record<keyof RunSettings, { readonly name: string; readonly variable?: string }>;

/** Why the settings are what they are, and what each that differs from the usual one costs the choice. */
export function settingReasons({ ranking: { request, best }, base }: Adjusted): string[] {
  const { settings, usual = {}, settingOrigins = {}, engine } = request;
  const asked = base.request;
  const reasons: string[] = [];
  for (const setting of ['contextLength', 'batch', 'kvType', 'parallel', 'flashAttention'] as const) {
    const made = settings[setting] !== asked.settings[setting];
    const before = made ? asked.settings[setting] : usual[setting];
    if (before === undefined || before === settings[setting]) continue;
    const { name, ...rest } = SETTINGS[setting];
    const cost = best === undefined ? '' : costOf(best, request, { [setting]: before }, settingText(before));
    const why = made
      ? `instead of ${settingText(before)}; with ${settingText(before)} ${otherwise(base.best)}`
      : `${settingOrigins[setting] ?? 'as requested'}${cost}`;
    reasons.push(`${name} is ${settingText(settings[setting])} ${why}.`);
    if ('variable' in rest && traitsOf(engine).hasServerVariables) {
      const value = setting === 'flashAttention' ? Number(settings.flashAttention) : settings[setting];
      reasons.push(`A Modelfile cannot set this. Start the server with ${rest.variable}=${value}.`);
    }
  }
  if (settings.batch < asked.settings.batch)
    reasons.push('With a smaller num_batch, long prompts are read more slowly.');
  if (settings.kvType !== 'f16' && !settings.flashAttention) {
    reasons.push(`Without flash attention, a KV cache of type ${settings.kvType} is ignored or fails to load.`);
  }
  return reasons;
}

function otherwise(best: Candidate | undefined): string {
  return best === undefined
    ? 'no quant would run'
    : `the choice would be ${best.quant} ${PLACEMENT_TEXT[best.verdict]}`;
}

function settingText(value: RunSettings[keyof RunSettings]): string {
  return typeof value === 'boolean' ? (value ? 'on' : 'off') : String(value);
}

/** `, which needs 34.0 MiB less than f16`; empty where it makes no difference. */
function costOf(best: Candidate, request: RecommendRequest, usual: Partial<RunSettings>, before: string): string {
  const quant = request.model.quants.find(({ id }) => id === best.quant);
  if (quant === undefined) return '';
  const other = candidateOf(quant, { ...request, settings: { ...request.settings, ...usual } }, {});
  const more = best.memory.totalBytes - other.memory.totalBytes;
  // Elsewhere it would be another sum of other parts.
  if (more === 0 || other.gpuLayers !== best.gpuLayers) return '';
  return `, which needs ${formatBytes(Math.abs(more))} ${more > 0 ? 'more' : 'less'} than ${before}`;
}
