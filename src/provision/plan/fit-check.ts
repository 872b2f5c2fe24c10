import type { Family, Model } from '../../catalog/schema.ts';
import { ProvisionError } from '../../core/errors.ts';
import { comparison } from '../../fit/choice/reasons.ts';
import { type Adjustable, type LoadedModel, recommend } from '../../fit/choice/recommend.ts';
import type { SettingOrigins } from '../../fit/choice/request.ts';
import { defaultFlashAttention } from '../../fit/memory/engines.ts';
import type { Candidate, Engine, Recommendation, RunSettings } from '../../fit/schema.ts';
import type { GgufFacts } from '../../gguf/schema.ts';
import type { InstallRequest, PlanningInputs } from './contract.ts';

/** What a ranking looks at besides the request. */
export interface RankInputs extends Pick<PlanningInputs, 'facts' | 'profile' | 'ram' | 'measured'> {
  /** Models that are loaded now. */
  readonly loaded?: readonly LoadedModel[];
  /** The model with all its quants, where one of them alone is ranked. */
  readonly whole?: Model;
  readonly settingOrigins?: SettingOrigins;
  /** Adds the table of quants, contexts and types of the KV cache. */
  readonly table?: boolean;
}

/** Ranks the quants of a model on the host of this plan. */
export function rank(model: Model, family: Family, request: InstallRequest, inputs: RankInputs): Recommendation {
  const { facts, profile, ram, loaded, settingOrigins, table } = inputs;
  const { architecture } = family;
  return recommend({
    family,
    model,
    ...runSettings(model, architecture, facts.engine, request.settings),
    engine: facts.engine,
    profile,
    ...(request.projectorBytes !== undefined && { projectorBytes: request.projectorBytes }),
    ...(request.useCase !== undefined && { useCase: request.useCase }),
    ...(request.policy !== undefined && { policy: request.policy }),
    ...(request.from === undefined && { unpublished: unpublishedOf(inputs.whole ?? model) }),
    blockedByServer: (quant) => facts.quantRefusal(architecture, quant),
    measured: (quant) => inputs.measured?.(model.id, quant),
    ...(ram !== undefined && { ram }),
    ...(loaded !== undefined && { loaded }),
    ...(settingOrigins !== undefined && { settingOrigins }),
    ...(table !== undefined && { table }),
  });
}

/** Quants that are neither in this package nor at a source of the catalog; none where that is true of all of them. */
function unpublishedOf({ quants }: Model): ReadonlySet<string> {
  const without = quants.filter(({ bundled, sources }) => bundled === undefined && sources === undefined);
  return new Set(without.length === quants.length ? [] : without.map(({ id }) => id));
}

/** A model of one quant, with the shape and the tensors from a file's own header. */
export function measuredModel(model: Model, quant: string, header: GgufFacts): Model {
  const entry = model.quants.find(({ id }) => id === quant);
  const { weights } = header;
  const measured = { id: quant, file: entry?.file ?? 'model.gguf', quality: entry?.quality ?? 3, weights };
  return { ...model, hyperparameters: header.hyperparameters ?? model.hyperparameters, quants: [measured] };
}

/** A chosen quant on this host, and what its Modelfile says of the load. */
export interface Fit {
  readonly candidate: Candidate;
  readonly settings: RunSettings;
  /** Layers for the GPU, where only a part of them goes there. */
  readonly gpuLayers?: number;
  readonly reasons: readonly string[];
}

/** The verdict for the chosen quant, from the tensor list of the file itself. */
export function fitOf(
  { family, model, quant }: { family: Family; model: Model; quant: string },
  header: GgufFacts,
  request: InstallRequest,
  inputs: RankInputs,
): Fit {
  const { candidates, choice, settings, settingReasons } = rank(
    measuredModel(model, quant, header),
    family,
    request,
    inputs,
  );
  const [candidate] = candidates;
  if (candidate === undefined) throw new TypeError('a model with one quant has one candidate');
  const gpuLayers = choice?.parameters.num_gpu;
  return {
    candidate,
    settings,
    ...(gpuLayers !== undefined && { gpuLayers }),
    reasons: [...candidate.reasons, ...settingReasons],
  };
}

/** What a requested quant costs compared with the one that would have been chosen; nothing where they are the same. */
export function overrideReasons(quant: string, { choice, candidates }: Recommendation): string[] {
  if (choice === undefined || choice.quant === quant) return [];
  const named = candidates.find((candidate) => candidate.quant === quant);
  const chosen = candidates.find((candidate) => candidate.quant === choice.quant);
  if (named === undefined || chosen === undefined) return [];
  return [
    `Without --quant the choice would be ${choice.quant}; compared with that, ${quant} means: ${comparison(named, chosen)}.`,
  ];
}

/** Micro-batch of Ollama and of llama.cpp by default. */
const DEFAULT_BATCH = 512;

export interface Settings {
  readonly settings: RunSettings;
  /** What they would be by default. */
  readonly usual: RunSettings;
  /** Those that were not requested and that may be made smaller to fit. */
  readonly adjustable: readonly Adjustable[];
}

/** The settings that an estimate is for: what was asked, else the model's defaults. Throws `bad-usage` for a context beyond the model's. */
export function runSettings(model: Model, architecture: string, engine: Engine, asked: Partial<RunSettings>): Settings {
  const longest = model.hyperparameters.contextLength;
  if (asked.contextLength !== undefined && asked.contextLength > longest) {
    throw new ProvisionError(
      'bad-usage',
      `--ctx ${asked.contextLength} exceeds the maximum context of ${model.id}, ${longest} tokens`,
      {
        suggestions: [`Use --ctx ${longest} or less.`],
      },
    );
  }
  const contextLength = Math.min(model.defaultContext, longest);
  const usual: RunSettings = {
    contextLength,
    batch: Math.min(DEFAULT_BATCH, asked.contextLength ?? contextLength),
    parallel: 1,
    kvType: 'f16',
    flashAttention: defaultFlashAttention(engine, architecture).on,
  };
  const adjustable = (['contextLength', 'batch'] as const).filter((setting) => asked[setting] === undefined);
  return { settings: { ...usual, ...asked }, usual, adjustable };
}
