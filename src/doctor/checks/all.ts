import type { Check } from '../check.ts';
import { cacheFolder, configFolder, dataFolder, diskSpace, modelsFolder } from './folders.ts';
import { clock, embedded, gpu, node } from './host.ts';
import { context, loadedModels, modelSupport, staging } from './models.ts';
import { exposure, proxy } from './network.ts';
import { server, serverEnvironment, serverProgram, serverVersion } from './server.ts';
import { catalog, locks, records, settings } from './tool.ts';

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
