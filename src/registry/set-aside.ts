import type { Registry } from '../disk/state-files.ts';
import { looseJson, pathOf, type RecordKey } from './record-file.ts';

/** What is left of a record file, for whoever makes a new one. */
export interface BrokenFile {
  /** Its JSON value; undefined where it is none. */
  readonly value: unknown;
  /** Copies the file beside itself, never over an earlier copy, and returns where to. */
  keep(): Promise<string>;
}

/** The file of a record that cannot be read; undefined when there is no file. */
export async function setAside(registry: Registry, key: RecordKey): Promise<BrokenFile | undefined> {
  const { files, dataDir } = registry;
  const path = pathOf(dataDir, key);
  const text = await files.readText(path);
  if (text === undefined) return undefined;
  return {
    value: looseJson(text),
    async keep() {
      for (let count = 1; ; count += 1) {
        const kept = count === 1 ? `${path}.broken` : `${path}.broken-${count}`;
        const there = await files.readText(kept);
        if (there === undefined) await files.replaceText(kept, text);
        if (there === undefined || there === text) return kept;
      }
    },
  };
}
