import type { Recommendation } from '../fit/schema.ts';
import type { HostProfile } from '../hardware/schema.ts';

/** The input of a page: the data of `recommend --json`, and nothing else. */
export interface RecommendationData extends Recommendation {
  readonly hardware: HostProfile;
  readonly server?: { readonly version: string; readonly endpoint: string } | undefined;
}
