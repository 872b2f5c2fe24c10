import { secretsOfAddress } from '../core/redact.ts';
import { realDisk } from '../disk/disk.ts';
import { AppContext, type AppOptions } from '../provision/context.ts';
import { resolvePaths } from '../provision/paths.ts';
import { readSettings } from '../provision/settings.ts';
import { prepareStateFolders } from '../provision/state-folders.ts';
import { hideSecrets } from './redaction.ts';
import { processTerminal, type Terminal } from './terminal.ts';

/** What every command works with. Tests of commands give their own. */
export interface Environment {
  /** Throws `bad-configuration` when the settings file is not valid. */
  createApp(options: AppOptions): Promise<AppContext>;
  terminal(options: { readonly noColor: boolean }): Terminal;
}

export const realEnvironment: Environment = {
  async createApp(options) {
    const paths = resolvePaths(process.env);
    await prepareStateFolders(paths, realDisk, process.getuid?.());
    const settings = await readSettings(paths);
    if (settings.host !== undefined) hideSecrets(...secretsOfAddress(settings.host));
    return new AppContext(options, paths, settings, process.env);
  },
  terminal: processTerminal,
};
