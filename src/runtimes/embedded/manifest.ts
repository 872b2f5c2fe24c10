import * as z from 'zod';
import { Digest, digestOf } from '../../core/digest.ts';
import { parseDocument } from '../../core/parse.ts';
import { ModelSpec } from '../../modelfile/schema.ts';
import type { StoredModel } from '../contract.ts';
import { parseModelName } from '../names.ts';

/** A model of the embedded runtime: which blob, and how to run it. */
export const Manifest = z.strictObject({
  schemaVersion: z.literal(1),
  name: z.string(),
  /** The blob: digest and size of the GGUF file. */
  digest: Digest,
  sizeBytes: z.int().positive(),
  architecture: z.string(),
  spec: ModelSpec,
  createdAt: z.iso.datetime(),
});
export type Manifest = z.infer<typeof Manifest>;

/** Throws `needs-repair` with every fault and its JSON path. */
export function parseManifest(text: string, path: string): Manifest {
  return parseDocument(Manifest, text, {
    name: path,
    code: 'needs-repair',
    suggestions: [`Remove the file, then install the model again: ${path}`],
  });
}

/**
 * The file name for a model's name: what is not a lower-case letter, digit, dot, dash or underscore becomes `%XX`.
 * Names of the same model share it, others never do, also where the file system ignores case. Throws `bad-name`.
 */
export function manifestFileName(name: string): string {
  const { canonical } = parseModelName(name);
  return `${encodeURIComponent(canonical).toLowerCase().replace(/^\./, '%2e')}.json`;
}

const StopWords = z.union([z.array(z.string()), z.string().transform((stop) => [stop])]).catch([]);

/** The runtime's word on a model. The entry's digest covers what makes the model, not its name or age. */
export function describe(manifest: Manifest): StoredModel {
  const { digest, architecture, spec } = manifest;
  const { num_ctx } = spec.parameters;
  return {
    name: manifest.name,
    layerDigest: digest,
    entryDigest: digestOf(JSON.stringify([digest, architecture, spec])),
    sizeBytes: manifest.sizeBytes,
    architecture,
    template: spec.template,
    parameters: parameterLines(spec.parameters),
    stop: StopWords.parse(spec.parameters.stop),
    ...(typeof num_ctx === 'number' && { contextLength: num_ctx }),
    ...(spec.system !== undefined && { system: spec.system }),
    license: spec.license,
  };
}

/** One `name value` line a value, as Ollama's show prints them. */
function parameterLines(parameters: ModelSpec['parameters']): string {
  return Object.entries(parameters)
    .flatMap(([name, value]) => [value].flat().map((each) => `${name} ${JSON.stringify(each)}`))
    .join('\n');
}
