import * as Args from '@oclif/core/args';
import * as Flags from '@oclif/core/flags';
import { BaseCommand } from '../cli/base-command.ts';
import * as shared from '../cli/flags.ts';
import { installText } from '../cli/render/install.ts';
import { installRequest } from '../cli/requests.ts';
import type { InstallReport } from '../provision/install/schema.ts';

export default class Install extends BaseCommand<InstallReport> {
  static override summary = 'Choose a quant, fetch verified bytes, create the model, prove it, record it.';
  static override description =
    'The new model gets its final name only after it passed its smoke test under a staging name; if anything fails, the previous model stays in place. Running the same install again moves no byte.';
  static override examples = [
    {
      description: 'the tiny model that is bundled with this tool',
      command: '<%= config.bin %> install tiny-gemma-3n',
    },
    {
      description: 'your own file, into Ollama',
      command: '<%= config.bin %> install gemma-3n-e4b:q4_k_m --from ./gemma-3n-e4b-it-q4_k_m.gguf',
    },
    {
      description: 'the best quant in a folder for this machine',
      command: '<%= config.bin %> install gemma-3n-e4b --from ./models --use-case chatbot',
    },
    {
      description: 'from a Hugging Face repository, pinned to its commit',
      command: '<%= config.bin %> install gemma-3n-e4b --from hf:OWNER/REPOSITORY --use-case chatbot',
    },
    { description: "Ollama's own build", command: '<%= config.bin %> install --from ollama:gemma3n:e4b' },
    '<%= config.bin %> install gemma-3n-e4b --from ./models --dry-run --json',
  ];
  static override args = {
    model: Args.string({
      ignoreStdin: true,
      description: 'model of the catalog, optionally with a quant: gemma-3n-e4b:q5_k_m',
    }),
  };
  static override flags = {
    ...shared.runtimeFlags,
    ...shared.networkFlags,
    ...shared.choiceFlags,
    ...shared.hostProfileFlags,
    ...shared.catalogFlags,
    ...shared.keepFlags,
    ...shared.whatFlags,
    ...shared.visionFlags,
    ...shared.transferFlags,
    ...shared.changeFlags,
    ...shared.frozenFlags,
    ...shared.keyFlags,
    force: Flags.boolean({
      description: 'install even if it is already installed, does not fit, or the name is taken',
    }),
  };

  override async run(): Promise<InstallReport> {
    const { args, flags } = await this.parse(Install);
    const app = await this.app(flags);
    const { installRequested } = await import('../provision/share/pinned.ts');
    const asked = installRequest(args.model, flags, flags.frozen ? {} : app.settings);
    const work = installRequested(app, asked, flags, this.consent(flags));
    const report = await this.progress(work);
    this.log(installText(report, this.terminal));
    return report;
  }
}
