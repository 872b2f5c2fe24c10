import type { Command } from '@oclif/core/command';
import { Config } from '@oclif/core/config';
import type { PJSON } from '@oclif/core/interfaces';

/** A command class that can be run. */
type Runnable = typeof Command & (new (argv: string[], config: Config) => Command);

/** Commands by their ids, `catalog:list`. */
export type Commands = Readonly<Record<string, Runnable>>;

/** A command that is known already, with the arguments behind its words. */
export interface KnownCommand {
  readonly id: string;
  readonly command: Runnable;
  readonly argv: readonly string[];
}

/** Commands that look at the others, by the configuration that oclif loads. */
const NEEDS_ALL: readonly string[] = ['completion'];

/** The command that the arguments begin with; undefined for help, for what needs all commands, and for no command. */
export function knownCommand(argv: readonly string[], commands: Commands): KnownCommand | undefined {
  if (argv.includes('--help')) return undefined;
  for (const words of [2, 1]) {
    const id = argv.slice(0, words).join(':');
    if (NEEDS_ALL.includes(id) || !Object.hasOwn(commands, id)) continue;
    const command = commands[id];
    if (command !== undefined) return { id, command, argv: argv.slice(words) };
  }
  return undefined;
}

/**
 * Runs a known command with as much of oclif as it uses: parsing, the JSON flag, the order of init, run, catch and
 * finally. No manifest is read, no command looked up, and this package has no plug-ins and hooks to look for.
 */
export async function runAlone({ id, command, argv }: KnownCommand, root: string, pjson: PJSON): Promise<void> {
  command.id = id;
  await command.run([...argv], new BareConfig(root, pjson));
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
