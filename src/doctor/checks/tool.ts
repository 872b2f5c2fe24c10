import { join } from 'node:path';
import { errnoOf, messageOf, ProvisionError } from '../../core/errors.ts';
import { nearest } from '../../core/suggest.ts';
import { formatDuration } from '../../core/units.ts';
import { LockHolder } from '../../disk/process-identity.ts';
import { readRecords } from '../../registry/index.ts';
import type { InstallRecord } from '../../registry/schema.ts';
import { sameModel } from '../../runtimes/names.ts';
import { capabilitiesOf } from '../../runtimes/registry.ts';
import { defineCheck, type Finding, findingOf, merged, ok, problem, warning } from '../check.ts';
import type { Configuration } from '../effects.ts';
import { reasonOf } from '../folder.ts';
import { KNOWN_VARIABLES, resolveSettings } from '../settings.ts';
import type { DoctorView } from '../view.ts';

/** Which source applies for each setting, a config.json that stops every command, and variables of ours that have no effect. */
export const settings = defineCheck({
  id: 'settings',
  title: 'Configuration',
  async run({ configuration }) {
    const set = resolveSettings(configuration)
      .filter(({ value, source }) => value !== undefined && source !== 'default')
      .map(({ id, value, source, overruled }) => {
        const lost = overruled.length === 0 ? '' : `, over ${overruled.join(' and ')}`;
        return `${id} is ${value} (${source}${lost})`;
      });
    const detail =
      set.length === 0 ? 'All settings have their defaults.' : `${set.join('; ')}; all others have their defaults.`;
    return merged([ok(detail), ...unreadableConfiguration(configuration), ...unknownVariables(configuration)]);
  },
});

function unreadableConfiguration({ fault, filePath }: Configuration): Finding[] {
  if (fault === undefined) return [];
  if (fault instanceof ProvisionError) return [findingOf('problem', fault)];
  return [
    problem(`${filePath} cannot be read: ${reasonOf(fault)}.`, `Give the file to this user, or remove it: ${filePath}`),
  ];
}

function unknownVariables({ env }: Configuration): Finding[] {
  const names = Object.keys(env).filter(
    (name) => name.startsWith('GEMMA_PROVISION_') && !KNOWN_VARIABLES.includes(name),
  );
  return names.sort().map((name) => {
    const near = nearest(name, KNOWN_VARIABLES);
    const remedy = near === undefined ? `Unset ${name}.` : `Did you mean ${near} instead of ${name}?`;
    return warning(`${name} has no effect on this tool.`, remedy);
  });
}

/** Whether the catalog loads: one invalid catalog file of the user stops every install. */
export const catalog = defineCheck({
  id: 'catalog',
  title: 'Catalog',
  async run(view) {
    try {
      const { families } = await view.catalog();
      const models = families.flatMap(({ family }) => family.models);
      const own = new Set(
        families.flatMap(({ origins }) => origins.filter(({ origin }) => origin !== 'builtin').map(({ path }) => path)),
      );
      const files = own.size === 0 ? '' : `, with ${[...own].join(', ')}`;
      return ok(`${models.length} models of ${families.length} families${files}.`);
    } catch (error) {
      if (error instanceof ProvisionError) return findingOf('problem', error);
      throw error;
    }
  },
});

/** Broken records, and records of models that their runtime no longer has. */
export const records = defineCheck({
  id: 'records',
  title: 'Records',
  async run(view, signal) {
    const { records: sound, broken } = await readRecords(view.registry);
    const findings: Finding[] = broken.map(({ error }) => warning(error.message, error.suggestions.join('\n')));
    for (const record of sound) findings.push(...(await findingsForModel(view, record, signal)));
    const count = `${sound.length} ${sound.length === 1 ? 'model is' : 'models are'} recorded.`;
    return merged([ok(count), ...findings]);
  },
});

/** Only reachable runtimes are asked; the records of others are not judged. */
async function findingsForModel(view: DoctorView, record: InstallRecord, signal: AbortSignal): Promise<Finding[]> {
  const { name, runtime } = record;
  const remedy = `Install it again, or remove its record: gemma-provision remove ${name} --runtime ${runtime.kind}`;
  try {
    const there = await runtimeHasModel(view, record, signal);
    return there === false ? [warning(`${name} is recorded, but ${runtime.kind} no longer has it.`, remedy)] : [];
  } catch (error) {
    signal.throwIfAborted();
    return [warning(`${name} is recorded, but damaged: ${messageOf(error)}.`, remedy)];
  }
}

/** Undefined when it cannot be determined. */
async function runtimeHasModel(
  view: DoctorView,
  record: InstallRecord,
  signal: AbortSignal,
): Promise<boolean | undefined> {
  const { name, runtime } = record;
  if (!capabilitiesOf(runtime.kind).isServer) return view.embedded.has(name, signal);
  if (!('endpoint' in view.server) || runtime.endpoint !== view.server.endpoint) return undefined;
  const names = await view.names().catch(() => undefined);
  return names?.some((each) => sameModel(each, name));
}

/** A holder updates its lock every 2 s; after 10 s without an update it is reported as dead. The next run checks more closely. */
const STALE_MS = 10_000;

/** Runs that hold a lock now, and locks that a dead run left. */
export const locks = defineCheck({
  id: 'locks',
  title: 'Locks',
  async run(view) {
    const folder = join(view.paths.data, 'locks');
    const names = await view.disk.readdir(folder).catch((error: unknown) => {
      if (errnoOf(error) === 'ENOENT') return [];
      throw error;
    });
    const held = names.filter((name) => name.endsWith('.lock'));
    const findings = await Promise.all(held.map((name) => findingFor(view, folder, name)));
    const [first, ...rest] = findings.filter((finding) => finding !== undefined);
    return first === undefined ? ok('No other run holds a lock.') : merged([first, ...rest]);
  },
});

async function findingFor(view: DoctorView, folder: string, name: string): Promise<Finding | undefined> {
  const path = join(folder, name);
  const facts = await view.disk.stat(path, { bigint: true }).catch(() => undefined);
  if (facts === undefined) return undefined;
  const who = await holderOf(view, path);
  if (who === undefined) return undefined;
  const silent = view.now() - Number(facts.mtimeNs / 1_000_000n);
  if (silent <= STALE_MS) {
    return warning(
      `${who} holds a lock; an install waits up to 15 s for it and then fails with exit code 15.`,
      'Wait until that run ends.',
    );
  }
  return warning(
    `${who} died ${formatDuration(silent)} ago and left its lock.`,
    `The next install takes the lock over automatically; if that fails, remove ${path}.`,
  );
}

/** Undefined for a released lock. */
async function holderOf(view: DoctorView, path: string): Promise<string | undefined> {
  try {
    const text = await view.disk.readFile(path, 'utf8');
    if (text.startsWith('released')) return undefined;
    const { command, pid } = LockHolder.parse(JSON.parse(text));
    return `gemma-provision ${command} (process ${pid})`;
  } catch {
    return 'An unknown run';
  }
}
