import type { Check } from '../contract.ts';
import { cacheFolder } from './cache-folder.ts';
import { catalog } from './catalog.ts';
import { clock } from './clock.ts';
import { configFolder } from './config-folder.ts';
import { context } from './context.ts';
import { dataFolder } from './data-folder.ts';
import { diskSpace } from './disk-space.ts';
import { embedded } from './embedded.ts';
import { exposure } from './exposure.ts';
import { gpu } from './gpu.ts';
import { loadedModels } from './loaded-models.ts';
import { locks } from './locks.ts';
import { modelSupport } from './model-support.ts';
import { modelsFolder } from './models-folder.ts';
import { node } from './node.ts';
import { proxy } from './proxy.ts';
import { records } from './records.ts';
import { server } from './server.ts';
import { serverEnvironment } from './server-environment.ts';
import { serverProgram } from './server-program.ts';
import { serverVersion } from './server-version.ts';
import { settings } from './settings.ts';
import { staging } from './staging.ts';

/** Every check, in the order of the report: first what runs the model, then its surroundings, then this tool. */
export const CHECKS: readonly Check[] = [
  server,
  serverVersion,
  modelSupport,
  serverProgram,
  serverEnvironment,
  embedded,
  modelsFolder,
  diskSpace,
  loadedModels,
  gpu,
  context,
  proxy,
  exposure,
  staging,
  settings,
  catalog,
  configFolder,
  dataFolder,
  cacheFolder,
  records,
  locks,
  node,
  clock,
];
