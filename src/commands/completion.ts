import * as Args from '@oclif/core/args';
import type { Command } from '@oclif/core/command';
import { BaseCommand } from '../cli/base-command.ts';
import type { CompletionData } from '../cli/completion.ts';
import {
  type CompletedCommand,
  type CompletedFlag,
  completionScript,
  INSTALL_HINT,
  SHELLS,
} from '../cli/completion.ts';

/** Flags whose value is a path, so that the shell completes files after them. */
const PATH_FLAGS: ReadonlySet<string> = new Set(['from', 'profile', 'catalog', 'suite', 'save', 'folder']);

export default class Completion extends BaseCommand<CompletionData> {
  static override summary = 'Print a completion script for a shell.';
  static override description =
    `Enable it with one of:\n${SHELLS.map((shell) => `  ${INSTALL_HINT[shell]}`).join('\n')}`;
  static override examples = ['<%= config.bin %> completion bash', 'source <(<%= config.bin %> completion bash)'];
  static override args = {
    shell: Args.string({ required: true, ignoreStdin: true, options: [...SHELLS], description: 'bash, zsh or fish' }),
  };

  override async run(): Promise<CompletionData> {
    const { args } = await this.parse(Completion);
    const shell = SHELLS.find((name) => name === args.shell) ?? 'bash';
    const script = completionScript(shell, this.#commands());
    if (!this.jsonEnabled()) this.terminal.out.data(script);
    return { shell, script };
  }

  #commands(): CompletedCommand[] {
    return this.config.commands
      .filter((command) => command.hidden !== true)
      .map((command) => ({
        words: command.id.replaceAll(':', ' '),
        summary: command.summary ?? '',
        flags: Object.values(command.flags).map(completedFlag),
      }))
      .sort((a, b) => (a.words < b.words ? -1 : 1));
  }
}

function completedFlag(flag: Command.Flag.Cached): CompletedFlag {
  const options = flag.type === 'option' ? (flag.options ?? []) : [];
  return {
    name: flag.name,
    description: flag.description ?? '',
    options: [...options],
    takesValue: flag.type === 'option',
    isPath: PATH_FLAGS.has(flag.name),
  };
}
