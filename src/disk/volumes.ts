import { stat, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Volume } from '../provision/plan/request.ts';

/** The volume of a path, or of the nearest folder above it that exists; undefined where the system does not tell. */
export async function volumeOf(path: string): Promise<Volume | undefined> {
  for (let at = path, above = dirname(at); ; at = above, above = dirname(at)) {
    const facts = await stat(at, { bigint: true }).catch(() => undefined);
    if (facts !== undefined) {
      const room = await statfs(at).catch(() => undefined);
      return room && { device: String(facts.dev), freeBytes: room.bavail * room.bsize };
    }
    if (above === at) return undefined;
  }
}
