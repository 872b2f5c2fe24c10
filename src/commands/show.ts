import * as Args from '@oclif/core/args';
import { BaseCommand } from '../cli/base-command.ts';
import { runtimeFlags } from '../cli/flags.ts';
import { recordText } from '../cli/render/records.ts';
import type { ShowData } from '../provision/maintain/records.ts';

export default class Show extends BaseCommand<ShowData> {
  static override summary = 'Show an installed model in detail.';
  static override examples = ['<%= config.bin %> show gemma-3n-e4b:q4_k_m'];
  static override args = {
    name: Args.string({
      required: true,
      ignoreStdin: true,
      description: 'name of the installed model, as shown by list',
    }),
  };
  static override flags = { ...runtimeFlags };

  override async run(): Promise<ShowData> {
    const { args, flags } = await this.parse(Show);
    const app = await this.app(flags);
    const { recordsNamed } = await import('../provision/maintain/records.ts');
    const records = await recordsNamed(await app.registry(), args.name, flags);
    this.log(records.map(recordText).join('\n\n'));
    return { records };
  }
}
