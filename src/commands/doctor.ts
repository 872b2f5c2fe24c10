import * as Args from '@oclif/core/args';
import { BaseCommand } from '../cli/base-command.ts';
import { catalogFlags, runtimeFlags } from '../cli/flags.ts';
import { doctorText } from '../cli/render/doctor.ts';
import type { DoctorFlags } from '../doctor/doctor.ts';
import type { DoctorData } from '../doctor/schema.ts';
import type { AppContext } from '../provision/context.ts';

export default class Doctor extends BaseCommand<DoctorData> {
  static override summary = 'Find everything that would make an install fail or be slow.';
  static override description =
    'Checks the server, its environment, folders, disk, GPU, proxies and this tool, and says how to fix each problem. Changes nothing. Exits with 4 when a problem blocks an install.';
  static override examples = [
    '<%= config.bin %> doctor',
    '<%= config.bin %> doctor gemma-3n-e4b:q5_k_m --host 127.0.0.1:11434',
    '<%= config.bin %> doctor --runtime embedded --json',
  ];
  static override args = {
    model: Args.string({ ignoreStdin: true, description: 'model to check for (default: gemma-3n-e4b)' }),
  };
  static override flags = { ...runtimeFlags, ...catalogFlags };

  override async run(): Promise<DoctorData> {
    const { args, flags, raw } = await this.parse(Doctor);
    const typed = Object.fromEntries(
      raw.flatMap((token) => (token.type === 'flag' ? [[token.flag, token.input] as const] : [])),
    );
    const data = await this.#examine(args.model, { ...flags, typed });
    this.log(doctorText(data, this.terminal));
    if (data.checks.some(({ status }) => status === 'problem')) this.negative();
    return data;
  }

  /** Settings that cannot be read end other commands; here they are one of the things to report. */
  async #examine(model: string | undefined, flags: DoctorFlags): Promise<DoctorData> {
    let app: AppContext;
    try {
      app = await this.app(flags);
    } catch (fault) {
      const { doctorDespite } = await import('../doctor/doctor.ts');
      return doctorDespite(fault, model, flags, this.appOptions(flags));
    }
    const { doctorOf } = await import('../doctor/doctor.ts');
    return doctorOf(app, model, flags);
  }
}
