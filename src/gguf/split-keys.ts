import type { MetadataReader } from './metadata-reader.ts';
import { refusal } from './refusal.ts';

/** Files of one split model. The largest in use have about 60. */
export const MAX_PARTS = 1000;

/** `split.count`: how many files the model has; undefined where the file says nothing of it. */
export function splitCountOf(reader: MetadataReader): number | undefined {
  const count = reader.count('split.count');
  if (count !== undefined && count > MAX_PARTS) {
    throw refusal(`it claims to be of ${count} files; at most ${MAX_PARTS} are read`, undefined);
  }
  return count;
}
