/** `trust.json` in the data folder: the newest signed catalog and model of every key that this host has accepted. */

import * as z from 'zod';
import { messageOf, ProvisionError } from '../core/errors.ts';
import { checkDocument, parseJson } from '../core/parse.ts';
import type { TextFiles } from '../disk/disk.ts';
import { SeenVersion, type SeenVersions } from './versions.ts';

const TrustFile = z.strictObject({
  schemaVersion: z.literal(1),
  /** By family. */
  catalogs: z.array(SeenVersion),
  /** Bundles and published models, by the name of the model. */
  models: z.array(SeenVersion).default([]),
});
type TrustFile = z.infer<typeof TrustFile>;
export type SeenKind = 'catalogs' | 'models';

export interface SeenFiles extends Pick<TextFiles, 'readText' | 'replaceText'> {
  /** Runs a task while no other process changes the file. */
  locked<Result>(task: () => Promise<Result>): Promise<Result>;
}

/** Throws `bad-record` where the file is broken: what was accepted must not be forgotten without a word. */
export function seenVersions(files: SeenFiles, path: string, kind: SeenKind): SeenVersions {
  const read = async () => parse(await files.readText(path), path);
  return {
    read: async () => (await read())[kind],
    async keep(fresh) {
      if (fresh.length === 0) return;
      try {
        await files.locked(async () => {
          const before = await read();
          const next = { ...before, [kind]: newest([...before[kind], ...fresh]) };
          await files.replaceText(path, `${JSON.stringify(next, null, 2)}\n`);
        });
      } catch (cause) {
        if (cause instanceof ProvisionError) throw cause;
        throw new ProvisionError(
          'file-access',
          `cannot record in ${path} which version was accepted: ${messageOf(cause)}`,
          {
            cause,
            suggestions: ['Make the folder writable. Without this record, an older version could be replayed.'],
          },
        );
      }
    },
  };
}

function parse(text: string | undefined, path: string): TrustFile {
  if (text === undefined) return { schemaVersion: 1, catalogs: [], models: [] };
  const suggestions = [
    `Remove the file, which deletes the recorded versions of everything signed that was accepted here: ${path}`,
  ];
  const document = { name: path, code: 'bad-record', suggestions } as const;
  return checkDocument(TrustFile, parseJson(text, document), document);
}

/** Of every key and id the highest version; of equal ones the first. In a fixed order. */
function newest(all: readonly SeenVersion[]): SeenVersion[] {
  const best = new Map<string, SeenVersion>();
  for (const each of all) {
    const slot = `${each.key} ${each.id}`;
    const known = best.get(slot);
    if (known === undefined || each.version > known.version) best.set(slot, each);
  }
  return [...best].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, each]) => each);
}
