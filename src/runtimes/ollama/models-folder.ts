import { homedir } from 'node:os';
import { realDisk } from '../../disk/disk.ts';
import { findModelsFolder } from '../../hardware/models-folder.ts';
import { findServerProcess } from '../../hardware/server-process.ts';
import type { HostAddress, ModelsFolder } from './index.ts';

/**
 * Where the server behind a loopback address keeps its models, from its own environment where that shows, else guessed.
 * Undefined for a server behind another process, or in a container: its folder has another path here, or none.
 */
export async function serverModels(
  host: Pick<HostAddress, 'url'>,
  env: Readonly<Record<string, string | undefined>>,
  signal: AbortSignal,
): Promise<ModelsFolder | undefined> {
  const { platform } = process;
  const uid = process.getuid?.();
  const found = await findServerProcess({ platform, files: realDisk }, new URL(host.url), signal);
  const user = { platform, env, home: homedir(), files: realDisk, ...(uid !== undefined && { uid }) };
  const folder = await findModelsFolder(user, found);
  if (folder === undefined || folder.reach !== folder.path) return undefined;
  return { path: folder.path, files: realDisk, uid };
}
