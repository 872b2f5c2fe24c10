import * as Flags from '@oclif/core/flags';
import { BaseCommand } from '../cli/base-command.ts';
import { runtimeFlags } from '../cli/flags.ts';
import { gcText } from '../cli/render/gc.ts';
import type { GcReport } from '../provision/maintain/gc/schema.ts';

export default class Gc extends BaseCommand<GcReport> {
  static override summary = 'List (with --apply: remove) leftovers of interrupted runs and replaced models.';
  static override description =
    'Checks the cache and data folder of this tool, the runtime, and the models folder of an Ollama server on this machine. It never touches installed models, or runs that are in progress.';
  static override examples = [
    '<%= config.bin %> gc',
    '<%= config.bin %> gc --apply',
    '<%= config.bin %> gc --previous --apply',
  ];
  static override flags = {
    ...runtimeFlags,
    apply: Flags.boolean({ description: 'remove what is listed' }),
    previous: Flags.boolean({ description: 'include previous versions; they can no longer be restored afterwards' }),
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
