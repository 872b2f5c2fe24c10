/** The proof of the effective prompt: what the server really feeds the model, against what the model was trained on. */
import * as z from 'zod';

/**
 * `proven`: equal to the byte. `proven-by-count`: the server cannot show the prompt, but its token counts fit.
 * `differs`: something is wrong, see `findings`. `not-provable`: this server reports too little; never a silent pass.
 */
export const ProofVerdict = z.enum(['proven', 'proven-by-count', 'differs', 'not-provable']);
export type ProofVerdict = z.infer<typeof ProofVerdict>;

export const FindingId = z.enum([
  /** Two BOS tokens: the template writes one and the tokenizer adds one. */
  'double-bos',
  /** No BOS token at all. */
  'missing-bos',
  /** A stop token of the family is not among the model's parameters. */
  'missing-stop',
  /** A turn is opened with another role name. */
  'wrong-role',
  /** The system text does not reach the model. */
  'system-lost',
  /** The server uses the file's own Jinja template instead of the TEMPLATE that the model was created with. */
  'template-swallowed',
  /** The server chooses between several prompts by the name of the model. */
  'renderer-by-name',
  /** The prompt differs in another way. */
  'template-differs',
  /** The prompt has another number of tokens; the server cannot show its text. */
  'token-count-differs',
  /** The context in force is shorter than the one that was asked for. */
  'context-shorter',
  /** Something could not be established; says what and why. */
  'not-provable',
]);
export type FindingId = z.infer<typeof FindingId>;

export const Finding = z.strictObject({
  id: FindingId,
  /** A fault makes the verdict `differs`; a warning does not. */
  severity: z.enum(['fault', 'warning']),
  message: z.string(),
  remedy: z.string(),
});
export type Finding = z.infer<typeof Finding>;

/** Where two texts part. */
export const Difference = z.strictObject({
  /** Characters (UTF-16 units) that are equal. */
  at: z.int().nonnegative(),
  /** A few characters of each from there on; empty at the end of a text. */
  effective: z.string(),
  expected: z.string(),
});
export type Difference = z.infer<typeof Difference>;

export const ShapeProof = z.strictObject({
  /** `user`, `system-user`, `multi-turn`, … */
  id: z.string(),
  title: z.string(),
  verdict: z.enum(['equal', 'equal-by-count', 'differs', 'unknown']),
  /** The text that the server feeds, where it shows it; BOS tokens are written in front of it as they were counted. */
  effective: z.string().optional(),
  expected: z.string(),
  difference: Difference.optional(),
  /** Token counts, where they were compared. */
  tokens: z.strictObject({ effective: z.int().nonnegative(), expected: z.int().nonnegative() }).optional(),
});
export type ShapeProof = z.infer<typeof ShapeProof>;

export const PromptProof = z.strictObject({
  verdict: ProofVerdict,
  /** Of the first shape that differs, else of the first one. */
  effective: z.string().optional(),
  expected: z.string(),
  /** `file`: the GGUF's own Jinja template; `catalog`: the family's official one, since the file could not be read. */
  expectedFrom: z.enum(['file', 'catalog']),
  /** BOS tokens in front of what the model evaluates; absent when it could not be established. */
  bosCount: z.int().nonnegative().optional(),
  /** Stop strings in force. */
  stop: z.array(z.string()),
  /** Whose template is used: the Modelfile's, the file's own Jinja, a format that the server has built in, or unknown. */
  winner: z.enum(['template', 'jinja', 'built-in', 'unknown']),
  context: z.strictObject({
    /** Tokens that the model's parameters ask for. */
    wanted: z.int().positive().optional(),
    /** Tokens that the loaded model has. */
    inForce: z.int().positive().optional(),
  }),
  shapes: z.array(ShapeProof),
  findings: z.array(Finding),
  /** What the proof cost. */
  requests: z.int().nonnegative(),
  generatedTokens: z.int().nonnegative(),
});
export type PromptProof = z.infer<typeof PromptProof>;
