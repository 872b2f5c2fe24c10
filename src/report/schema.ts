import type { Recommendation } from '../fit/schema.ts';
import type { HostProfile } from '../hardware/schema.ts';

/** What a page is made from: the data of `recommend --json`, and nothing else. */
export interface RecommendationData extends Recommendation {
  readonly hardware: HostProfile;
  readonly server?: { readonly version: string; readonly endpoint: string } | undefined;
}
