/** Records of earlier versions of this tool, brought to the present schema as they are read. */
import * as z from 'zod';

/** What of version 1 has to be known to leave it: everything else kept its name and meaning. */
const Version1 = z.looseObject({ schemaVersion: z.literal(1), previous: z.unknown().optional() });

/**
 * A record's value in the present schema, unchecked. Version 1 told of the version before only its quant and source, and
 * kept nothing of it in the runtime: nothing could be rolled back to it, so it is left out. What version 1 did not write
 * (the suite, the way in, the pinned reference) stays absent.
 */
export function migrateRecord(value: unknown): unknown {
  const old = Version1.safeParse(value);
  if (!old.success) return value;
  const { previous: _untold, ...kept } = old.data;
  return { ...kept, schemaVersion: 2 };
}
