import * as z from 'zod';
import { checkDocument } from '../core/parse.ts';
import { architectureOf, modelFacts } from './facts.ts';
import { blockCountOf } from './hyperparameters.ts';
import { MAX_DIMENSIONS, MAX_TENSORS } from './limits.ts';
import type { Entry, Metadata } from './metadata.ts';
import { MetadataReader } from './metadata-reader.ts';
import type { ModelFacts, ShownFacts, TensorFacts } from './schema.ts';
import { tensorTypeNamed } from './tensor-types.ts';
import { bytesOf } from './tensors.ts';
import { tokenizerFacts } from './tokenizer.ts';

const Scalar = z.union([z.string(), z.number(), z.boolean()]);
type Scalar = z.infer<typeof Scalar>;

/** One tensor of the reply; servers write `unknown` for types that they do not know. */
const ShownTensor = z.object({
  name: z.string().min(1),
  type: z.string(),
  shape: z.array(z.int().nonnegative()).max(MAX_DIMENSIONS),
});

/**
 * The part of Ollama's reply to `POST /api/show {"verbose": true}` that tells of the file: recorded from 0.5.13, 0.9.6,
 * 0.10.0, 0.24.0 and 0.33.0-rc2. `tensors` came with 0.6.1. Without `verbose` lists are null.
 */
export const ShowVerboseReply = z.object({
  model_info: z.record(z.string(), z.union([Scalar, z.array(Scalar), z.null()])),
  tensors: z.array(ShownTensor).max(MAX_TENSORS).nullish(),
});
type ShowVerboseReply = z.infer<typeof ShowVerboseReply>;

/** What no server tells: it drops name and template from the metadata, and never says where in the file something is. */
const NEVER_TOLD = ['general.name', 'tokenizer.chat_template'];
const FILE_FIELDS = ['version', 'alignment', 'dataOffset', 'requiredBytes'];

/**
 * The facts of a model that an Ollama server has stored, as far as its reply to a verbose show tells them; `missing` says
 * what it leaves out. Sizes of tensors are computed from type and shape, as for a file.
 *
 * Throws `remote-fault` for a reply of another form, and `bad-gguf` for facts that contradict each other.
 */
export function factsFromShow(reply: unknown): ShownFacts {
  const shown = checkDocument(ShowVerboseReply, reply, {
    name: "the server's answer to show",
    code: 'remote-fault',
    suggestions: ['Check that OLLAMA_HOST is an Ollama server of version 0.6.1 or newer, and no proxy’s page.'],
  });
  const metadata = metadataOf(shown.model_info);
  const reader = new MetadataReader(metadata);
  const architecture = architectureOf(reader, undefined);
  const blockCount = blockCountOf(reader, architecture);
  const tensors = tensorsOf(shown.tensors ?? []);
  const facts = modelFacts({
    architecture,
    blockCount,
    metadata,
    reader,
    tensors,
    tokenizer: tokenizerFacts(metadata, reader),
  });
  const complete = tensors.length > 0 && tensors.length === shown.tensors?.length;
  return { ...(complete ? facts : withoutWeights(facts)), missing: missingFrom(shown, complete) };
}

/** A partial sum would look like a small model. */
function withoutWeights({ weights: _, ...facts }: ModelFacts): Omit<ModelFacts, 'weights'> {
  return facts;
}

function metadataOf(info: ShowVerboseReply['model_info']): Metadata {
  const entries = Object.entries(info).flatMap(([key, value]): [string, Entry][] =>
    value === null ? [] : [[key, entryOf(value)]],
  );
  return new Map(entries);
}

function entryOf(value: Scalar | Scalar[]): Entry {
  if (!Array.isArray(value)) return { type: typeof value, value };
  const type = value.every((item) => typeof item === 'string') ? 'string' : typeof value[0];
  return { type: `array of ${type}`, value, count: value.length };
}

function tensorsOf(shown: readonly z.infer<typeof ShownTensor>[]): TensorFacts[] {
  return shown.flatMap(({ name, type: word, shape }) => {
    const type = tensorTypeNamed(word.toUpperCase());
    return type === undefined ? [] : [{ name, type: type.name, shape, bytes: bytesOf(name, shape, type, undefined) }];
  });
}

function missingFrom(shown: ShowVerboseReply, complete: boolean): string[] {
  const withheld = Object.entries(shown.model_info).flatMap(([key, value]) => (value === null ? [key] : []));
  const dropped = NEVER_TOLD.filter((key) => !(key in shown.model_info));
  return [...FILE_FIELDS, ...(complete ? [] : ['tensors', 'weights']), ...dropped, ...withheld];
}
