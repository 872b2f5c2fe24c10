import type { Command } from '@oclif/core/command';
import { Config } from '@oclif/core/config';
import type { PJSON } from '@oclif/core/interfaces';

/** A command class that can be run. */
export type Runnable = typeof Command & (new (argv: string[], config: Config) => Command);

/**
 * Runs the command that the arguments begin with, which is known already, with as much of oclif as it uses: parsing, the JSON flag, the order of init, run,
 * catch and finally. No manifest is read, no command looked up, and this package has no plug-ins and hooks to look for.
 */
export async function runAlone(command: Runnable, argv: readonly string[], root: string, pjson: PJSON): Promise<void> {
  const [id = '', ...rest] = argv;
  command.id = id;
  await command.run(rest, new BareConfig(root, pjson));
}

/** What commands read of a configuration. The full one costs a start as much as the rest of oclif. */
class BareConfig extends Config {
  constructor(root: string, pjson: PJSON) {
    super({ root, pjson });
    this.root = root;
    this.pjson = pjson;
    this.name = pjson.name;
    this.version = pjson.version;
    this.bin = pjson.oclif.bin ?? pjson.name;
    this.userAgent = `${pjson.name}/${pjson.version}`;
    this.topicSeparator = ' ';
  }

  override async runHook(): Promise<{ successes: []; failures: [] }> {
    return { successes: [], failures: [] };
  }
}
