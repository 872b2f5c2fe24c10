/**
 * Bounds on what a header may claim. A GGUF header is written by strangers and read before anything is trusted:
 * a 32-byte file that claims a key of 8 GiB has ended real servers. Every bound lies far above any published model.
 */
import { MIB } from '../core/units.ts';

/** Metadata entries. Real files have 20 to 80. */
export const MAX_METADATA_ENTRIES = 10_000;

/** Tensors. Real files have hundreds to a few thousand. */
export const MAX_TENSORS = 2 ** 14;

/** Bytes of a key: the GGUF specification allows 2^16 - 1. */
export const MAX_KEY_BYTES = 65_535;

/** Bytes of a tensor name: ggml stores 64 with the final zero (GGML_MAX_NAME). */
export const MAX_TENSOR_NAME_BYTES = 63;

/** Dimensions of a tensor (GGML_MAX_DIMS). */
export const MAX_DIMENSIONS = 4;

/** Bytes of one text. The longest in use is an embedded tokenizer.json of some MiB. */
export const MAX_STRING_BYTES = 16 * MIB;

/** Entries of one array. The largest vocabularies in use have 262,400 tokens, the longest merge lists under a million. */
export const MAX_ARRAY_LENGTH = 2 ** 21;

/** Everything before the tensor data. 262,144 tokens make 6.5 MB, with a list of merges (Gemma 4) 15.8 MB. */
export const MAX_HEADER_BYTES = 32 * MIB;

/** Longer texts are stepped over, not kept. */
export const MAX_KEPT_STRING_BYTES = MIB;

/** Longer arrays are stepped over, not kept; per-layer arrays are far shorter. */
export const MAX_KEPT_ARRAY_LENGTH = 1024;

/** Memory of all keys, texts and arrays that are kept, as reckoned by the costs below. */
export const MAX_KEPT_BYTES = 8 * MIB;

/** What a text and a number cost beside their bytes: a string's head and its place in a list; a place in a list. */
export const TEXT_COST_BYTES = 48;
export const NUMBER_COST_BYTES = 8;

/** Bytes held at once while reading. Large enough to go back to a token of a 262,144-token vocabulary without another read. */
export const MAX_WINDOW_BYTES = 16 * MIB;

/** First read; each further one is twice as long up to `MAX_CHUNK_BYTES`: 1 + 2 + 4 MiB cover a 262,144-token vocabulary in three reads. */
export const FIRST_CHUNK_BYTES = MIB;
export const MAX_CHUNK_BYTES = 4 * MIB;
