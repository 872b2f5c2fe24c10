/** Upgrades installed models to the latest version of their source, or one of them to another model. */
import { isAbsolute } from 'node:path';
import type { Catalog } from '../../catalog/load.ts';
import { resolveModel } from '../../catalog/lookup.ts';
import { UseCaseId } from '../../catalog/schema.ts';
import { defined } from '../../core/defined.ts';
import { ProvisionError } from '../../core/errors.ts';
import { failureOf, isAbort } from '../../core/failure.ts';
import type { Work } from '../../core/progress.ts';
import { RAW_TEMPLATE } from '../../modelfile/templates.ts';
import { readRecords } from '../../registry/index.ts';
import type { InstallRecord } from '../../registry/schema.ts';
import { sameModel } from '../../runtimes/names.ts';
import { flagsFor, type RuntimeFlags } from '../../runtimes/registry.ts';
import type { AppContext } from '../context.ts';
import { installWith, type Pinned } from '../install/install-model.ts';
import { type Installer, openInstaller } from '../install/installer.ts';
import type { Consent } from '../install/licence.ts';
import type { InstallReport, UpgradeReport, UpgradeResult } from '../install/schema.ts';
import type { InstallRequest } from '../plan/contract.ts';
import type { HostFlags } from '../plan/host.ts';
import { notInCatalog } from '../plan/identify.ts';
import { isUnlisted } from '../plan/unlisted.ts';
import { locateModel, notInstalled } from './records.ts';

/**
 * Asks for the same model, quant, use case and name from where it came. Load settings are those of the record: planning
 * keeps what is installed under the name. What ships with this tool comes from this version of it.
 */
export function upgradeRequest(record: InstallRecord, catalog: Catalog): InstallRequest {
  const { name, source, profile, quant } = record;
  const useCase = useCaseOf(record.choice.useCase);
  const { policy } = record.choice;
  const vision = record.projector === undefined ? ('off' as const) : ('on' as const);
  const common = { name, settings: {}, force: false, vision, ...defined({ useCase, policy }) };
  if (source.ref.startsWith('ollama:')) return { ...common, from: source.ref };
  const known = knownModel(record, catalog);
  const chatTemplate = record.template.name === RAW_TEMPLATE ? 'none' : 'family';
  // A record that was rebuilt does not know its profile: the family's own applies.
  const sampling = profile === 'unknown' ? {} : { sampling: profile };
  const named = { ...common, ...sampling, chatTemplate } as const;
  if (known === undefined) return { ...named, ...sourceOf(record), ...identityOf(record, catalog) };
  const quantOrigin = { reason: 'this quant is installed', automatic: record.choice.automatic === true };
  const model = { ...named, model: record.model, quant, quantOrigin };
  return isBundled(record, known) ? model : { ...model, ...sourceOf(record) };
}

/**
 * Asks for another model under the same name, for the same use and with the context length that callers of the name rely
 * on. Quant, sampling and chat template belong to a model, so they are chosen anew unless `to` names a quant. Throws
 * `model-not-found`, `quant-not-found`.
 */
export function moveRequest(record: InstallRecord, to: string, catalog: Catalog): InstallRequest {
  const { name, choice, parameters } = record;
  const { model, quant } = resolveModel(catalog, to);
  const { num_ctx: contextLength } = parameters;
  const from = `${name} was ${record.model}:${record.quant}`;
  return {
    name,
    model: model.id,
    ...defined({ quant: quant?.id, useCase: useCaseOf(choice.useCase), policy: choice.policy }),
    quantOrigin: { reason: `upgrade --to ${to} names this quant; ${from}`, automatic: quant === undefined },
    settings: typeof contextLength === 'number' ? { contextLength } : {},
    force: false,
  };
}

function useCaseOf(text: string | undefined): UseCaseId | undefined {
  return UseCaseId.options.find((useCase) => useCase === text);
}

type Model = Catalog['families'][number]['family']['models'][number];

function knownModel({ family, model }: InstallRecord, { families }: Catalog): Model | undefined {
  return families.find((each) => each.family.id === family)?.family.models.find(({ id }) => id === model);
}

/**
 * A model that no catalog had is described by its header, which gives it the same id again; one of a catalog that is not
 * passed now would be taken for another model. A record that was rebuilt may know the family alone. Throws
 * `model-not-found` for a family that neither a header nor the catalog has.
 */
function identityOf(
  { family, model, rebuilt }: InstallRecord,
  { families }: Catalog,
): Pick<InstallRequest, 'family' | 'expectedModel'> {
  const isKnown = isUnlisted(family) || families.some((each) => each.family.id === family);
  if (!isKnown) throw notInCatalog(model, `it has no family ${family} either`);
  return { family, ...(rebuilt === undefined && { expectedModel: model }) };
}

/** The file was the one that ships with this tool, of this version or another one. */
function isBundled({ source, quant }: InstallRecord, model: Model): boolean {
  const { bundled } = model.quants.find(({ id }) => id === quant) ?? {};
  const path = (source.path ?? source.ref).replaceAll('\\', '/');
  return bundled !== undefined && path.endsWith(`/${bundled}`);
}

/** A path as the user typed it means something else in another folder; a fixed digest is part of where a file came from. */
function sourceOf({ source }: InstallRecord): Pick<InstallRequest, 'from' | 'digest'> {
  const { ref, path, digest } = source;
  if (path !== undefined) return { from: isAbsolute(ref) ? ref : path };
  const isFixed = /^https?:/i.test(ref) && digest !== undefined;
  // The record's schema has checked its form; its type says no more than text.
  return { from: ref, ...(isFixed && { digest: digest }) };
}

export interface UpgradeFlags extends RuntimeFlags, HostFlags {
  /** Another model of the catalog, optionally with a quant, for the one name. */
  readonly to?: string | undefined;
  readonly suite?: string | undefined;
  readonly 'no-smoke'?: boolean | undefined;
  readonly 'no-keep'?: boolean | undefined;
  readonly 'dry-run'?: boolean | undefined;
  /** Another projector than the recorded one, or none. */
  readonly eyes?: Pick<InstallRequest, 'vision' | 'projector'>;
}

/** Looks what a request names: a published model comes with its own settings, and may have to be signed. */
export type Pin = (request: InstallRequest) => Promise<Pinned | undefined>;

interface PinningFlags extends UpgradeFlags {
  readonly pin: Pin;
}

/** One model, or without a name every model that this tool installed. Throws `bad-usage` for `to` without a name. */
export function upgrade(
  app: AppContext,
  name: string | undefined,
  flags: PinningFlags,
  consent: Consent,
): Work<UpgradeReport> {
  if (name !== undefined) return upgradeOne(app, name, flags, consent);
  if (flags.to === undefined) return upgradeAll(app, flags, consent);
  throw new ProvisionError('bad-usage', '--to moves one name to another model, but no NAME is given', {
    suggestions: [`Name it, as shown by list: gemma-provision upgrade NAME --to ${flags.to}`],
  });
}

/** Upgrades one model; what goes wrong is thrown. */
async function* upgradeOne(app: AppContext, name: string, flags: PinningFlags, consent: Consent): Work<UpgradeReport> {
  const where = await locateModel(app, name, flags);
  const installer = await openInstaller(app, { ...flags, ...where });
  const record = await recordOf(app, name, installer);
  if (flags.to === undefined && isFromBundle(record)) throw fromBundle(record);
  const report = yield* upgradeRecord(app, record, flags, consent, installer);
  return { results: [resultOf(record, { ok: true, report })] };
}

async function recordOf(app: AppContext, name: string, { runtime }: Installer): Promise<InstallRecord> {
  const { records } = await readRecords(await app.registry());
  const here = records.filter((each) => isIn(each, runtime));
  const found = here.find((each) => sameModel(each.name, name));
  if (found !== undefined) return found;
  throw notInstalled(
    name,
    here.map((each) => each.name),
  );
}

function isIn({ runtime }: InstallRecord, { kind, endpoint }: Installer['runtime']): boolean {
  return runtime.kind === kind && runtime.endpoint === endpoint;
}

/** Every model that this tool installed, where it is; what goes wrong with one is in its result and stops no other. */
async function* upgradeAll(app: AppContext, flags: PinningFlags, consent: Consent): Work<UpgradeReport> {
  const { records, broken } = await readRecords(await app.registry());
  for (const { error } of broken) yield { type: 'warning', message: error.message };
  const opened = new Map<string, Promise<Installer>>();
  const results: UpgradeResult[] = [];
  for (const record of await selectRecords(app, records, flags)) {
    if (isFromBundle(record)) yield { type: 'warning', message: fromBundle(record).message };
    else results.push(yield* tryUpgrade(app, record, flags, consent, opened));
  }
  return { results };
}

/** A bundle is a file that somebody carried here: nobody knows where a newer one is. */
function isFromBundle({ source }: InstallRecord): boolean {
  return source.ref.startsWith('bundle:');
}

function fromBundle({ name, source }: InstallRecord): ProvisionError {
  const file = source.ref.slice('bundle:'.length);
  return new ProvisionError(
    'bad-usage',
    `${name} was installed from the bundle ${file}, so it has no source to upgrade from`,
    {
      suggestions: [`Install a newer bundle over it: gemma-provision bundle install FILE --name ${name}`],
    },
  );
}

/** Those of one runtime where the user names it, else all. */
async function selectRecords(
  app: AppContext,
  records: readonly InstallRecord[],
  flags: UpgradeFlags,
): Promise<readonly InstallRecord[]> {
  const named = flags.host !== undefined || (flags.runtime !== undefined && flags.runtime !== 'auto');
  if (!named) return records;
  const { identity } = await app.open(flags);
  return records.filter((record) => isIn(record, identity));
}

async function* tryUpgrade(
  app: AppContext,
  record: InstallRecord,
  flags: PinningFlags,
  consent: Consent,
  opened: Map<string, Promise<Installer>>,
): Work<UpgradeResult> {
  try {
    const installer = await openFor(app, record, flags, opened);
    return resultOf(record, { ok: true, report: yield* upgradeRecord(app, record, flags, consent, installer) });
  } catch (error) {
    if (app.options.signal.aborted || isAbort(error)) throw error;
    const { code, message, suggestions, exitCode } = failureOf(error);
    yield { type: 'warning', message: `${record.name}: ${message}` };
    return resultOf(record, { ok: false, error: { code, message, suggestions: [...suggestions], exitCode } });
  }
}

function openFor(
  app: AppContext,
  { runtime }: InstallRecord,
  flags: UpgradeFlags,
  opened: Map<string, Promise<Installer>>,
): Promise<Installer> {
  const key = `${runtime.kind} ${runtime.endpoint}`;
  const installer = opened.get(key) ?? openInstaller(app, { ...flags, host: undefined, ...flagsFor(runtime) });
  opened.set(key, installer);
  return installer;
}

async function* upgradeRecord(
  app: AppContext,
  record: InstallRecord,
  flags: PinningFlags,
  consent: Consent,
  installer: Installer,
): Work<InstallReport> {
  const catalog = await app.catalog();
  const asked = flags.to === undefined ? upgradeRequest(record, catalog) : moveRequest(record, flags.to, catalog);
  const request = { ...asked, ...flags.eyes };
  const pinned = await flags.pin(request);
  return yield* installWith(app, installer, pinned?.request ?? request, flags, consent, pinned);
}

function resultOf(
  { name, runtime: { kind, endpoint } }: InstallRecord,
  outcome: Omit<UpgradeResult, 'name' | 'runtime'>,
): UpgradeResult {
  return { name, runtime: { kind, endpoint }, ...outcome };
}
