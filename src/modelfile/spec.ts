import { chatTemplateName, ownMinimumOllama } from '../catalog/chat-format.ts';
import type { Family, Model, SamplingProfile } from '../catalog/schema.ts';
import { rendererSince } from '../compat/renderers.ts';
import { compareNumbers, parseServerVersion } from '../compat/version.ts';
import { digestOf } from '../core/digest.ts';
import { ProvisionError } from '../core/errors.ts';
import { didYouMean } from '../core/suggest.ts';
import type { BuiltInFormat, ModelSpec, ParameterValue } from './schema.ts';

export interface SpecRequest {
  readonly family: Family;
  readonly model: Model;
  /** Text of the template that `templateName` names. */
  readonly chatTemplate: string;
  /** Default: the model's, else the family's. */
  readonly templateName?: string;
  /** For a file that has no template of its own. */
  readonly jinja?: string;
  /** Name of a sampling profile; default the family's own. */
  readonly profile?: string;
  /** Tokens, 1 to the model's trained context; default the model's `defaultContext`. */
  readonly contextLength?: number;
  /** `num_batch`, tokens; absent = the server's default. */
  readonly batch?: number;
  /** `num_gpu`, layers on the GPU, the output layer counted; absent = the server decides. */
  readonly gpuLayers?: number;
  /** A system text to store with the model. */
  readonly system?: string;
}

/**
 * The create request's part that does not depend on bytes. Throws `bad-usage` for an unknown profile and for a
 * context or batch out of range, `bad-template` for a chat template that {@link checkChatTemplate} refuses.
 */
export function modelSpec(request: SpecRequest): ModelSpec {
  const { family, model, chatTemplate, templateName = chatTemplateName(family, model), jinja, system } = request;
  const builtIn = builtInFormat(family, model, templateName);
  // What the server writes is its own: the text is what it is compared with.
  if (builtIn === undefined) checkChatTemplate(family, templateName, chatTemplate);
  const profile = request.profile ?? family.defaultProfile;
  return {
    templateName,
    template: chatTemplate,
    templateDigest: digestOf(chatTemplate),
    ...(jinja !== undefined && { jinja }),
    ...(builtIn !== undefined && { builtIn }),
    profile,
    parameters: {
      ...samplingParameters(profileOf(family, profile)),
      num_ctx: contextLengthOf(model, request.contextLength),
      ...(request.batch !== undefined && { num_batch: batchOf(request.batch) }),
      ...(request.gpuLayers !== undefined && { num_gpu: request.gpuLayers }),
      stop: [...family.tokens.stop],
    },
    license: family.licence.text,
    ...(system !== undefined && { system }),
  };
}

/**
 * The format that servers have built in for the model's template, and the first Ollama that has it and runs the model. Absent for
 * another template: that of a pretrained model.
 */
export function builtInFormat(family: Family, model: Model, templateName: string): BuiltInFormat | undefined {
  const { ollama: names, thinking } = model.chat ?? {};
  if (names === undefined || templateName !== chatTemplateName(family, model)) return undefined;
  const requires = newest([rendererSince(names.renderer), ownMinimumOllama(model)?.version]);
  return {
    ...names,
    ...(requires !== undefined && { requires }),
    ...(thinking !== undefined && { thoughts: { opens: thinking.opens, closes: thinking.closes } }),
  };
}

function newest(versions: readonly (string | undefined)[]): string | undefined {
  const known = versions.flatMap((version) => {
    const numbers = version === undefined ? undefined : parseServerVersion(version).numbers;
    return version === undefined || numbers === undefined ? [] : [{ version, numbers }];
  });
  return known.toSorted((a, b) => compareNumbers(a.numbers, b.numbers)).at(-1)?.version;
}

/**
 * Refuses templates that do silent harm: one with the BOS token in it (the tokenizer adds BOS itself, and Ollama
 * 0.4 to 0.24 only log a warning about a prompt with two), and one that shows no message of the user.
 */
function checkChatTemplate(family: Family, name: string, chatTemplate: string): void {
  const named = `The chat template ${name} of ${family.id}`;
  if (family.tokens.bos !== '' && chatTemplate.includes(family.tokens.bos)) {
    throw new ProvisionError('bad-template', `${named} contains ${family.tokens.bos}, which the server also adds`, {
      suggestions: [`Remove ${family.tokens.bos} from templates/chat/${name}.gotmpl.`],
    });
  }
  if (!/\.(Messages|Prompt)\b/.test(chatTemplate)) {
    throw new ProvisionError(
      'bad-template',
      `${named} uses neither .Messages nor .Prompt: it would omit every message`,
    );
  }
}

function profileOf(family: Family, name: string): SamplingProfile {
  const profile = Object.hasOwn(family.profiles, name) ? family.profiles[name] : undefined;
  if (profile !== undefined) return profile;
  throw new ProvisionError('bad-usage', `${family.id} does not have a sampling profile ${name}`, {
    suggestions: didYouMean(name, Object.keys(family.profiles)),
  });
}

/** The profile's numbers in the schema's order, without where they came from. */
function samplingParameters({ source: _source, ...numbers }: SamplingProfile): Record<string, ParameterValue> {
  const set = Object.entries(numbers).flatMap(([name, value]) => (value === undefined ? [] : [[name, value] as const]));
  return Object.fromEntries(set);
}

function contextLengthOf(model: Model, asked: number | undefined): number {
  const longest = model.hyperparameters.contextLength;
  const tokens = asked ?? Math.min(model.defaultContext, longest);
  if (Number.isInteger(tokens) && tokens >= 1 && tokens <= longest) return tokens;
  throw new ProvisionError(
    'bad-usage',
    `A context of ${tokens} tokens is out of range for ${model.id}: 1 to ${longest}`,
  );
}

function batchOf(tokens: number): number {
  if (Number.isInteger(tokens) && tokens >= 1) return tokens;
  throw new ProvisionError(
    'bad-usage',
    `A batch of ${tokens} tokens is out of range: it must be a whole number of at least 1`,
  );
}
