import { digestOf } from '../../../src/core/digest.ts';
import type { LockFile } from '../../../src/package/lock-file.ts';

export function sampleLock(fields: Partial<LockFile> = {}): LockFile {
  return {
    schemaVersion: 1,
    family: 'sample',
    model: 'sample-1b',
    quant: 'q4_k_m',
    name: 'sample-1b:q4_k_m',
    source: {
      ref: 'hf:acme/gguf/sample.gguf',
      pinnedRef: `hf:acme/gguf@${'1'.repeat(40)}/sample.gguf`,
      digest: digestOf('bytes'),
      sizeBytes: 5,
      provenance: { licence: 'apache-2.0', quantiser: 'llama.cpp b1' },
    },
    header: { architecture: 'gemma3', quant: 'q4_k_m', contextLength: 8192, chatTemplate: digestOf('jinja') },
    template: { name: 'gemma', digest: digestOf('template') },
    profile: 'card',
    parameters: { num_ctx: 4096, num_batch: 256, num_gpu: 12, temperature: 0.7 },
    stop: ['<end_of_turn>', '<eos>'],
    licence: { id: 'Apache-2.0', textDigest: digestOf('licence') },
    server: { min: '0.6.0' },
    suite: { id: 'gemma', digest: digestOf('suite') },
    catalog: { digest: digestOf('catalog'), version: 3 },
    toolVersion: '1.0.0',
    ...fields,
  };
}
