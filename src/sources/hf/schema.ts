/** Answers of the hub, as far as they are used. */
import * as z from 'zod';

const Words = z.union([z.string(), z.array(z.string())]);

/** The head of a model's README. Its author writes what he likes: what does not fit is left out, and stops nothing. */
const CardData = z.looseObject({
  license: Words.optional().catch(undefined),
  license_name: z.string().optional().catch(undefined),
  base_model: Words.optional().catch(undefined),
  quantized_by: z.string().optional().catch(undefined),
});
export type CardData = z.infer<typeof CardData>;

export const ModelAnswer = z.looseObject({
  sha: z.string().regex(/^[0-9a-f]{40}$/, 'must be a commit'),
  cardData: CardData.optional().catch(undefined),
  siblings: z.array(z.looseObject({ rfilename: z.string() })).max(1_000_000),
});

export const PathsAnswer = z
  .array(
    z.looseObject({
      path: z.string(),
      type: z.string(),
      size: z.int().nonnegative(),
      lfs: z
        .looseObject({
          oid: z.string().regex(/^[0-9a-f]{64}$/, 'must be a SHA-256'),
          size: z.int().nonnegative(),
        })
        .optional(),
    }),
  )
  .max(1000);
