import { join } from 'node:path';
import type { Family, FamilyOverlay } from '../../../src/catalog/schema.ts';
import type { Disk } from '../../../src/disk/disk.ts';
import { memoryDisk } from '../../helpers/disk.ts';

export { realDisk as realFiles } from '../../../src/disk/disk.ts';
export { errno } from '../../helpers/disk.ts';

export const BUILTIN = join(import.meta.dirname, '../../../catalog');

/** A disk of texts by path; folders are what the paths imply, plus `emptyFolders`. */
export function memoryFiles(texts: Readonly<Record<string, string>>, emptyFolders: readonly string[] = []): Disk {
  const disk = memoryDisk(texts);
  for (const folder of emptyFolders) void disk.mkdir(folder, { recursive: true });
  return disk;
}

export function sampleModel(id = 'sample-1b'): Family['models'][number] {
  return {
    id,
    title: 'Sample 1B IT',
    kind: 'instruct',
    baseModel: `acme/${id}-it`,
    parameters: { total: 1_000_000_000, source: 'made up' },
    hyperparameters: {
      blockCount: 2,
      embeddingLength: 64,
      feedForwardLength: 128,
      headCount: 4,
      headCountKv: 1,
      keyLength: 16,
      valueLength: 16,
      contextLength: 8192,
      slidingWindow: 512,
      slidingPattern: 5,
      sharedKvLayers: 0,
      perLayerEmbeddingLength: 0,
      vocabularySize: 1000,
    },
    modalities: [{ kind: 'text', direction: 'input', detail: 'text', servedByRuntimes: true }],
    library: { name: 'sample:1b', minimumVersion: '0.6.0', source: 'made up' },
    defaultContext: 4096,
    corrections: [],
    quants: [
      {
        id: 'q8_0',
        file: `${id}-q8_0.gguf`,
        quality: 5,
        tensorBytes: { value: 60, source: 'made up' },
        weights: {
          blocks: [10, 20],
          tokenEmbedding: 25,
          perLayerEmbedding: 0,
          perLayerProjection: 0,
          output: 5,
          other: 0,
          tiedEmbeddings: true,
        },
      },
      { id: 'q4_k_m', file: `${id}-q4_k_m.gguf`, quality: 3 },
    ],
    smokeSuite: 'gemma',
  };
}

export function sampleFamily(id = 'sample', model = 'sample-1b'): Family {
  return {
    schemaVersion: 1,
    id,
    title: 'Sample',
    architecture: 'gemma3',
    publisher: 'Acme',
    summary: 'A family for tests.',
    chatTemplate: 'gemma',
    tokens: { bos: '<bos>', stop: ['<end_of_turn>'] },
    licence: {
      id: 'Apache-2.0',
      title: 'Apache License 2.0',
      url: 'https://www.apache.org/licenses/LICENSE-2.0',
      text: 'Apache License 2.0',
      acceptanceRequired: false,
    },
    profiles: { card: { temperature: 0.7, top_p: 0.9, top_k: 40, source: 'made up' } },
    defaultProfile: 'card',
    policy: {
      tiers: [
        { id: 'big', title: 'Big', when: { device: 'gpu', minVramGiB: 8 }, quants: ['q8_0'], source: 'made up' },
        { id: 'cpu-only', title: 'CPU', when: { device: 'cpu' }, quants: ['q4_k_m'], source: 'made up' },
      ],
      useCases: [{ id: 'research', title: 'Research', quants: ['q8_0'], source: 'made up' }],
    },
    languages: { spoken: 'some', source: 'made up' },
    minimumVersions: [{ software: 'Ollama', version: '0.6.0', why: 'architecture', source: 'made up' }],
    benchmarks: [{ name: 'MMLU', group: 'all', scores: { [model]: 50 }, source: 'made up' }],
    facts: [{ topic: 'limitation', text: 'Small.', source: 'made up' }],
    models: [sampleModel(model)],
  };
}

export function json(document: Family | FamilyOverlay | object): string {
  return JSON.stringify(document);
}
