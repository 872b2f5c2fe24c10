/**
 * The compatibility matrix: which Ollama server can do what. Data that a person can check against its evidence.
 * `since` and `until` are the first and the last release (never a pre-release) with the behaviour; both inclusive.
 */
import * as z from 'zod';

const Release = z.string().regex(/^\d+\.\d+\.\d+$/, 'must be a release such as 0.9.3');
const Text = z.string().min(1);

/**
 * `live`: seen on a running server. `source`: read in the server's source at the tag. `third-party`: taken from an
 * issue, an advisory, a document or a model card. `inferred`: reasoned from the others.
 */
export const Verified = z.enum(['live', 'source', 'third-party', 'inferred']);
export type Verified = z.infer<typeof Verified>;

/** Where the word of a third party was read. */
export const Origin = z.enum(['issue', 'advisory', 'documentation', 'model card']);
export type Origin = z.infer<typeof Origin>;

const PROOF = { evidence: z.array(Text).min(1), verified: Verified, origin: Origin.optional() };
/** What every row says of how well it is founded. `origin` belongs to `third-party`, and to nothing else. */
export interface Proof {
  readonly verified: Verified;
  readonly origin?: Origin | undefined;
}

export const ArchitectureRow = z.strictObject({
  /** `general.architecture` of the GGUF. */
  id: Text,
  since: Release,
  /** What an older server does with it. */
  before: Text,
  note: Text.optional(),
  ...PROOF,
});
export type ArchitectureRow = z.infer<typeof ArchitectureRow>;

/** A model of the server's own library, whose registry refuses servers that are too old (HTTP 412). */
export const LibraryRow = z.strictObject({
  /** The library's family, `gemma3n`, and the architecture it needs. */
  id: Text,
  architecture: Text,
  since: Release,
  note: Text.optional(),
  ...PROOF,
});
export type LibraryRow = z.infer<typeof LibraryRow>;

export const CapabilityId = z.enum([
  'create-modelfile',
  'create-files',
  'create-any-key',
  'create-checks-architecture',
  'gguf-rewrite',
  'helper-programs',
  'all-logits',
  'split-gguf',
  'sorted-files',
  'projector-by-type',
  'projector-misread',
  'stub-after-error',
  'stream-error-status',
  'prune-grace',
  'renderer-parser',
  'requires',
  'template-detection',
  'jinja-template',
  'generate-jinja',
  'bos-stripped',
  'render-only',
  'prompt-count',
  'overflow-error',
  'structured-output',
  'show-model-info',
  'show-tensors',
  'show-capabilities',
  'tags-capabilities',
  'ps',
  'ps-context-length',
  'memory-check',
  'integrated-gpu',
]);
export type CapabilityId = z.infer<typeof CapabilityId>;

export const CapabilityRow = z.strictObject({
  id: CapabilityId,
  /** `ability`: wanted. `fault`: better absent. `change`: neither, but who works with the server must know it. */
  kind: z.enum(['ability', 'fault', 'change']),
  /** A clause with its own subject: `show reports the file's metadata`. */
  title: Text,
  since: Release,
  until: Release.optional(),
  /** Releases inside the range that are without it. */
  except: z.array(z.strictObject({ since: Release, until: Release })).optional(),
  /** What a server without it does, as a clause of which the server is the subject: `reports only the family`. */
  otherwise: Text,
  /** What to do where an ability is missing or a fault is present; a change asks for nothing. */
  remedy: Text.optional(),
  ...PROOF,
});
export type CapabilityRow = z.infer<typeof CapabilityRow>;

/** A Modelfile PARAMETER, which is also a request option. */
export const OptionRow = z.strictObject({ id: Text, since: Release, until: Release.optional(), ...PROOF });
export type OptionRow = z.infer<typeof OptionRow>;

/** Who places a model's tensors. The words are those of the memory estimator's `Engine`. */
export const EngineGeneration = z.enum(['ollama-a1', 'ollama-a2', 'ollama-b']);
export type EngineGeneration = z.infer<typeof EngineGeneration>;

/** Which quants of an architecture an engine generation loads on which device. */
export const QuantRow = z.strictObject({
  architecture: Text,
  /** In lower case, as in ids: `q5_k_m`. */
  quants: z.array(z.string().regex(/^[a-z][a-z0-9_]+$/)).min(1),
  engine: EngineGeneration,
  device: z.enum(['cpu', 'gpu']),
  /** `unknown`: there is no trusted evidence; the note says what is reported. */
  verdict: z.enum(['loads', 'unknown']),
  note: Text.optional(),
  ...PROOF,
});
export type QuantRow = z.infer<typeof QuantRow>;

/** A chat format that servers have built in for an architecture: the name for RENDERER. */
export const RendererRow = z.strictObject({
  id: Text,
  architecture: Text,
  since: Release,
  /** What an older server that runs the architecture does. */
  before: Text,
  /** A name under which older servers wrote the very same prompt. */
  standIn: z
    .strictObject({
      id: Text,
      since: Release,
      until: Release,
      except: z.array(z.strictObject({ since: Release, until: Release })).optional(),
    })
    .optional(),
  /** The prompt begins with a BOS that the renderer writes itself. */
  writesBos: z.boolean(),
  /** How the server chooses between prompts where the name alone does not say which: as a clause that goes after "the server". */
  chooses: Text.optional(),
  ...PROOF,
});
export type RendererRow = z.infer<typeof RendererRow>;

/** Since when a projector in a file of its own is used. */
export const ProjectorRow = z.strictObject({
  architecture: Text,
  since: Release,
  /** What an older server does with it. */
  before: Text,
  ...PROOF,
});
export type ProjectorRow = z.infer<typeof ProjectorRow>;

/** The template that create gives to a file without one of the Modelfile, by what the file's own says. */
export const DetectedTemplateRow = z.strictObject({
  architecture: Text,
  /** Absent where no version finds one. */
  template: Text.optional(),
  since: Release.optional(),
  note: Text,
  ...PROOF,
});
export type DetectedTemplateRow = z.infer<typeof DetectedTemplateRow>;

/** Default context in tokens: one number, or by the sum of all GPUs' memory, smallest first. */
export const DefaultContext = z.strictObject({
  tokens: z.int().positive(),
  byVramGiB: z.array(z.strictObject({ from: z.number().positive(), tokens: z.int().positive() })).optional(),
});
export type DefaultContext = z.infer<typeof DefaultContext>;

function steps<Value extends z.ZodType>(value: Value) {
  return z.array(z.strictObject({ since: Release, value, ...PROOF })).min(1);
}

export const DangerRow = z.strictObject({
  id: Text,
  title: Text,
  /** First release without the danger. */
  fixedIn: Release,
  detail: Text,
  remedy: Text,
  ...PROOF,
});
export type DangerRow = z.infer<typeof DangerRow>;

export const Matrix = z.strictObject({
  schemaVersion: z.literal(1),
  oldestSupported: Release,
  /** The newest server whose behaviour was read or seen; newer ones are assumed to behave like it. */
  newestKnown: Release,
  /** Servers that were run for this matrix, as they call themselves, oldest first. */
  seen: z.array(Text),
  architectures: z.array(ArchitectureRow).min(1),
  library: z.array(LibraryRow),
  quants: z.array(QuantRow),
  renderers: z.array(RendererRow),
  projectors: z.array(ProjectorRow),
  detectedTemplates: z.array(DetectedTemplateRow),
  capabilities: z.array(CapabilityRow),
  options: z.array(OptionRow).min(1),
  engines: steps(EngineGeneration),
  /** Peak disk of a create, in sizes of the file. */
  diskFactor: steps(z.number().positive()),
  defaultContext: steps(DefaultContext),
  /** Default number of requests that one loaded model serves at once. */
  defaultParallel: steps(z.int().positive()),
  /** `repeat_penalty` of a model that names none. */
  defaultRepeatPenalty: steps(z.number().positive()),
  /** Types that create can quantize to, from F16 or F32 (BF16 too from 0.22.0). */
  quantizeTypes: steps(z.array(Text)),
  dangers: z.array(DangerRow),
});
export type Matrix = z.infer<typeof Matrix>;
