import * as Flags from '@oclif/core/flags';
import { BaseCommand } from '../cli/base-command.ts';
import { runtimeFlags } from '../cli/flags.ts';
import { gcText } from '../cli/render/gc.ts';
import type { GcData } from '../cli/results.ts';

export default class Gc extends BaseCommand<GcData> {
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

  override async run(): Promise<GcData> {
    const { flags } = await this.parse(Gc);
    const services = await this.services(flags);
    const { apply = false, previous = false, ...where } = flags;
    const report = await this.progress(await services.gc({ ...where, apply, previous }));
    this.log(gcText(report));
    return report;
  }
}
