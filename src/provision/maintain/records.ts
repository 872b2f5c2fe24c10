import * as z from 'zod';
import { EXIT_CODE, ProvisionError } from '../../core/errors.ts';
import { didYouMean } from '../../core/suggest.ts';
import { listJournals, type Registry, readRecords } from '../../registry/index.ts';
import { InstallRecord } from '../../registry/schema.ts';
import { parseModelName, sameModel } from '../../runtimes/names.ts';
import { describeRuntime, flagsFor, type OpenRuntime, type RuntimeFlags } from '../../runtimes/registry.ts';
import type { AppContext } from '../context.ts';
import { changeEffects } from '../install/effects.ts';

export const ListData = z.strictObject({
  records: z.array(InstallRecord),
  /** Record files that could not be read; the others are shown all the same. */
  broken: z.array(z.strictObject({ path: z.string(), message: z.string(), suggestions: z.array(z.string()) })),
});
export type ListData = z.infer<typeof ListData>;

export const ShowData = z.strictObject({ records: z.array(InstallRecord) });
export type ShowData = z.infer<typeof ShowData>;

export async function allRecords(registry: Registry): Promise<ListData> {
  const { records, broken } = await readRecords(registry);
  return {
    records,
    broken: broken.map(({ path, error: { message, suggestions } }) => ({
      path,
      message,
      suggestions: [...suggestions],
    })),
  };
}

/** Records under a name, narrowed by `--runtime`. Throws `record-not-found`. */
export async function recordsNamed(registry: Registry, typed: string, flags: RuntimeFlags): Promise<InstallRecord[]> {
  const { records, broken } = await readRecords(registry);
  const name = parseModelName(typed).canonical;
  const wanted = flags.runtime === undefined || flags.runtime === 'auto' ? undefined : flags.runtime;
  const found = records.filter(
    (record) =>
      parseModelName(record.name).canonical === name && (wanted === undefined || record.runtime.kind === wanted),
  );
  if (found.length > 0) return found;
  if (broken[0] !== undefined) throw broken[0].error;
  throw notInstalled(typed, namesOf(records));
}

/** For a name without a record. */
export function notInstalled(name: string, knownNames: readonly string[]): ProvisionError {
  return new ProvisionError('record-not-found', `this tool did not install a model named ${name}`, {
    suggestions: [...didYouMean(name, knownNames), 'List the installed models: gemma-provision list'],
  });
}

function namesOf(records: readonly InstallRecord[]): string[] {
  return records.map((record) => record.name);
}

/** Flags that lead to the runtime of a name: what the user said, else where our record says that it is. */
export async function locateModel(app: AppContext, name: string, flags: RuntimeFlags): Promise<RuntimeFlags> {
  if (flags.host !== undefined || (flags.runtime !== undefined && flags.runtime !== 'auto')) return flags;
  const { records } = await readRecords(await app.registry());
  const canonical = parseModelName(name).canonical;
  const found = records.filter((record) => parseModelName(record.name).canonical === canonical);
  const [only] = found;
  if (only === undefined) return flags;
  if (found.length > 1) {
    const places = found.map(({ runtime }) => describeRuntime(runtime)).join(', ');
    throw new ProvisionError('bad-usage', `${name} is installed in several runtimes: ${places}`, {
      suggestions: ['Choose one with --runtime, or with --host for a server.'],
    });
  }
  return flagsFor(only.runtime);
}

/**
 * Opens the runtime of a name. Throws `record-not-found` where it cannot be opened and nothing here knows the name: no
 * runtime is needed to say that.
 */
export async function openForName(app: AppContext, name: string, where: RuntimeFlags): Promise<OpenRuntime> {
  try {
    return await app.open(where);
  } catch (error) {
    const isAbsent = error instanceof ProvisionError && error.exitCode === EXIT_CODE['runtime-unreachable'];
    if (!isAbsent) throw error;
    const registry = await app.registry();
    const [{ records, broken }, journals] = await Promise.all([readRecords(registry), listJournals(registry)]);
    const interrupted = journals.some(({ journal }) => journal === undefined || sameModel(journal.name, name));
    if (broken.length > 0 || interrupted) throw error;
    throw notInstalled(name, namesOf(records));
  }
}

/** The runtime that has a name, opened, with what a change of the name needs. */
export async function openForChange(app: AppContext, name: string, flags: RuntimeFlags) {
  const [opened, registry, locker] = await Promise.all([
    locateModel(app, name, flags).then((where) => openForName(app, name, where)),
    app.registry(),
    app.locker(),
  ]);
  const { version } = app.options;
  return {
    registry,
    effects: changeEffects({ opened, registry, locker, cage: await app.cage(), version, env: app.env }),
  };
}
