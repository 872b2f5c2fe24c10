import type { Model } from '../../catalog/schema.ts';
import { ProvisionError } from '../../core/errors.ts';
import type { Adjustable } from '../../fit/choice/recommend.ts';
import { defaultFlashAttention } from '../../fit/memory/engines.ts';
import type { Engine, RunSettings } from '../../fit/schema.ts';

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
