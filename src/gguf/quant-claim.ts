import type { TensorFacts } from './schema.ts';
import { tensorTypeNamed, weightCount } from './types.ts';

/**
 * The type that most weights of a model's blocks have after quantisation to a quant, where it is not the quant's own
 * name in upper case (`llama_ftype_get_default_type` of llama.cpp b10488).
 */
const BASE_TYPE: ReadonlyMap<string, string> = new Map([
  ['q2_k_s', 'Q2_K'],
  ['q3_k_s', 'Q3_K'],
  ['q3_k_m', 'Q3_K'],
  ['q3_k_l', 'Q3_K'],
  ['q4_k_s', 'Q4_K'],
  ['q4_k_m', 'Q4_K'],
  ['q5_k_s', 'Q5_K'],
  ['q5_k_m', 'Q5_K'],
  ['iq2_s', 'IQ2_XS'],
  ['iq2_m', 'IQ2_S'],
  ['iq3_xs', 'IQ3_S'],
  ['iq3_m', 'IQ3_S'],
  ['mxfp4_moe', 'MXFP4'],
]);

/** What llama-quantize takes for rows that are not a multiple of 256 (`tensor_type_fallback`); older builds IQ4_NL, newer Q4_0. */
const FALLBACKS: ReadonlyMap<string, readonly string[]> = new Map([
  ['Q4_K', ['Q5_0']],
  ['Q5_K', ['Q5_1']],
  ['Q6_K', ['Q8_0']],
]);
const OTHER_FALLBACKS = ['IQ4_NL', 'Q4_0'];

/**
 * Says so when a quant's name lies: the blocks' weights are mostly of another type than a file of that name has.
 * Weights are counted, not bytes: in a 2-bit file the few tensors that stay F16 can hold most bytes and say nothing.
 * Undefined when the name holds, or names no quant whose tensors are known.
 *
 * @param claimed a quant in lower case, `q4_k_m`
 * @param claim how the name came about: `it declares`, `its name says`
 */
export function quantWarning(claimed: string, tensors: readonly TensorFacts[], claim: string): string | undefined {
  const base = BASE_TYPE.get(claimed) ?? claimed.toUpperCase();
  const block = tensorTypeNamed(base)?.block;
  if (block === undefined) return undefined;
  const weights = new Map<string, number>();
  for (const tensor of tensors) {
    if (!/^blk\.\d/.test(tensor.name) || tensor.shape.length < 2) continue;
    const type = standsFor(tensor, base, block) ? base : tensor.type;
    weights.set(type, (weights.get(type) ?? 0) + weightCount(tensor));
  }
  const [most] = [...weights].sort((a, b) => b[1] - a[1]);
  if (most === undefined || most[0] === base) return undefined;
  const all = [...weights.values()].reduce((sum, count) => sum + count, 0);
  const share = Math.round((100 * most[1]) / all);
  return `${claim} ${claimed}, but ${share} % of the weights in its blocks are ${most[0]}: rely on its size, not on its name`;
}

/** True for a tensor that could not take the type and got the one that llama-quantize puts in its place. */
function standsFor({ shape, type }: TensorFacts, base: string, block: number): boolean {
  return (shape[0] ?? 1) % block !== 0 && (FALLBACKS.get(base) ?? OTHER_FALLBACKS).includes(type);
}

/** The quant in a file's name, in lower case: `q4_k_m` of `gemma-3n-E4B-it-Q4_K_M.gguf`. */
export function quantOfName(fileName: string): string | undefined {
  const words = fileName.toLowerCase().matchAll(/(?<=^|[-._])(?:i?q\d_[a-z0-9]+(?:_[a-z]+)?|bf16|f16|f32)(?=$|[-.])/g);
  return [...words].at(-1)?.[0];
}
