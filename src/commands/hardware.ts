import * as Flags from '@oclif/core/flags';
import { BaseCommand } from '../cli/base-command.ts';
import { hostProfileFlags, outputFlags, runtimeFlags } from '../cli/flags.ts';
import { hardwareText } from '../cli/render/hardware.ts';
import type { HardwareData } from '../provision/plan/host.ts';

export default class Hardware extends BaseCommand<HardwareData> {
  static override summary = 'Show what this machine has and where each fact came from.';
  static override description =
    'Save the profile (data.profile of --json) to plan for this machine from another one: recommend --profile FILE.';
  static override examples = [
    '<%= config.bin %> hardware',
    '<%= config.bin %> hardware --sources',
    '<%= config.bin %> hardware --json',
  ];
  static override flags = {
    host: runtimeFlags.host,
    ...hostProfileFlags,
    sources: Flags.boolean({ description: 'also show where each fact came from' }),
    save: Flags.string({ helpValue: 'FILE', description: 'write the profile to a file, for --profile' }),
    ...outputFlags,
  };

  override async run(): Promise<HardwareData> {
    const { flags } = await this.parse(Hardware);
    const app = await this.app(flags);
    const { hostProfile, saveProfile } = await import('../provision/plan/host.ts');
    const profile = await hostProfile(flags, app.hostContext());
    if (flags.save !== undefined) await saveProfile(flags.save, profile, flags.force);
    this.log(hardwareText(profile, flags.sources || flags.verbose));
    return { profile };
  }
}
