/** Keeps the smoke test of an install short: what is run first, when it ends early, and why a check is not run. */
import { type Budget, DEFAULT_MAX_TOKENS } from './ask.ts';
import type { Check, CheckResult } from './schema.ts';

/** Chat checks that must fail in one way before the rest would only repeat it. */
const ALIKE = 3;

/** Why the next check is not run; undefined when it is. */
export interface Limiter {
  reasonToSkip(check: Check): string | undefined;
  /** Takes the result of a check into account. */
  observe(result: CheckResult): void;
}

/** Never skips anything. */
export const UNLIMITED: Limiter = { reasonToSkip: () => undefined, observe: () => undefined };

/**
 * Skips what would not end within the budget at the speed of the first answer, however long its answer may get, and
 * everything once the first chats failed in the same way. Loading and one chat are always run.
 */
export function createLimiter({ ms, clock }: Budget): Limiter {
  let loadedAt: number | undefined;
  let msPerToken = 0;
  const chats: CheckResult[] = [];
  let diagnosis: string | undefined;
  return {
    reasonToSkip(check) {
      if (diagnosis !== undefined) return diagnosis;
      if (check.level === 'loads' || chats.length === 0) return undefined;
      const spent = loadedAt === undefined ? 0 : clock() - loadedAt;
      if (spent + longestMs(check, msPerToken) <= ms) return undefined;
      return `the time of an install's smoke test (${Math.round(ms / 1000)} s) does not suffice for it`;
    },
    observe(result) {
      loadedAt ??= clock();
      if (msPerToken === 0 && result.tokensPerSecond !== undefined) msPerToken = 1000 / result.tokensPerSecond;
      if (result.level === 'loads' || result.skipped !== undefined) return;
      chats.push(result);
      if (chats.length === ALIKE) diagnosis = diagnose(chats);
    },
  };
}

/** Requests of a check, each with the longest answer that it allows. */
function longestMs({ maxTokens = DEFAULT_MAX_TOKENS, repeat = 1, timing }: Check, msPerToken: number): number {
  return (timing === undefined ? repeat : 2) * maxTokens * msPerToken;
}

function diagnose(chats: readonly CheckResult[]): string | undefined {
  const [first] = chats;
  const alike = chats.every(({ passed, advisory, cause }) => !passed && !advisory && cause === first?.cause);
  return alike && first?.cause !== undefined
    ? `the first ${chats.length} chats failed in the same way: ${first.cause}`
    : undefined;
}

/** What kind of failure a message describes, without the words and numbers of one answer. */
export function causeOf(message: string): string {
  return message.replace(/"(?:[^"\\]|\\.)*"/g, '…').replace(/\d+/g, '#');
}
