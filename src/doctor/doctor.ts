import { homedir, networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { defaultModel, resolveModel } from '../catalog/lookup.ts';
import { ProvisionError } from '../core/errors.ts';
import { createHttp } from '../net/client.ts';
import { askText } from '../net/text.ts';
import { AppContext, type AppOptions } from '../provision/context.ts';
import { resolvePaths } from '../provision/paths.ts';
import { hostProfile } from '../provision/plan/host.ts';
import { STAGING_PREFIX } from '../provision/plan/names.ts';
import { diagnosticEffects, mayUseAnother, type RuntimeFlags, requestedRuntime } from '../runtimes/registry.ts';
import type { DoctorEffects, Wanted } from './effects.ts';
import { runDoctor } from './run.ts';
import type { DoctorData } from './schema.ts';
import { type Subject, subjectOf } from './subject.ts';

export interface DoctorFlags extends RuntimeFlags {
  readonly catalog?: string[] | undefined;
  /** Flags as they were typed: what the environment set is in `host` and `runtime` too. */
  readonly typed: Readonly<Record<string, string | undefined>>;
}

/** Checks everything that an install depends on. Throws for a model that the catalog does not know. */
export async function doctorOf(
  app: AppContext,
  model: string | undefined,
  flags: DoctorFlags,
  fault?: unknown,
): Promise<DoctorData> {
  const { signal } = app.options;
  const subject = () => subjectFor(app, model);
  if (model !== undefined) await subject().catch(rethrowRequestError);
  const report = await runDoctor(await effectsOf(app, flags, subject, fault), signal);
  return model === undefined ? report : { ...report, model };
}

/** The same where the settings could not be read (`fault`), which ends every other command at its start. */
export async function doctorDespite(
  fault: unknown,
  model: string | undefined,
  flags: DoctorFlags,
  options: AppOptions,
): Promise<DoctorData> {
  const app = new AppContext(options, resolvePaths(process.env), {}, process.env);
  try {
    return await doctorOf(app, model, flags, fault);
  } finally {
    await app.close();
  }
}

/** A wrong request is an error; a wrong catalog is a finding. */
const REQUEST_ERRORS: readonly string[] = ['model-not-found', 'quant-not-found'];

function rethrowRequestError(error: unknown): void {
  if (!(error instanceof ProvisionError) || REQUEST_ERRORS.includes(error.code)) throw error;
}

async function subjectFor(app: AppContext, typed: string | undefined): Promise<Subject> {
  const catalog = await app.catalog();
  const { family, model, quant } = resolveModel(catalog, typed ?? defaultModel(catalog));
  const subject = subjectOf({ family, model, quant }, { named: typed !== undefined, root: app.options.root });
  if (subject !== undefined) return subject;
  throw new ProvisionError('bad-catalog', `The catalog has no size for ${model.id}.`, {
    suggestions: ['Give its quants fileBytes or tensorBytes.'],
  });
}

async function effectsOf(
  app: AppContext,
  flags: DoctorFlags,
  subject: () => Promise<Subject>,
  fault: unknown,
): Promise<DoctorEffects> {
  const { paths, settings, env, options } = app;
  const uid = process.getuid?.();
  const context = await app.runtimeContext();
  const { http } = createHttp({ env: {} });
  return {
    platform: process.platform,
    nodeVersion: process.versions.node,
    ...(uid !== undefined && { uid }),
    home: homedir(),
    env,
    paths,
    ownFile: join(options.root, 'package.json'),
    now: () => Date.now(),
    disk: app.disk,
    get: (url, { headers = {}, signal }) => askText(http, { method: 'GET', url, headers, kind: 'diagnosis', signal }),
    addresses: () => Object.values(networkInterfaces()).flatMap((each) => each ?? []),
    ...(await diagnosticEffects(flags, context)),
    registry: await app.registry(),
    configuration: {
      flags: flags.typed,
      env,
      file: settings,
      filePath: join(paths.config, 'config.json'),
      ...(fault !== undefined && { fault }),
    },
    wanted: wantedBy(app, flags),
    stagingPrefix: STAGING_PREFIX,
    catalog: () => app.catalog(),
    subject,
    profile: () => hostProfile({}, app.hostContext()),
  };
}

/** As when a runtime is opened: a host that is named rules out the embedded runtime. */
function wantedBy(app: AppContext, flags: DoctorFlags): Wanted {
  const isServer = requestedRuntime(flags, app.settings)?.capabilities.isServer ?? true;
  return { usesServer: isServer, serverOnly: isServer && !mayUseAnother(flags, app) };
}
