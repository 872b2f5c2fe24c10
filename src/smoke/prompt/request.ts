import type { Cage } from '../../cage/cage.ts';
import type { Message, Runtime, StoredModel } from '../../runtimes/contract.ts';

/** The template that the model was trained with, as Jinja. */
export interface ReferenceTemplate {
  readonly source: string;
  /** `file`: `tokenizer.chat_template` of the very file; `catalog`: the family's official one. */
  readonly from: 'file' | 'catalog';
}

export interface ProveRequest {
  /** Where the reference is rendered. */
  readonly cage: Cage;
  readonly runtime: Pick<Runtime, 'render' | 'countRaw' | 'loaded' | 'chat'> & Partial<Pick<Runtime, 'kind'>>;
  /** What the runtime has under the name. */
  readonly stored: StoredModel;
  readonly reference: ReferenceTemplate;
  /** The family's BOS and stop tokens, as text. */
  readonly tokens: { readonly bos: string; readonly stop: readonly string[] };
  /** `tokenizer.ggml.add_bos_token` of the file, where it could be read. */
  readonly addsBos?: boolean;
  /** The Modelfile's TEMPLATE that the model was created with, where we know it (what we installed ourselves). */
  readonly sentTemplate?: string;
  /** A chat of the smoke suite: its messages and the prompt tokens that the runtime counted; spares a request. */
  readonly counted?: { readonly messages: readonly Message[]; readonly promptTokens: number };
}

/** What is known of the prompt that a model should be fed; nothing can be proven without a reference. */
export type KnownPrompt = Partial<Pick<ProveRequest, 'reference' | 'addsBos' | 'sentTemplate'>>;
