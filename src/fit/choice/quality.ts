import { typicalLoss } from '../../catalog/quant-types.ts';
import type { Candidate } from '../schema.ts';

/**
 * The quality of a quant as the ranking sees it; the whole part is its stars. Quants of equal stars are told apart by the
 * perplexity that their type adds in general (`quant-types.json`): Q6_K comes before Q5_K_S, while F16, BF16 and Q8_0 are
 * equal. A type without a figure comes last among its equals.
 */
export function qualityOf({ quant, quality }: Pick<Candidate, 'quant' | 'quality'>): number {
  const loss = typicalLoss(quant);
  return loss === undefined ? quality : quality + MOST / (1 + loss);
}

/** Keeps the sum below the next star. */
const MOST = 0.99;

/** Stars from which a quant is sound: the card has two stars and fewer for less than four bits. */
export const SOUND_STARS = 3;
