import type { Family, Model } from '../../catalog/schema.ts';
import { digestOf } from '../../core/digest.ts';
import type { ProvisionError } from '../../core/errors.ts';
import type { Engine, MemoryEstimate } from '../../fit/schema.ts';
import type { GgufFacts } from '../../gguf/schema.ts';
import type { ModelSpec } from '../../modelfile/schema.ts';
import type { RuntimeIdentity, TransferPlan, TransferWay } from '../../runtimes/contract.ts';
import { parseModelName } from '../../runtimes/names.ts';
import type { KnownPrompt } from '../../smoke/prompt/request.ts';
import type { ResolvedSource } from '../../sources/contract.ts';
import type { DiskNeed } from '../install/schema.ts';

/** A file on this machine, or one on a web server that the install fetches. */
export type SourceFile = Extract<ResolvedSource, { kind: 'file' | 'remote' }>;

/** Where the bytes come from: a file, or the runtime's own library. */
export type PlannedSource =
  | {
      readonly kind: 'file';
      readonly file: SourceFile;
      readonly spec: ModelSpec;
      /** What the file says of itself. */
      readonly header?: GgufFacts;
    }
  | { readonly kind: 'library'; readonly ref: string; readonly libraryName: string; readonly profile: string };

/** Everything decided before anything is changed. */
export interface InstallPlan {
  readonly family: Family;
  readonly model: Model;
  readonly quant: string;
  /** The name that answers in the end. */
  readonly name: string;
  /** Where the new model is created and tested before it gets the name. */
  readonly stagingName: string;
  readonly runtime: RuntimeIdentity;
  readonly source: PlannedSource;
  /** What the effective prompt is compared with after the create. */
  readonly prompt: KnownPrompt;
  readonly reasons: readonly string[];
  readonly useCase?: string;
  readonly memory?: MemoryEstimate;
  readonly engine: Engine;
  /** All layers are meant to be on the GPU. */
  readonly wholeOnGpu: boolean;
  /** The next smaller way to install what was asked for; absent, or undefined, where there is none. */
  readonly smaller?: () => Promise<InstallPlan | undefined>;
  /** The only way into the runtime that the user wants. */
  readonly way?: TransferWay;
  /** How the bytes get into the runtime; absent where the runtime does not say. */
  readonly transfer?: TransferPlan;
  readonly disk: readonly DiskNeed[];
  /** An upper bound: the runtime may have the bytes already. */
  readonly bytesToMove: number;
  /** What forbids the install unless it is forced or in place already: too little memory or disk. */
  readonly obstacles: readonly ProvisionError[];
  readonly warnings: readonly string[];
}

/** Names of models under test; they never outlive a run, and the next run of the same name sweeps what a crash left. */
export const STAGING_PREFIX = 'gemma-provision-staging:';

/** A staging name that depends on the final name alone, so that a crashed run's remains are found again. */
export function stagingNameOf(name: string): string {
  const slug = name
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-+|-+$/g, '');
  // The hash keeps apart names that the readable part makes alike.
  const hash = digestOf(parseModelName(name).canonical).slice(7, 15);
  return `${STAGING_PREFIX}${slug.slice(0, 60)}-${hash}`;
}

/** True for names of models under test. */
export function isStagingName(name: string): boolean {
  return name.startsWith(STAGING_PREFIX);
}

/** One install or removal of a name at a time; other names go on beside it. */
export function lockName(runtime: Pick<RuntimeIdentity, 'kind' | 'endpoint'>, name: string): string {
  return `${runtime.kind} ${runtime.endpoint} ${parseModelName(name).canonical}`;
}
