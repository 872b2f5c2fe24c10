import { join } from 'node:path';

/** Records name the runtime by this; there is one embedded runtime per data folder. */
export const EMBEDDED_ENDPOINT = 'embedded';

/** Its folder in our data folder. */
export const FOLDER_NAME = 'embedded';

/** Where its blobs are. `dataDir`: our data folder. */
export function embeddedBlobs(dataDir: string): string {
  return join(dataDir, FOLDER_NAME, 'blobs');
}

export function embeddedManifests(dataDir: string): string {
  return join(dataDir, FOLDER_NAME, 'models');
}
