import { join } from 'node:path';
import type { Work } from '../../core/progress.ts';
import type { Locker } from '../../disk/lock.ts';
import { readRecords } from '../../registry/index.ts';
import type { InstallRecord } from '../../registry/schema.ts';
import type { RuntimeFlags } from '../../runtimes/open.ts';
import type { AppContext } from '../context.ts';
import { openRunOf } from '../install/open-run.ts';
import { hashAgain, placeOf } from './places.ts';
import { recordsNamed } from './records.ts';
import { verify } from './verify.ts';
import type { VerifyReport } from './verify-schema.ts';

export interface VerifyFlags extends RuntimeFlags {
  readonly quick?: boolean | undefined;
}

/** Flags that lead to where a record says that its model is. */
export function whereOf({ kind, endpoint }: InstallRecord['runtime']): RuntimeFlags {
  return kind === 'ollama' ? { runtime: kind, host: endpoint } : { runtime: kind };
}

/** One model, or all that this tool installed. Throws `record-not-found`, `bad-record` for a NAME whose record is broken. */
export async function verifyOf(
  name: string | undefined,
  flags: VerifyFlags,
  app: AppContext,
): Promise<Work<VerifyReport>> {
  const registry = await app.registry();
  const all = name === undefined ? await readRecords(registry) : undefined;
  const named = name === undefined ? [] : await recordsNamed(registry, name, flags);
  const records = (all?.records ?? named).filter((record) => isMeant(record, flags));
  const request = { records, broken: all?.broken ?? [], quick: flags.quick === true };
  const impatient = await impatientLocker(app);
  const effects = {
    hash: hashAgain(),
    openRun: (record: Pick<InstallRecord, 'name' | 'runtime'>) =>
      openRunOf(record, { registry, impatient }, app.options.signal),
    place: async (runtime: InstallRecord['runtime']) =>
      placeOf(await app.open({ ...whereOf(runtime), ...(flags.host !== undefined && { host: flags.host }) }), app),
  };
  return verify(request, effects, app.options.signal);
}

/** `--runtime` narrows; `--host` says where the server is, which is all that a record of Ollama has to match. */
function isMeant({ runtime }: InstallRecord, { runtime: wanted, host }: VerifyFlags): boolean {
  if (wanted !== undefined && wanted !== 'auto') return runtime.kind === wanted;
  return host === undefined || runtime.kind === 'ollama';
}

/** Tells at once whether a lock is held. */
async function impatientLocker({ paths, options }: AppContext): Promise<Locker> {
  const { createFileLocker } = await import('../../disk/locker.ts');
  return createFileLocker({ dir: join(paths.data, 'locks'), command: options.command, waitMs: 0 });
}
