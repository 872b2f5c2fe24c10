import * as Args from '@oclif/core/args';
import * as Flags from '@oclif/core/flags';
import { BaseCommand } from '../cli/base-command.ts';
import { runtimeFlags } from '../cli/flags.ts';
import type { RemoveReport } from '../provision/install/schema.ts';
import { describeRuntime } from '../runtimes/registry.ts';

export default class Remove extends BaseCommand<RemoveReport> {
  static override summary = 'Remove a model that this tool installed.';
  static override description =
    'Also removes the previous version that was kept for a rollback. A model in use is unloaded first.';
  static override examples = ['<%= config.bin %> remove gemma-3n-e4b:q4_k_m'];
  static override args = {
    name: Args.string({
      required: true,
      ignoreStdin: true,
      description: 'name of the installed model, as shown by list',
    }),
  };
  static override flags = {
    ...runtimeFlags,
    force: Flags.boolean({ description: 'even if the model was changed since it was installed' }),
  };

  override async run(): Promise<RemoveReport> {
    const { args, flags } = await this.parse(Remove);
    const app = await this.app(flags);
    const { remove } = await import('../provision/maintain/remove.ts');
    const report = await this.progress(await remove(app, args.name, flags));
    const where = describeRuntime(report.runtime);
    this.log(
      report.removedFromRuntime
        ? `Removed ${report.name} from ${where}.`
        : `${report.name} no longer existed in ${where}; its record was removed.`,
    );
    const { previous } = report;
    if (previous !== undefined)
      this.log(
        `The previous version of ${report.name} (${previous.model}:${previous.quant}), kept for a rollback, was removed too.`,
      );
    return report;
  }
}
