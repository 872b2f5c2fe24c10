import { defined } from '../core/defined.ts';
import type { Cursor } from './cursor.ts';
import { type Metadata, readStringAt } from './metadata.ts';
import type { MetadataReader } from './metadata-reader.ts';
import { refusal } from './refusal.ts';
import type { TokenizerFacts } from './schema.ts';

const TOKENS = 'tokenizer.ggml.tokens';

/** Facts of a file's tokenizer. The token list is counted, and only the texts of the BOS and EOS tokens are fetched from it. */
export async function readTokenizer(
  cursor: Cursor,
  metadata: Metadata,
  reader: MetadataReader,
): Promise<TokenizerFacts> {
  const facts = tokenizerFacts(metadata, reader);
  const bos = facts.bos ?? (await skippedToken(cursor, metadata, facts.bosId));
  const eos = facts.eos ?? (await skippedToken(cursor, metadata, facts.eosId));
  return { ...facts, ...(bos !== undefined && { bos }), ...(eos !== undefined && { eos }) };
}

/** What the metadata alone say about a tokenizer; the texts of tokens only where the list was kept. */
export function tokenizerFacts(metadata: Metadata, reader: MetadataReader): TokenizerFacts {
  const tokens = metadata.get(TOKENS);
  if (tokens !== undefined && tokens.type !== 'array of string') {
    throw refusal(`the metadata key "${TOKENS}" is ${tokens.type} and must be an array of string`, tokens.offset);
  }
  const bosId = reader.count('tokenizer.ggml.bos_token_id');
  const eosId = reader.count('tokenizer.ggml.eos_token_id');
  return defined({
    model: reader.text('tokenizer.ggml.model'),
    pre: reader.text('tokenizer.ggml.pre'),
    tokenCount: tokens?.count,
    bosId,
    eosId,
    bos: keptToken(metadata, bosId),
    eos: keptToken(metadata, eosId),
    addBos: reader.boolean('tokenizer.ggml.add_bos_token'),
    addEos: reader.boolean('tokenizer.ggml.add_eos_token'),
  });
}

function keptToken(metadata: Metadata, id: number | undefined): string | undefined {
  const list = metadata.get(TOKENS)?.value;
  const kept: unknown = Array.isArray(list) && id !== undefined ? list[id] : undefined;
  return typeof kept === 'string' ? kept : undefined;
}

async function skippedToken(cursor: Cursor, metadata: Metadata, id: number | undefined): Promise<string | undefined> {
  const tokens = metadata.get(TOKENS);
  return id === undefined || tokens === undefined ? undefined : readStringAt(cursor, tokens, id, TOKENS);
}
