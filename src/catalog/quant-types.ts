/** What a type of quant costs in general, whatever the model: for quants that have the same stars. */
import * as z from 'zod';
import { Text } from './ids.ts';
import { QuantId } from './quant-schema.ts';
import data from './quant-types.json' with { type: 'json' };

export const QuantTypes = z.strictObject({
  source: Text,
  /** Differences of perplexity up to this size are no differences. */
  resolution: z.strictObject({ value: z.number().positive(), source: Text }),
  /** Perplexity that a model has more than its unquantised original. */
  types: z.array(z.strictObject({ id: QuantId, addedPerplexity: z.number() })),
});
export type QuantTypes = z.infer<typeof QuantTypes>;

// Part of this package: a test validates it against the schema, so that no run has to.
const TABLE = data as QuantTypes;
const LOSSES: ReadonlyMap<string, number> = new Map(
  TABLE.types.map(({ id, addedPerplexity }) => [id, Math.max(addedPerplexity, TABLE.resolution.value)]),
);

/** The perplexity that a type of quant typically adds; the same for those that lose nothing measurable, undefined where no figure is known. */
export function typicalLoss(quant: string): number | undefined {
  return LOSSES.get(quant);
}
