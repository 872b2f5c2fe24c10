import * as Flags from '@oclif/core/flags';
import { BaseCommand } from '../cli/base-command.ts';
import { runtimeFlags } from '../cli/flags.ts';
import { gcText } from '../cli/render/gc.ts';
import type { GcReport } from '../provision/maintain/gc/schema.ts';

export default class Gc extends BaseCommand<GcReport> {
  static override summary = 'what interrupted runs and replaced models left behind; --apply removes it';
  static override description =
    'Looks into our cache and data folder, the runtime, and the models folder of an Ollama server on this machine. Models, whoever installed them, and everything of a run that is still at work stay.';
  static override examples = [
    '<%= config.bin %> gc',
    '<%= config.bin %> gc --apply',
    '<%= config.bin %> gc --previous --apply',
  ];
  static override flags = {
    ...runtimeFlags,
    apply: Flags.boolean({ description: 'remove it' }),
    previous: Flags.boolean({ description: 'also the versions kept for a rollback, which is not possible afterwards' }),
  };

  override async run(): Promise<GcReport> {
    const { flags } = await this.parse(Gc);
    const app = await this.app(flags);
    const { gc } = await import('../provision/maintain/gc/gc.ts');
    const { apply = false, previous = false, ...where } = flags;
    const report = await this.progress(await gc(app, { ...where, apply, previous }));
    this.log(gcText(report));
    return report;
  }
}
