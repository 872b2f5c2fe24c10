import { basename, dirname } from 'node:path';
import type { Digest } from '../../../src/core/digest.ts';
import type { Registry } from '../../../src/disk/state-files.ts';
import type { InstallRecord } from '../../../src/registry/schema.ts';

export const DIGEST: Digest = `sha256:${'a'.repeat(64)}`;

export function memoryRegistry(): Registry & { readonly texts: Map<string, string> } {
  const texts = new Map<string, string>();
  return {
    texts,
    dataDir: '/data',
    files: {
      readText: (path) => Promise.resolve(texts.get(path)),
      writeAtomic: (path, text) => Promise.resolve(void texts.set(path, text)),
      list: (folder) =>
        Promise.resolve([...texts.keys()].filter((path) => dirname(path) === folder).map((path) => basename(path))),
      remove: (path) => Promise.resolve(void texts.delete(path)),
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
