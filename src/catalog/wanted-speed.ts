/** The speed that each use wants at least, whatever the model. */
import * as z from 'zod';
import { Sourced, Text } from './ids.ts';
import { UseCaseId } from './schema.ts';
import data from './wanted-speed.json' with { type: 'json' };

export const WantedSpeed = z.strictObject({
  id: UseCaseId,
  /** Tokens per second below which this use is not practical, rounded to whole ones; absent where waiting is part of the work. */
  tokensPerSecond: z.number().positive().optional(),
  /** Completes "… tokens per second are wanted: ". */
  reason: Text,
  source: Text,
});
export type WantedSpeed = z.infer<typeof WantedSpeed>;

export const WantedSpeeds = z.strictObject({
  /** The use that is assumed where none is given. */
  default: UseCaseId,
  uses: z.array(WantedSpeed),
  /** Converts words a minute of the sources to tokens. */
  tokensPerWord: Sourced,
});

// Part of this package: a test validates it against the schema, so that no run has to.
const TABLE = data as z.infer<typeof WantedSpeeds>;
const BY_USE: ReadonlyMap<UseCaseId, WantedSpeed> = new Map(TABLE.uses.map((each) => [each.id, each]));

/** The least speed that a use wants; without a use, that of a person who waits and reads. */
export function wantedSpeed(useCase: UseCaseId = TABLE.default): WantedSpeed | undefined {
  return BY_USE.get(useCase);
}
