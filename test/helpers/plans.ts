import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Family } from '../../src/catalog/schema.ts';
import { digestOf } from '../../src/core/digest.ts';
import type { ModelSpec } from '../../src/modelfile/schema.ts';
import type { InstallPlan } from '../../src/provision/plan/contract.ts';
import { stagingNameOf } from '../../src/provision/plan/names.ts';

export const ROOT = join(import.meta.dirname, '../..');
export const TINY_FILE = join(ROOT, 'models/tiny-gemma-3n/tiny-gemma-3n-q4_k_m.gguf');
export const TINY_DIGEST = 'sha256:fd604ad1b3c4e8847d2707313060ba129d91354cb24030a38e5ee2f04f91f76f';

export function familyOf(id: string): Family {
  return Family.parse(JSON.parse(readFileSync(join(ROOT, `catalog/${id}.json`), 'utf8')));
}

export const SPEC: ModelSpec = {
  templateName: 'gemma',
  template: '{{ .Prompt }}',
  templateDigest: digestOf('{{ .Prompt }}'),
  profile: 'card',
  parameters: { temperature: 0.7, num_ctx: 512, stop: ['<end_of_turn>'] },
  license: 'Apache-2.0',
};

/** A plan for the tiny model from a file whose digest is known, with what a test changes. */
export function tinyPlan(changes: Partial<InstallPlan> = {}): InstallPlan {
  const family = familyOf('tiny-gemma-3n');
  const model = family.models[0];
  if (model === undefined) throw new Error('the tiny family has a model');
  const name = changes.name ?? 'tiny-gemma-3n:q4_k_m';
  return {
    family,
    model,
    quant: 'q4_k_m',
    name,
    stagingName: stagingNameOf(name),
    runtime: { kind: 'ollama', version: '0.24.0', endpoint: 'http://127.0.0.1:11434' },
    source: {
      kind: 'file',
      file: { kind: 'file', ref: TINY_FILE, path: TINY_FILE, sizeBytes: 100, digest: TINY_DIGEST },
      spec: SPEC,
    },
    prompt: {},
    automatic: false,
    engine: 'ollama-a2',
    wholeOnGpu: false,
    reasons: ['a test asked for it'],
    disk: [],
    bytesToMove: 100,
    obstacles: [],
    warnings: [],
    ...changes,
  };
}
