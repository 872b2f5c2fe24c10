import { ProvisionError } from '../../core/errors.ts';
import type { RuntimeContext, RuntimeFlags, StorableFile, TransferPlan } from '../contract.ts';
import { serverAddress } from './host.ts';
import { serverModels } from './open.ts';
import { ollamaRuntime } from './runtime.ts';

/** The Ollama server that was asked for. */
export interface ServerEffects {
  /** Base of every request. Safe to print. */
  readonly endpoint: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly loopback: boolean;
  /** Its version. Throws `runtime-unreachable`, `runtime-not-ollama`, `runtime-timeout` and what a server may refuse. */
  version(signal: AbortSignal): Promise<string>;
  /** How an install would transfer a file: as `planTransfer` of the runtime. */
  planTransfer?(file: StorableFile, signal: AbortSignal): Promise<TransferPlan | undefined>;
}

/** Shorter than in an install: a server that takes longer to report its version is a finding. Milliseconds. */
const PATIENCE = { connectMs: 2_500, answerMs: 3_000, silenceMs: 3_000 };

/** An error is returned for a host that no client can connect to: that is a finding too. */
export function doctorServer(flags: RuntimeFlags, context: RuntimeContext): ServerEffects | ProvisionError {
  try {
    const host = serverAddress(flags, context);
    const files = { open: (path: string) => context.disk.open(path, 'r'), hash: context.hash };
    const doors = { loopback: true, models: (signal: AbortSignal) => serverModels(host, context, signal) };
    const runtime = ollamaRuntime({ host, files, now: () => performance.now(), limits: { server: PATIENCE }, doors });
    const { url, headers, loopback } = host;
    const version = async (signal: AbortSignal) => (await runtime.identify(signal)).version;
    return {
      endpoint: url,
      headers,
      loopback,
      version,
      planTransfer: async (file, signal) => runtime.planTransfer?.(file, undefined, signal),
    };
  } catch (error) {
    if (error instanceof ProvisionError) return error;
    throw error;
  }
}
