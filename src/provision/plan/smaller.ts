import { ProvisionError } from '../../core/errors.ts';
import type { InstallPlan, InstallRequest } from './contract.ts';

/** A shorter context is of little use to a chat: a system text, a question and its answer have to go in. Tokens. */
const SHORTEST_CONTEXT = 2048;

interface Chosen {
  readonly quant: string;
  readonly contextLength: number;
  /** The quant was ours to choose: the next one may be taken. */
  readonly freeQuant: boolean;
}

/**
 * The next smaller way to install what was requested: another quant unless one was requested, then half the context
 * unless one was requested. Undefined when nothing is left. Throws what planning throws, but for a lack of quants.
 */
export async function smallerPlan(
  request: InstallRequest,
  { quant, contextLength, freeQuant }: Chosen,
  plan: (request: InstallRequest) => Promise<InstallPlan>,
): Promise<InstallPlan | undefined> {
  if (freeQuant) {
    const without = [...(request.without ?? []), quant];
    const next = await planned({ ...request, without }, plan);
    if (next !== undefined) return next;
  }
  const half = Math.floor(contextLength / 2);
  if (request.settings.contextLength !== undefined || half < SHORTEST_CONTEXT) return undefined;
  return planned({ ...request, settings: { ...request.settings, contextLength: half } }, plan);
}

/** Undefined where no other quant is available. */
async function planned(
  request: InstallRequest,
  plan: (request: InstallRequest) => Promise<InstallPlan>,
): Promise<InstallPlan | undefined> {
  try {
    return await plan(request);
  } catch (error) {
    if (error instanceof ProvisionError && NOTHING_LEFT.has(error.code)) return undefined;
    throw error;
  }
}

const NOTHING_LEFT: ReadonlySet<string> = new Set(['source-not-found', 'memory-short', 'quant-not-found']);
