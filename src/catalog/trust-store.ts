/** `trust.json` in the data folder: the newest signed catalog of every key and family that this host has taken. */

import * as z from 'zod';
import { messageOf, ProvisionError } from '../core/errors.ts';
import { checkDocument, parseJson } from '../core/parse.ts';
import type { TextFiles } from '../disk/disk.ts';
import { SeenCatalog, type SeenCatalogs } from './trust.ts';

const TrustFile = z.strictObject({ schemaVersion: z.literal(1), catalogs: z.array(SeenCatalog) });

export interface SeenFiles extends Pick<TextFiles, 'readText' | 'replaceText'> {
  /** Runs a task while no other process changes the file. */
  locked<Result>(task: () => Promise<Result>): Promise<Result>;
}

/** Throws `bad-record` where the file is broken: what was seen must not be forgotten without a word. */
export function seenCatalogs(files: SeenFiles, path: string): SeenCatalogs {
  const read = async () => parse(await files.readText(path), path);
  return {
    read,
    async keep(fresh) {
      if (fresh.length === 0) return;
      try {
        await files.locked(async () => {
          const catalogs = newest([...(await read()), ...fresh]);
          await files.replaceText(path, `${JSON.stringify({ schemaVersion: 1, catalogs }, null, 2)}\n`);
        });
      } catch (cause) {
        if (cause instanceof ProvisionError) throw cause;
        throw new ProvisionError(
          'file-access',
          `cannot record in ${path} which catalog was accepted: ${messageOf(cause)}`,
          {
            cause,
            suggestions: ['Make the folder writable. Without this record, an older catalog could be replayed.'],
          },
        );
      }
    },
  };
}

function parse(text: string | undefined, path: string): readonly SeenCatalog[] {
  if (text === undefined) return [];
  const suggestions = [
    `Remove the file, which deletes the recorded versions of all catalogs that were accepted here: ${path}`,
  ];
  const document = { name: path, code: 'bad-record', suggestions } as const;
  return checkDocument(TrustFile, parseJson(text, document), document).catalogs;
}

/** Of every key and family the highest version; of equal ones the first. In a fixed order. */
function newest(all: readonly SeenCatalog[]): SeenCatalog[] {
  const best = new Map<string, SeenCatalog>();
  for (const each of all) {
    const slot = `${each.key} ${each.id}`;
    const known = best.get(slot);
    if (known === undefined || each.version > known.version) best.set(slot, each);
  }
  return [...best].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, each]) => each);
}
