import type { Digest } from '../../../src/core/digest.ts';
import type { Registry } from '../../../src/registry/index.ts';
import type { InstallRecord } from '../../../src/registry/schema.ts';
import { memoryDisk } from '../../helpers/disk.ts';

export const DIGEST: Digest = `sha256:${'a'.repeat(64)}`;

export function memoryRegistry(): Registry & {
  readonly texts: ReadonlyMap<string, string>;
  write(path: string, text: string): void;
} {
  const files = memoryDisk();
  return {
    disk: files,
    dataDir: '/data',
    write: files.write,
    get texts() {
      return files.texts;
    },
  };
}

export function recordOf(name: string, changes: Partial<InstallRecord> = {}): InstallRecord {
  return {
    schemaVersion: 2,
    name,
    runtime: { kind: 'ollama', version: '0.24.0', endpoint: 'http://127.0.0.1:11434' },
    family: 'gemma-3n',
    model: 'gemma-3n-e4b',
    quant: 'q5_k_m',
    architecture: 'gemma3n',
    source: { ref: './model.gguf', digest: DIGEST, sizeBytes: 4 },
    stored: { layerDigest: DIGEST },
    choice: { reasons: ['it fits'] },
    template: { name: 'gemma', digest: DIGEST },
    profile: 'card',
    parameters: { temperature: 0.7, stop: ['<end_of_turn>'] },
    licence: { id: 'LicenseRef-Gemma', textDigest: DIGEST },
    toolVersion: '0.1.0',
    installedAt: '2026-08-30T10:00:00.000Z',
    ...changes,
  };
}
