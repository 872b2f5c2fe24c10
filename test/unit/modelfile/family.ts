import { readFileSync } from 'node:fs';
import { Family } from '../../../src/catalog/schema.ts';
import type { Templates } from '../../../src/modelfile/templates.ts';

const HYPERPARAMETERS = {
  blockCount: 35,
  embeddingLength: 2048,
  feedForwardLength: 16384,
  headCount: 8,
  headCountKv: 2,
  keyLength: 256,
  valueLength: 256,
  contextLength: 32768,
  slidingWindow: 512,
  slidingPattern: 5,
  sharedKvLayers: 15,
  perLayerEmbeddingLength: 256,
  vocabularySize: 262144,
};

function model(id: string, quants: readonly string[]): object {
  return {
    id,
    title: `Title of ${id}`,
    kind: 'instruct',
    baseModel: 'base',
    parameters: { total: 1, source: 'test' },
    hyperparameters: HYPERPARAMETERS,
    modalities: [{ kind: 'text', direction: 'input', detail: 'text', servedByRuntimes: true }],
    defaultContext: 8192,
    corrections: [],
    quants: quants.map((quant) => ({ id: quant, file: `${id}-${quant}.gguf`, quality: 4 })),
    smokeSuite: 'gemma',
  };
}

/** A family made for these tests; `changes` replace top-level fields. */
export function family(changes: object = {}): Family {
  return Family.parse({
    schemaVersion: 1,
    id: 'gemma-9',
    title: 'Gemma 9',
    architecture: 'gemma9',
    publisher: 'Test',
    summary: 'A family for tests.',
    chatTemplate: 'gemma',
    tokens: { bos: '<bos>', stop: ['<end_of_turn>', '<eos>'] },
    licence: {
      id: 'LicenseRef-Test',
      title: 'Test',
      url: 'https://example.org/l',
      text: 'Line one.\n\n"Quoted" line.\n',
      acceptanceRequired: true,
    },
    profiles: {
      card: { temperature: 0.7, top_p: 0.9, top_k: 40, repeat_penalty: 1.1, num_predict: 4096, source: 'card' },
      google: { temperature: 1, top_p: 0.95, top_k: 64, source: 'google' },
    },
    defaultProfile: 'card',
    policy: { tiers: [], useCases: [] },
    languages: { spoken: 'many', source: 'card' },
    minimumVersions: [],
    benchmarks: [],
    facts: [],
    models: [model('gemma-9-e4b', ['q4_k_m', 'q8_0']), model('gemma-9', ['q4_0'])],
    ...changes,
  });
}

/** The template files of this repository. */
export function shippedTemplates(): Templates {
  const modelfile = 'templates/default.modelfile.hbs';
  const chat = 'templates/chat/gemma.gotmpl';
  return {
    modelfiles: new Map([['default', { name: modelfile, text: readFileSync(modelfile, 'utf8') }]]),
    chats: new Map([['gemma', { name: chat, text: readFileSync(chat, 'utf8') }]]),
    references: new Map(),
  };
}

export function first<T>(items: readonly T[]): T {
  const [item] = items;
  if (item === undefined) throw new Error('empty');
  return item;
}
