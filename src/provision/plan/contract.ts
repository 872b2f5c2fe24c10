/** What planning takes (a request and the state of this host), and what it decides (a plan). Nothing here changes anything. */
import * as z from 'zod';
import type { Catalog } from '../../catalog/load.ts';
import type { Family, Model, Sense, UseCaseId } from '../../catalog/schema.ts';
import type { Digest } from '../../core/digest.ts';
import type { ProvisionError } from '../../core/errors.ts';
import type { ChoicePolicy, Engine, MemoryEstimate, RunSettings } from '../../fit/schema.ts';
import type { MeasuredSpeed } from '../../fit/speed/estimate.ts';
import type { GgufFacts } from '../../gguf/schema.ts';
import type { RamBandwidth } from '../../hardware/bandwidth-ram.ts';
import type { HostProfile } from '../../hardware/schema.ts';
import type { ModelSpec } from '../../modelfile/schema.ts';
import type { InstallRecord } from '../../registry/schema.ts';
import type { RuntimeFacts, RuntimeIdentity, TransferPlan, TransferWay } from '../../runtimes/contract.ts';
import type { KnownPrompt } from '../../smoke/prompt/request.ts';
import type { LocalFile, ResolvedSource } from '../../sources/contract.ts';
import type { DiskNeed } from '../install/schema.ts';

/** What a Modelfile says of the load; what is absent is left to the server. */
export interface LoadSettings {
  readonly settings: Pick<Partial<RunSettings>, 'contextLength' | 'batch'>;
  /** Layers for the GPU. */
  readonly gpuLayers?: number;
}

export const Vision = z.enum(['auto', 'on', 'off']);
export type Vision = z.infer<typeof Vision>;

/** What the user asked for, parsed but not yet decided. */
export interface InstallRequest {
  /** `gemma-3n-e4b[:q5_k_m]`; absent when a file's header decides. */
  readonly model?: string;
  /** A quant, or undefined for auto. */
  readonly quant?: string;
  /** Where `quant` comes from, if the user did not name it. */
  readonly quantOrigin?: { readonly reason: string; readonly automatic: boolean };
  readonly from?: string;
  /** Quants that were tried and do not fit. */
  readonly without?: readonly string[];
  readonly name?: string;
  readonly family?: string;
  /** The model that a file must turn out to be, where none is named: an upgrade never becomes another one. */
  readonly expectedModel?: string;
  readonly useCase?: UseCaseId;
  /** How the quant is chosen; `best` when absent. */
  readonly policy?: ChoicePolicy;
  readonly sampling?: string;
  /** What a file without a chat template of its own gets: that of its family, or none because it is a pretrained model. */
  readonly chatTemplate?: 'family' | 'none';
  readonly digest?: Digest;
  /** Whether pictures and sound are wanted; `auto` where nothing is said: where it leaves the choice of the quant alone. */
  readonly vision?: Vision;
  /** The projector to use. */
  readonly projector?: { readonly ref: string; readonly digest?: Digest };
  /** Bytes of the tensors of a projector that the quant is to fit beside; planning sets it. */
  readonly projectorBytes?: number;
  /** The only way into the runtime that is wanted. */
  readonly way?: TransferWay;
  readonly settings: Partial<RunSettings>;
  /** How it is to be loaded, as a lock file says: then nothing is chosen. */
  readonly load?: LoadSettings;
  readonly force: boolean;
}

/** The volume of a path, or of the nearest folder above it that exists. */
export interface Volume {
  /** The same for two paths exactly when their files share one volume's room. */
  readonly device: string;
  readonly freeBytes: number;
}

/** What a plan of the disk looks at; without it, the host's profile has to do. */
export interface DiskLooks {
  /** Undefined where it cannot be looked at. */
  volumeOf?(path: string): Promise<Volume | undefined>;
  /** What of a file is still to be fetched into our cache; undefined for files of this machine, and for cached ones. */
  toFetch?(file: SourceFile): Promise<{ readonly folder: string; readonly bytes: number } | undefined>;
}

/** Everything that planning looks at; nothing here changes anything. */
export interface PlanningInputs extends DiskLooks {
  readonly catalog: Catalog;
  /** Nothing may be downloaded. */
  readonly offline?: boolean;
  readonly runtime: RuntimeIdentity;
  readonly facts: RuntimeFacts;
  readonly profile: HostProfile;
  /** How fast this host's RAM is, where that was measured. */
  readonly ram?: RamBandwidth;
  /** How fast a quant of a model was when it last ran in this runtime. */
  measured?(modelId: string, quant: string): MeasuredSpeed | undefined;
  /** Finds a source without moving bytes. */
  resolve(request: {
    ref: string;
    fileName?: string;
    expected?: { digest?: Digest; sizeBytes?: number };
  }): Promise<ResolvedSource>;
  /** The GGUF files of a folder on this machine; undefined for a reference to anything else. */
  filesIn?(ref: string): Promise<readonly LocalFile[] | undefined>;
  /** The recorded bytes as the runtime itself has them; undefined where its folder cannot be read, or has others. */
  storedFile?(record: InstallRecord): Promise<SourceFile | undefined>;
  /** Absolute path of a file that ships with this package. */
  bundledPath(relative: string): string;
  /** Of a file on a web server only the header is fetched. */
  readHeader(file: SourceFile): Promise<GgufFacts>;
  /** How the runtime would take a file; absent where it does not say. */
  planTransfer?(file: SourceFile, way: TransferWay | undefined): Promise<TransferPlan>;
  chatTemplate(name: string): Promise<string>;
  /** The official Jinja template of that name, for files that cannot be read or have none of their own. */
  referenceTemplate(name: string): Promise<string | undefined>;
  /** What `bench quality` found of exactly this file, as a sentence. */
  measuredQuality?(digest: Digest): Promise<string | undefined>;
  /** Records of a model in this runtime, newest first. */
  installed(modelId: string): Promise<readonly InstallRecord[]>;
}

/** A file on this machine, or one on a web server that the install fetches. */
export type SourceFile = Extract<ResolvedSource, { kind: 'file' | 'remote' }>;

/** The path of a file that is the user's own: one of our cache or of another tool's store is found by its digest instead. */
export function usersPath(file: SourceFile): string | undefined {
  return file.kind === 'file' && file.immutable !== true && file.servedBy === undefined ? file.path : undefined;
}

/** A projector that is created with the model. */
export interface PlannedProjector {
  /** The catalog's id, or `own` for one that the user named. */
  readonly id: string;
  readonly serves: readonly Sense[];
  readonly file: SourceFile;
  /** Of its tensors. */
  readonly bytes: number;
  /** How it gets into the runtime; absent where the runtime does not say, and where it is in place. */
  readonly transfer?: TransferPlan;
}

/** The same bytes from another place. */
export interface OtherPlace {
  readonly file: SourceFile;
  /** Why it is this place. */
  readonly reasons: readonly string[];
  readonly elsewhere?: Elsewhere;
}

/**
 * Finds the next place that has the same bytes, for a download that failed. Throws the failure where there is none, with
 * the ways to other bytes in its suggestions, and at once where it is not one of the place.
 */
export type Elsewhere = (failure: unknown) => Promise<OtherPlace>;

/** Where the bytes come from: a file, or the runtime's own library. */
export type PlannedSource =
  | {
      readonly kind: 'file';
      readonly file: SourceFile;
      readonly spec: ModelSpec;
      /** What the file says of itself. */
      readonly header?: GgufFacts;
      /** Absent for a file of this machine, and for one that the user named. */
      readonly elsewhere?: Elsewhere;
      readonly projector?: PlannedProjector;
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
  /** This tool chose the quant among several. */
  readonly automatic: boolean;
  /** How it did; absent where it did not. */
  readonly policy?: ChoicePolicy;
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
