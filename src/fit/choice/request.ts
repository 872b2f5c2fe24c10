import type { Family, Model, UseCaseId } from '../../catalog/schema.ts';
import type { RamBandwidth } from '../../hardware/bandwidth-ram.ts';
import type { HostProfile } from '../../hardware/schema.ts';
import type { Estimator } from '../memory/estimate.ts';
import type { Candidate, ChoicePolicy, Engine, RunSettings } from '../schema.ts';
import type { MeasuredSpeed } from '../speed/estimate.ts';
import type { Advice } from './policy.ts';

/** A setting that may be reduced if the user did not set it. */
export type Adjustable = 'contextLength' | 'batch';

/** A model that is loaded now and would make room if it were stopped. Bytes, as the server reports them. */
export interface LoadedModel {
  readonly name: string;
  readonly gpuBytes: number;
  readonly ramBytes: number;
}

/** `as it was installed before`, by setting. */
export type SettingOrigins = Partial<Readonly<Record<keyof RunSettings, string>>>;

export interface RecommendRequest {
  readonly family: Pick<Family, 'architecture' | 'policy'>;
  readonly model: Pick<Model, 'id' | 'hyperparameters' | 'quants'>;
  /** Consider only these quant ids; all of the model's when absent. */
  readonly quants?: readonly string[];
  readonly useCase?: UseCaseId;
  /** `best` when absent. */
  readonly policy?: ChoicePolicy;
  readonly settings: RunSettings;
  /** Bytes of the tensors of a projector that is loaded with every quant; absent without one. */
  readonly projectorBytes?: number;
  /** Settings that the user did not set; none when absent. */
  readonly adjustable?: readonly Adjustable[];
  /** Where settings come from that the user did not ask for. */
  readonly settingOrigins?: SettingOrigins;
  /** The default settings, to show what the difference costs. */
  readonly usual?: Partial<RunSettings>;
  readonly engine: Engine;
  readonly profile: HostProfile;
  /** How fast this host's RAM is, if it was measured; otherwise the value of its profile. */
  readonly ram?: RamBandwidth;
  /** What a quant did when it ran here before. */
  readonly measured?: (quant: string) => MeasuredSpeed | undefined;
  /** What takes memory of this host now. */
  readonly loaded?: readonly LoadedModel[];
  /** Quants that nobody publishes: others are chosen before them. */
  readonly unpublished?: ReadonlySet<string>;
  /** Why the server cannot load a quant, as one sentence; undefined when it can. */
  readonly blockedByServer?: (quant: string) => string | undefined;
  readonly estimator?: Estimator;
  /** Adds the table of quants, contexts and types of the KV cache. */
  readonly table?: boolean;
}

/** What decides the order of candidates besides themselves. */
export interface Order {
  readonly policy: ChoicePolicy;
  readonly advice: Advice;
  readonly useCase?: UseCaseId;
}

/** The quants in their order under certain settings on a certain host. */
export interface Ranking {
  readonly request: RecommendRequest;
  readonly order: Order;
  readonly candidates: readonly Candidate[];
  /** The first, if it runs. */
  readonly best: Candidate | undefined;
}
