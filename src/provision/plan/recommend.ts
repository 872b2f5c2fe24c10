import * as z from 'zod';
import { defaultModel } from '../../catalog/lookup.ts';
import type { Family, Model } from '../../catalog/schema.ts';
import { matrix } from '../../compat/matrix.ts';
import { requireVersion } from '../../compat/version.ts';
import { defined } from '../../core/defined.ts';
import { ProvisionError } from '../../core/errors.ts';
import { formatBytes } from '../../core/units.ts';
import { PLACEMENT_TEXT } from '../../fit/choice/reasons.ts';
import type { LoadedModel } from '../../fit/choice/recommend.ts';
import { traitsOf } from '../../fit/memory/engines.ts';
import { PROJECTOR_HEADROOM_BYTES } from '../../fit/memory/estimate.ts';
import { type Change, Recommendation } from '../../fit/schema.ts';
import type { GgufFacts } from '../../gguf/schema.ts';
import { HostProfile } from '../../hardware/schema.ts';
import type { Refusal, Runtime, RuntimeFacts, RuntimeIdentity } from '../../runtimes/contract.ts';
import {
  capabilitiesOf,
  mayUseAnother,
  type OpenRuntime,
  ollamaFacts,
  type RuntimeFlags,
} from '../../runtimes/registry.ts';
import { resolveSource } from '../../sources/index.ts';
import type { AppContext } from '../context.ts';
import type { InstallRequest } from './contract.ts';
import { measuredModel, overrideReasons, rank } from './fit-check.ts';
import type { HostFlags } from './host.ts';
import { checkHeader, identifyByHeader, identifyByName } from './identify.ts';
import { otherModelChange } from './other-model.ts';
import { fileNameOf } from './quant-places.ts';
import { requireFamily } from './resolve-request.ts';
import { speedInputs } from './speed.ts';
import { unlistedWarnings } from './unlisted.ts';

export const RecommendData = Recommendation.extend({
  hardware: HostProfile,
  /** The server that the plan is for; absent for the embedded runtime. */
  server: z.strictObject({ version: z.string(), endpoint: z.string() }).optional(),
  /** What a projector for pictures and sound would mean; absent for a model without one. */
  projector: z
    .strictObject({
      id: z.string(),
      /** Memory with its buffers, in bytes. */
      bytes: z.int().nonnegative(),
      /** It is counted in the ranking: `--vision on`. */
      counted: z.boolean(),
      /** What `install` does with it, as one sentence. */
      sentence: z.string(),
    })
    .optional(),
  /** The page that was written, absolute. */
  html: z.string().optional(),
});
export type RecommendData = z.infer<typeof RecommendData>;

export interface RecommendFlags extends HostFlags, RuntimeFlags {
  readonly 'server-version'?: string | undefined;
  readonly table?: boolean | undefined;
  /** Catalog files of the user. */
  readonly catalog?: readonly string[] | undefined;
}

/** The server that a recommendation is for, and what it means for the estimate. */
interface Target {
  readonly facts: RuntimeFacts;
  readonly server?: { readonly version: string; readonly endpoint: string };
  /** Models that are loaded there now and share this host's memory. */
  readonly loaded?: readonly LoadedModel[];
  /** The runtime is on this machine, and the profile is of it as it is. */
  readonly here: boolean;
  /** The model would be in the RAM of this machine as it is, so its speed can be measured. */
  readonly usesThisRam: boolean;
  /** The server that answered; absent where none was asked, or the plan is for another machine. */
  readonly identity?: RuntimeIdentity;
}

/**
 * Ranks a model's quants. With a saved profile nothing of this host is asked, so the answer is the same everywhere;
 * `--server-version` describes a server that is not reachable from here.
 */
export async function recommendFor(
  app: AppContext,
  asked: InstallRequest,
  flags: RecommendFlags,
): Promise<{ data: RecommendData; warnings: readonly string[] }> {
  const { hostProfile } = await import('./host.ts');
  const profile = await hostProfile(flags, app.hostContext());
  const { family, model, quant, doubts } = await modelFor(app, asked);
  const { facts, server, loaded, here, usesThisRam, identity } = await targetOf(app, flags, profile);
  const eyes = projectorFor(model, asked.vision, facts.projectorRefusal(family.architecture));
  const request = eyes?.counted ? { ...asked, projectorBytes: eyes.weights } : asked;
  const refusal = facts.refusal(family.architecture, model);
  const speed = await speedInputs({ profile, usesThisRam, app, ...(identity !== undefined && { identity }) });
  const inputs = {
    // A server without the architecture loads no quant of it.
    facts: refusal === undefined ? facts : { ...facts, quantRefusal: () => refusal.reason },
    profile,
    ...speed,
    ...(loaded !== undefined && { loaded }),
    ...(flags.table && { table: true }),
  };
  const ranking = rank(quant === undefined ? model : only(model, quant), family, request, { ...inputs, whole: model });
  // A requested quant is compared with the choice among all quants.
  const all = quant === undefined ? ranking : rank(model, family, request, inputs);
  const against = quant === undefined ? [] : overrideReasons(quant, all);
  if (ranking.choice !== undefined && quant !== undefined) {
    const { policy: _, reasons, picks, ...choice } = ranking.choice;
    ranking.choice = { ...choice, picks: all.choice?.picks ?? picks, reasons: [...reasons, ...against] };
  } else if (quant !== undefined) {
    const { choice: other, shortfall } = all;
    const instead = other === undefined ? shortfall : `Without --quant the choice is ${other.quant}.`;
    if (instead !== undefined) ranking.shortfall = instead;
  }
  const warnings = [
    ...facts.warnings,
    ...doubts,
    ...profile.warnings,
    ...(refusal === undefined ? [] : [refusal.remedy]),
  ];
  if (quant === undefined) {
    const found = otherModelChange(model, ranking, await app.catalog(), request, { ...inputs, facts });
    const isLive = here && flags['what-if'] === undefined;
    ranking.changes.unshift(...found.map((change) => withCommand(change, request, flags, isLive)));
  }
  const { measurements } = model;
  const chosenFrom = (named: string | undefined): Model => (named === undefined ? model : only(model, named));
  const choiceBeside = (bytes: number) => (named: string | undefined) =>
    rank(chosenFrom(named ?? quant), family, { ...asked, projectorBytes: bytes }, inputs).choice;
  const projector = eyes && projectorData(eyes, ranking, choiceBeside(eyes.weights));
  const data: RecommendData = {
    ...ranking,
    ...(measurements && { measurements }),
    ...(projector && { projector }),
    hardware: profile,
    ...(server && { server }),
  };
  return { data, warnings };
}

interface Eyes {
  readonly id: string;
  /** Of its tensors, in bytes. */
  readonly weights: number;
  readonly counted: boolean;
  readonly refusal?: Refusal | undefined;
}

/** Throws `bad-usage` and `runtime-too-old` where `--vision on` cannot be. */
function projectorFor(
  { id: model, modalities, projectors = [] }: Model,
  vision: InstallRequest['vision'],
  refusal: Refusal | undefined,
): Eyes | undefined {
  const [best] = projectors;
  const weights = best?.tensorBytes?.value ?? best?.fileBytes?.value;
  const counted = vision === 'on';
  if (counted && refusal !== undefined)
    throw new ProvisionError('runtime-too-old', `${model} cannot take pictures here: ${refusal.reason}`, {
      suggestions: [refusal.remedy],
    });
  if (vision === 'off') return undefined;
  if (best !== undefined && weights !== undefined) return { id: best.id, weights, counted, refusal };
  if (!counted) return undefined;
  const sees = modalities.some(({ kind, direction }) => kind !== 'text' && direction === 'input');
  const why = sees ? 'the catalog has no projector of a known size for it' : 'it takes text only';
  throw new ProvisionError('bad-usage', `${model} cannot take pictures: ${why}`, {
    suggestions: ['Omit --vision on.'],
  });
}

function projectorData(
  { id, weights, counted, refusal }: Eyes,
  { choice }: Recommendation,
  beside: (quant: string | undefined) => Recommendation['choice'],
): RecommendData['projector'] {
  const bytes = weights + PROJECTOR_HEADROOM_BYTES;
  const size = formatBytes(bytes);
  if (counted) return { id, bytes, counted, sentence: `The projector ${id} is counted: ${size} for pictures.` };
  if (refusal !== undefined) return { id, bytes, counted, sentence: `Text only: ${refusal.reason}.` };
  // Where no quant runs, what a projector would change is no question.
  if (choice === undefined) return undefined;
  if (beside(choice.quant)?.verdict === choice.verdict) {
    const sentence = `For pictures, install adds the projector ${id}: ${size} of memory, and the quant stays the same.`;
    return { id, bytes, counted, sentence };
  }
  const then = beside(undefined);
  const changed =
    then === undefined ? 'beside which nothing fits' : `with which ${then.quant} runs ${PLACEMENT_TEXT[then.verdict]}`;
  const sentence = `For pictures, --vision on adds the projector ${id}: ${size} of memory, ${changed}.`;
  return { id, bytes, counted, sentence };
}

/** The catalog's model, or the one that a file's header describes. */
async function modelFor(
  app: AppContext,
  request: InstallRequest,
): Promise<{ family: Family; model: Model; quant?: string | undefined; doubts: readonly string[] }> {
  const catalog = await app.catalog();
  const nameOnly = () => {
    const named = identifyByName(catalog, request.model ?? defaultModel(catalog), request.quant);
    requireFamily(named, request.family);
    return named;
  };
  if (request.from === undefined) return { ...nameOnly(), doubts: [] };
  const { header, name } = await headerFrom(app, request.from);
  if (request.model !== undefined) checkHeader(nameOnly(), header, name);
  const { family, model, quant } = identifyByHeader(catalog, header, name, request.family);
  const doubts = [...header.warnings, ...unlistedWarnings(family)];
  return { family, model: measuredModel(model, quant ?? 'unknown', header), doubts };
}

/** The header of a file on this machine or on a web server. */
async function headerFrom(app: AppContext, ref: string): Promise<{ header: GgufFacts; name: string }> {
  const { readSourceHeader, readRemoteHeader } = await import('./header.ts');
  const { sources, http } = await app.bytes();
  const options = { http, signal: app.options.signal };
  // Without a digest the reference cannot be installed, but its header can still be read.
  if (/^https?:/i.test(ref)) {
    const name = URL.parse(ref)?.pathname.split('/').at(-1) ?? '';
    return { header: await readRemoteHeader(ref, options), name };
  }
  const resolved = await resolveSource(sources, { ref, signal: app.options.signal });
  if (resolved.kind === 'library') {
    throw new ProvisionError('bad-usage', `${ref} is not a file: only the server knows what it would pull`, {
      suggestions: ['Specify a model of the catalog instead: gemma-provision recommend MODEL'],
    });
  }
  const header = await readSourceHeader(resolved, options);
  const warnings = [...(resolved.warnings ?? []), ...header.warnings];
  return { header: { ...header, warnings }, name: fileNameOf(resolved) };
}

/** The change with the command that makes it: on this host an install, for another one the same question about that model. */
function withCommand(change: Change, request: InstallRequest, flags: RecommendFlags, isLive: boolean): Change {
  const { model, quant } = change;
  const { contextLength, batch, parallel, kvType, flashAttention } = request.settings;
  const options = defined({
    host: flags.host,
    runtime: flags.runtime,
    'server-version': flags['server-version'],
    profile: flags.profile,
    'what-if': flags['what-if'],
    'use-case': request.useCase,
    policy: request.policy,
    ctx: contextLength,
    batch,
    parallel,
    'kv-type': kvType,
    'flash-attn': flashAttention === undefined ? undefined : flashAttention ? 'on' : 'off',
  });
  const typed = [...Object.entries(options), ...(flags.catalog ?? []).map((file) => ['catalog', file] as const)];
  const words = typed.flatMap(([name, value]) => [`--${name}`, shellWord(String(value))]);
  const what = isLive ? ['install', `${model}:${quant}`] : ['recommend', model];
  const command = ['gemma-provision', ...what, ...words].join(' ');
  return { ...change, command, sentence: `${change.sentence.replace(/\.$/, '')}: ${command}` };
}

function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

function only(model: Model, quant: string): Model {
  return { ...model, quants: model.quants.filter(({ id }) => id === quant) };
}

async function targetOf(app: AppContext, flags: RecommendFlags, profile: HostProfile): Promise<Target> {
  const version = flags['server-version'];
  if (version !== undefined) {
    requireVersion(version);
    return { facts: ollamaFacts(version), here: false, usesThisRam: false, server: { version, endpoint: 'not asked' } };
  }
  // A saved profile is another machine: what answers here says nothing about it.
  if (flags.profile !== undefined && flags.host === undefined && flags.runtime === undefined) {
    const { newestKnown: version } = matrix();
    const server = { version, endpoint: 'assumed' };
    return { facts: { ...ollamaFacts(version), warnings: [] }, here: false, usesThisRam: false, server };
  }
  const opened = await openOrAbsent(app, flags);
  const mine = flags.profile === undefined;
  const live = mine && flags['what-if'] === undefined;
  // Another GPU leaves the RAM as it is; other RAM is not the RAM that is here.
  const thisRam = mine && profile.sources['memory.total'] !== '--what-if';
  if (opened instanceof ProvisionError)
    return { ...(await newestOllama(app, opened.message)), here: live, usesThisRam: thisRam };
  const { runtime, facts, identity } = opened;
  if (
    profile.sources['gpus[0]'] === '--what-if' &&
    mayUseAnother(flags, app) &&
    !capabilitiesOf(identity.kind).isServer
  ) {
    const why = `The GPU that --what-if supposes is not used by ${traitsOf(facts.engine).title}.`;
    return { ...(await newestOllama(app, why)), here: false, usesThisRam: thisRam };
  }
  const here = live && facts.store !== undefined;
  const usesThisRam = thisRam && facts.store !== undefined;
  const known = { facts, here, usesThisRam, ...(live && { identity }) };
  if (!capabilitiesOf(identity.kind).isServer) return known;
  const server = { version: identity.version, endpoint: identity.endpoint };
  const loaded = here ? await loadedModels(runtime, app.options.signal) : [];
  return { ...known, server, ...(loaded.length > 0 && { loaded }) };
}

/** The runtime of this machine, or why it has none where the user named none either. */
async function openOrAbsent(app: AppContext, flags: RecommendFlags): Promise<OpenRuntime | ProvisionError> {
  try {
    return await app.open(flags);
  } catch (error) {
    const isAbsent = error instanceof ProvisionError && error.code === 'runtime-missing' && mayUseAnother(flags, app);
    if (isAbsent) return error;
    throw error;
  }
}

/** Advice needs no runtime: without one it is for the newest Ollama that is known. */
async function newestOllama(app: AppContext, why: string): Promise<Pick<Target, 'facts' | 'server'>> {
  const { newestKnown: version } = matrix();
  const facts = ollamaFacts(version, { purpose: 'models', path: await app.models() });
  const note = `${why} This recommendation is for Ollama ${version}, the newest known version.`;
  return { facts: { ...facts, warnings: [note] }, server: { version, endpoint: 'assumed' } };
}

/** A suggestion is not worth a longer wait. */
const PATIENCE_MS = 2000;

/**
 * What stopping the loaded models would free. A runtime that cannot report it, or not in time, has nothing loaded: only a
 * suggestion is lost. Throws at an abort alone.
 */
export async function loadedModels(
  runtime: Pick<Runtime, 'loadedModels'>,
  signal: AbortSignal,
): Promise<LoadedModel[]> {
  try {
    const patience = AbortSignal.any([signal, AbortSignal.timeout(PATIENCE_MS)]);
    const models = (await runtime.loadedModels?.(patience)) ?? [];
    return models.map(({ name, sizeBytes = 0, gpuBytes = 0 }) => ({
      name,
      gpuBytes,
      ramBytes: Math.max(0, sizeBytes - gpuBytes),
    }));
  } catch {
    signal.throwIfAborted();
    return [];
  }
}
