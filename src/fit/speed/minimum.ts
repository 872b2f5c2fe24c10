import type { UseCaseId } from '../../catalog/schema.ts';

export interface SpeedFloor {
  /** Tokens per second below which this use is not practical; absent where waiting is part of the work. */
  readonly tokensPerSecond?: number;
  readonly reason: string;
}

/**
 * Adults read English non-fiction silently at 175 to 300 words a minute, 238 on average, and aloud at 183 (Brysbaert
 * 2019, doi:10.1016/j.jml.2019.104047). A word is about 1.33 tokens of English (common rule of thumb: 100 tokens are 75 words).
 */
const FLOORS: Readonly<Record<UseCaseId, SpeedFloor>> = {
  chatbot: { tokensPerSecond: 7, reason: 'the pace of fast readers: 300 words a minute are 6.7 tokens a second' },
  research: { reason: 'quality matters more than speed' },
  prototype: {
    tokensPerSecond: 5,
    reason: 'the average reading pace: 238 words a minute are 5.3 tokens a second',
  },
  constrained: {
    tokensPerSecond: 4,
    reason: 'the pace of reading aloud: 183 words a minute are 4.1 tokens a second',
  },
  edge: {
    tokensPerSecond: 4,
    reason: 'the pace of reading aloud, so that speech output does not pause: 4.1 tokens a second',
  },
};

/** The least speed that a use case asks for, with its reason. */
export function speedFloor(useCase: UseCaseId): SpeedFloor {
  return FLOORS[useCase];
}
